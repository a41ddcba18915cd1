"""Statements that find faults in PostgreSQL; `sql/statements/integrity.py` has those for all databases."""

# Each session with each of its messages, and its entry in the search index.
SESSIONS = """
SELECT
    session.workspace, session.id, message_count, token_usage, version, changed_version, changed_sequence,
    COALESCE(session.context, session_detail.context) IS NOT NULL,
    message.sequence, message.role, message.token_count, message.message_id, convert_to(message.record, 'UTF8'),
    search.role, search.size, search.words, tsvector_to_array(search.lexemes)
FROM session
LEFT JOIN session_detail
    ON session_detail.workspace = session.workspace
    AND session_detail.session_id = session.id
LEFT JOIN message
    ON message.workspace = session.workspace
    AND message.session_id = session.id
LEFT JOIN search
    ON search.workspace = message.workspace
    AND search.session_id = message.session_id
    AND search.sequence = message.sequence
ORDER BY session.workspace, session.id, message.sequence
"""

# Sessions with entries in the search index for missing messages.
STRAYS = """
SELECT workspace, session_id
FROM search
WHERE NOT EXISTS (
    SELECT
    FROM message
    WHERE message.workspace = search.workspace
        AND message.session_id = search.session_id
        AND message.sequence = search.sequence
)
GROUP BY workspace, session_id
"""

FORGET_ENTRIES = """
DELETE FROM search
WHERE workspace = :workspace
    AND session_id = :id
    AND sequence BETWEEN :first AND :last
    AND sequence <> ALL(CAST(:kept AS BIGINT[]))
"""

# Workspaces that have lost count of their writes.
WRONG_REVISIONS = """
SELECT written.workspace, COALESCE(workspace.revision, 0), last
FROM (
    SELECT workspace, MAX(revision) AS last
    FROM (
        SELECT workspace, revision
        FROM session
        UNION ALL
        SELECT workspace, revision
        FROM deletion
    ) AS of_any
    GROUP BY workspace
) AS written
LEFT JOIN workspace
    ON workspace.workspace = written.workspace
WHERE COALESCE(workspace.revision, 0) < last
ORDER BY written.workspace
"""

COUNT_REVISIONS = """
UPDATE workspace
SET revision = GREATEST(
    revision,
    (SELECT MAX(revision) + 1 FROM session WHERE session.workspace = :workspace),
    (SELECT MAX(revision) + 1 FROM deletion WHERE deletion.workspace = :workspace)
)
WHERE workspace = :workspace
"""
