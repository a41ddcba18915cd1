"""Statements that look for what is wrong, and put it right, on every storage. They read all there is, once."""

CONTENTS = """
SELECT COUNT(*), COALESCE(SUM(message_count), 0)
FROM session
"""

# What is left of sessions that are not there.
PARTS = """
SELECT workspace, session_id
FROM message
WHERE NOT EXISTS (
    SELECT 1
    FROM session
    WHERE session.workspace = message.workspace
        AND session.id = message.session_id
)
UNION
SELECT workspace, session_id
FROM session_detail
WHERE NOT EXISTS (
    SELECT 1
    FROM session
    WHERE session.workspace = session_detail.workspace
        AND session.id = session_detail.session_id
)
"""

# Who has seen what was wrong sees that it has changed.
RECOUNT = """
UPDATE session
SET message_count = (
        SELECT COALESCE(MAX(sequence), 0)
        FROM message
        WHERE message.workspace = session.workspace
            AND message.session_id = session.id
    ),
    token_usage = (
        SELECT CASE WHEN SUM(token_count) > CAST(:most AS BIGINT) THEN CAST(:most AS BIGINT)
            ELSE COALESCE(SUM(token_count), 0) END
        FROM message
        WHERE message.workspace = session.workspace
            AND message.session_id = session.id
    ),
    changed_sequence = (
        SELECT COALESCE(MAX(sequence), 0)
        FROM message
        WHERE message.workspace = session.workspace
            AND message.session_id = session.id
    ),
    version = CASE WHEN version < changed_version THEN changed_version ELSE version END + 1,
    changed_version = CASE WHEN version < changed_version THEN changed_version ELSE version END + 1,
    revision = :revision
WHERE workspace = :workspace
    AND id = :id
"""
