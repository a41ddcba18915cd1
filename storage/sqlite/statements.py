"""Every statement of the SQLite storage. A list has one column: a record as JSON text, in a BLOB."""

PING = """
SELECT message_count
FROM session
LIMIT 1
"""

INSERT_SESSION = """
INSERT INTO session (workspace, id, profile, amplified_dir, created_at, updated_at, message_count)
VALUES (:workspace, :id, :profile, :amplified_dir, :now, :now, 0)
"""

INSERT_CONTEXT = """
INSERT INTO session_context (workspace, session_id, context)
VALUES (:workspace, :id, :context)
"""

SESSION = """
SELECT session.id, profile, context, amplified_dir, created_at, updated_at, message_count
FROM session
JOIN session_context
    ON session_context.workspace = session.workspace
    AND session_context.session_id = session.id
WHERE session.workspace = :workspace
    AND session.id = :id
"""

# The position where a list of sessions starts that has no cursor: before every session there can be.
FIRST_POSITION = ("9999-12-31T23:59:59.999999Z", "")

SESSIONS = """
SELECT CAST(summary AS BLOB)
FROM session
WHERE workspace = :workspace
    AND updated_at <= :updated_at
    AND (updated_at < :updated_at OR id > :id)
ORDER BY updated_at DESC, id
LIMIT :limit
"""

UPDATED_AT = """
SELECT updated_at
FROM session
WHERE workspace = :workspace
    AND id = :id
"""

RESUME_SESSION = """
UPDATE session
SET updated_at = :updated_at
WHERE workspace = :workspace
    AND id = :id
"""

DELETE_SESSION = """
DELETE FROM session
WHERE workspace = :workspace
    AND id = :id
"""

# A transcript's times never go back, though the clock may.
COUNT_MESSAGE = """
UPDATE session
SET message_count = message_count + 1,
    updated_at = MAX(updated_at, :now)
WHERE workspace = :workspace
    AND id = :id
RETURNING message_count, updated_at
"""

INSERT_MESSAGE = """
INSERT INTO message (workspace, session_id, sequence, record)
VALUES (:workspace, :id, :sequence, :record)
"""

MESSAGE_COUNT = """
SELECT message_count
FROM session
WHERE workspace = :workspace
    AND id = :id
"""

MESSAGES = """
SELECT CAST(record AS BLOB)
FROM message
WHERE workspace = :workspace
    AND session_id = :id
    AND sequence BETWEEN :first AND :last
ORDER BY sequence
"""

# The same joined, in one row.
JOINED_MESSAGES = """
SELECT CAST(group_concat(record) AS BLOB)
FROM (
    SELECT record
    FROM message
    WHERE workspace = :workspace
        AND session_id = :id
        AND sequence BETWEEN :first AND :last
    ORDER BY sequence
)
"""
