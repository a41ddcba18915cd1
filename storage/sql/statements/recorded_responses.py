"""The statements on recorded responses (see operations/recorded_responses.py), the same for all databases."""

from ..dialect import MessageTable
from .sessions import SESSION_EXISTS

# The record of a key, until it expires or the session that it is about is deleted.
RECORDED = """idempotency
WHERE workspace = :workspace
    AND key = :key
    AND expires_at > :now
    AND (
        session_id IS NULL
        OR EXISTS (
            SELECT 1
            FROM session
            WHERE session.workspace = idempotency.workspace
                AND session.id = idempotency.session_id
        )
    )"""

RECORD_RESPONSE = """
INSERT INTO idempotency (workspace, key, fingerprint, answer, expires_at, session_id)
VALUES (:workspace, :key, :fingerprint, :answer, :expires_at, :session_id)
ON CONFLICT (workspace, key) DO UPDATE
SET fingerprint = EXCLUDED.fingerprint,
    answer = EXCLUDED.answer,
    expires_at = EXCLUDED.expires_at,
    session_id = EXCLUDED.session_id
"""

FORGET_RESPONSE = """
DELETE FROM idempotency
WHERE workspace = :workspace
    AND key = :key
"""

# Deletes two for each new one, so that the expired ones become fewer.
FORGET_EXPIRED = """
DELETE FROM idempotency
WHERE (workspace, key) IN (
    SELECT workspace, key
    FROM idempotency
    WHERE expires_at < :now
    ORDER BY expires_at
    LIMIT 2
)
"""

RECORDED_TEXT = """
SELECT content
FROM recorded_text
WHERE workspace = :workspace
    AND session_id = :id
    AND digest = :digest
"""

# Whether a text is kept for long enough.
HAS_TEXT = """
SELECT 1
FROM recorded_text
WHERE workspace = :workspace
    AND session_id = :id
    AND digest = :digest
    AND expires_at >= :until
"""

KEEP_TEXT = """
INSERT INTO recorded_text (workspace, session_id, digest, size, recorded_at, expires_at, content)
VALUES (:workspace, :id, :digest, :size, :now, :expires_at, :content)
ON CONFLICT (workspace, session_id, digest) DO UPDATE
SET recorded_at = EXCLUDED.recorded_at,
    expires_at = EXCLUDED.expires_at
"""

# Deletes the oldest rows beyond a limit.
BOUND_TEXTS = """
DELETE FROM recorded_text
WHERE workspace = :workspace
    AND (session_id, digest) IN (
        SELECT session_id, digest
        FROM (
            SELECT
                session_id, digest, SUM(size) OVER (ORDER BY recorded_at DESC, session_id DESC, digest DESC) AS total
            FROM recorded_text
            WHERE workspace = :workspace
        ) AS ranked
        WHERE total > CAST(:most AS BIGINT)
    )
"""

# Deletes two for each new one, so that the expired ones become fewer.
FORGET_TEXTS = """
DELETE FROM recorded_text
WHERE (workspace, session_id, digest) IN (
    SELECT workspace, session_id, digest
    FROM recorded_text
    WHERE expires_at < :now
    ORDER BY expires_at
    LIMIT 2
)
"""

EXPIRED_TEXT = """
SELECT 1
FROM recorded_text
WHERE expires_at < :now
LIMIT 1
"""

FORGET_SESSION_TEXT = """
DELETE FROM recorded_text
WHERE (workspace, session_id, digest) IN (
    SELECT workspace, session_id, digest
    FROM recorded_text
    WHERE workspace = :workspace
        AND session_id = :id
    LIMIT 1
)
RETURNING digest
"""


def recorded_messages(table: MessageTable) -> str:
    """The statement that reads the messages from :first to :last, which a request under a key appended."""
    return f"""
SELECT record
FROM {table.source}
WHERE {table.between(":first", ":last")}
    AND {SESSION_EXISTS}
ORDER BY {table.key}
"""  # noqa: S608  # of the texts above
