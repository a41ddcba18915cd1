"""The statements on files, their chunks and the messages that refer to them."""

from ..dialect import Dialect

FILE = """
SELECT id, media, size, created_at, name, expires_at, content_id
FROM file
WHERE workspace = :workspace
    AND id = :file_id
"""

INSERT_FILE = """
INSERT INTO file (workspace, id, content_id, media, name, size, created_at, expires_at)
VALUES (:workspace, :file_id, :content_id, :media, :name, :size, :now, :expires_at)
"""

HOLD_FILE = """
UPDATE file
SET expires_at = :expires_at
WHERE workspace = :workspace
    AND id = :file_id
RETURNING id, media, size, created_at, name, expires_at
"""

DELETE_FILE = """
DELETE FROM file
WHERE workspace = :workspace
    AND id = :file_id
"""

INSERT_CHUNK = """
INSERT INTO file_chunk (workspace, content_id, place, bytes)
VALUES (:workspace, :id, :place, :bytes)
"""

CHUNKS = """
SELECT bytes
FROM file_chunk
WHERE workspace = :workspace
    AND content_id = :content_id
    AND place BETWEEN :first AND :last
ORDER BY place
"""

# Up to :most chunks.
REMOVE_CHUNKS = """
DELETE FROM file_chunk
WHERE (workspace, content_id, place) IN (
    SELECT workspace, content_id, place
    FROM file_chunk
    WHERE workspace = :workspace
        AND content_id = :id
    ORDER BY place
    LIMIT :most
)
RETURNING place
"""

# The messages of existing sessions that refer to a file.
REFERENCES = """
SELECT session_id, sequence
FROM file_reference
WHERE workspace = :workspace
    AND file_id = :file_id
    AND EXISTS (
        SELECT 1
        FROM session
        WHERE session.workspace = file_reference.workspace
            AND session.id = file_reference.session_id
    )
ORDER BY session_id, sequence
LIMIT :most
"""

# The next files of a workspace, and whether a message refers to each.
EXPORTED_FILES = """
SELECT id, media, size, name, content_id, 0, EXISTS (
    SELECT 1
    FROM file_reference
    WHERE file_reference.workspace = file.workspace
        AND file_reference.file_id = file.id
)
FROM file
WHERE workspace = :workspace
    AND id > :file_id
ORDER BY id
LIMIT :most
"""

# The next references of a session, and whether each is the first one to an existing file.
EXPORTED_FILES_OF_SESSION = """
SELECT reference.file_id, media, size, name, content_id, reference.sequence, file.id IS NOT NULL AND NOT EXISTS (
    SELECT 1
    FROM file_reference AS earlier
    WHERE earlier.workspace = reference.workspace
        AND earlier.file_id = reference.file_id
        AND earlier.session_id = reference.session_id
        AND earlier.sequence < reference.sequence
)
FROM file_reference AS reference
LEFT JOIN file
    ON file.workspace = reference.workspace
    AND file.id = reference.file_id
WHERE reference.workspace = :workspace
    AND reference.session_id = :id
    AND (reference.sequence, reference.file_id) > (:sequence, :file_id)
ORDER BY reference.sequence, reference.file_id
LIMIT :most
"""

# The key of the next row of each, without what may be damaged in it.
NEXT_FILE = """
SELECT 0, id
FROM file
WHERE workspace = :workspace
    AND id > :file_id
ORDER BY id
LIMIT 1
"""

NEXT_FILE_OF_SESSION = """
SELECT sequence, file_id
FROM file_reference
WHERE workspace = :workspace
    AND session_id = :id
    AND (sequence, file_id) > (:sequence, :file_id)
ORDER BY sequence, file_id
LIMIT 1
"""

FORK_REFERENCES = """
INSERT INTO file_reference (workspace, session_id, sequence, file_id)
SELECT workspace, CAST(:fork_id AS TEXT), sequence, file_id
FROM file_reference
WHERE workspace = :workspace
    AND session_id = :id
    AND sequence > :after
    AND sequence <= :last
"""

# Up to a sequence.
REMOVE_REFERENCES = """
DELETE FROM file_reference
WHERE workspace = :workspace
    AND session_id = :id
    AND sequence <= :last
RETURNING file_id
"""

EXPIRED_FILE = """
SELECT workspace
FROM file
WHERE expires_at < :now
ORDER BY expires_at
LIMIT 1
"""

_EXPIRED = """(
    SELECT id
    FROM file
    WHERE workspace = :workspace
        AND expires_at < :now
    ORDER BY expires_at
    LIMIT :most
)"""

# An import may contain a message that refers to a file uploaded later.
KEEP_EXPIRED = f"""
UPDATE file
SET expires_at = NULL
WHERE workspace = :workspace
    AND id IN {_EXPIRED}
    AND EXISTS (
        SELECT 1
        FROM file_reference
        WHERE file_reference.workspace = file.workspace
            AND file_reference.file_id = file.id
    )
"""  # noqa: S608  # of the text above

DELETE_EXPIRED = f"""
DELETE FROM file
WHERE workspace = :workspace
    AND id IN {_EXPIRED}
"""  # noqa: S608  # of the text above

# Some of the files to which no message refers.
DELETE_FILES = """
DELETE FROM file
WHERE workspace = :workspace
    AND id IN (
        SELECT id
        FROM file
        WHERE workspace = :workspace
            AND created_at <= :now
            AND NOT EXISTS (
                SELECT 1
                FROM file_reference
                WHERE file_reference.workspace = file.workspace
                    AND file_reference.file_id = file.id
            )
        ORDER BY created_at
        LIMIT :most
    )
RETURNING id
"""


def keep_files(steps: str) -> str:
    """The statement that ends the expiry of the files whose ids are in :files, a JSON array."""
    return f"""
UPDATE file
SET expires_at = NULL
WHERE workspace = :workspace
    AND expires_at IS NOT NULL
    AND id IN (SELECT step.value FROM {steps.format(":files")})
"""  # noqa: S608  # of the texts above


def insert_references(steps: str) -> str:
    """The statement that stores references: :references is a JSON array of file ids, each with a sequence."""
    return f"""
INSERT INTO file_reference (workspace, session_id, sequence, file_id)
SELECT :workspace, :id, CAST(substr(step.value, 65) AS BIGINT), substr(step.value, 1, 64)
FROM {steps.format(":references")}
"""  # noqa: S608  # of the texts above


def delete_unreferenced(steps: str) -> str:
    """The statement that deletes those of the :files to which no message refers any more, unless they are held."""
    return f"""
DELETE FROM file
WHERE workspace = :workspace
    AND expires_at IS NULL
    AND id IN (SELECT step.value FROM {steps.format(":files")})
    AND NOT EXISTS (
        SELECT 1
        FROM file_reference
        WHERE file_reference.workspace = file.workspace
            AND file_reference.file_id = file.id
    )
"""  # noqa: S608  # of the texts above


def lock_files(steps: str) -> str:
    """The statement that finds the existing ones of the :files, and how long they are held."""
    return f"""
SELECT id, created_at, expires_at
FROM file
WHERE workspace = :workspace
    AND id IN (SELECT step.value FROM {steps.format(":files")})
ORDER BY id
"""  # noqa: S608  # of the texts above


def file_list(dialect: Dialect) -> str:
    """The statement that lists files, the newest first, after the one of :file_id that was created at :at."""
    record = f"""'{{"id":"' || id
        || '","url":"/files/' || id
        || '","media":' || {dialect.quoted.format("media")}
        || ',"size":' || size
        || ',"createdAt":"' || created_at || '"'
        || CASE WHEN name IS NULL THEN '' ELSE ',"name":' || {dialect.quoted.format("name")} END
        || COALESCE(',"expiresAt":"' || expires_at || '"', '')
        || '}}'"""
    return f"""
SELECT {dialect.as_bytes.format(record)}
FROM file
WHERE workspace = :workspace
    AND (created_at, id) < (:at, :file_id)
ORDER BY created_at DESC, id DESC
LIMIT :limit
"""  # noqa: S608  # of the texts above
