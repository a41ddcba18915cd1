"""Statements that find and repair faults, the same for all databases. They read all data once."""

from ..dialect import MessageTable

CONTENTS = """
SELECT COUNT(*), COALESCE(SUM(message_count), 0)
FROM session
"""


def strays(table: str, key: str, owner: str, owner_key: str) -> str:
    """The clause that selects the rows of a table that belong to nothing: `key` is the owner's `owner_key`."""
    return f"""NOT EXISTS (
    SELECT 1
    FROM {owner}
    WHERE {owner}.workspace = {table}.workspace
        AND {owner}.{owner_key} = {table}.{key}
)"""  # noqa: S608  # of names of tables


def _lasting_strays(table: str, key: str, owner: str, owner_key: str) -> str:
    """The same, except those that are being removed or written."""
    return f"""{strays(table, key, owner, owner_key)}
    AND {strays(table, key, "removal", "session_id")}"""


def parts(messages: str, has_messages: str = "TRUE") -> str:
    """The statement that finds remains of sessions that do not exist.

    `messages` is a table with the keys of sessions, and `has_messages` the condition for those that have messages.
    """
    return f"""
SELECT workspace, session_id
FROM {messages}
WHERE {_lasting_strays(messages, "session_id", "session", "id")}
    AND {has_messages}
UNION
SELECT workspace, session_id
FROM session_detail
WHERE {strays("session_detail", "session_id", "session", "id")}
UNION
SELECT workspace, session_id
FROM file_reference
WHERE {_lasting_strays("file_reference", "session_id", "session", "id")}
"""  # noqa: S608  # of the texts above


# Chunks of files that do not exist.
STRAY_CHUNKS = f"""
SELECT DISTINCT workspace, content_id
FROM file_chunk
WHERE {_lasting_strays("file_chunk", "content_id", "file", "content_id")}
"""  # noqa: S608  # of the text above


def recount(table: MessageTable) -> str:
    """The statement that counts the messages of a session; readers of the wrong counts see that they have changed."""
    return f"""
UPDATE session
SET (message_count, changed_sequence, token_usage) = (
        SELECT COALESCE(MAX(message.sequence), 0), COALESCE(MAX(message.sequence), 0),
            CASE WHEN SUM(token_count) > CAST(:most AS BIGINT) THEN CAST(:most AS BIGINT)
            ELSE COALESCE(SUM(token_count), 0) END
        FROM {table.source}
        WHERE {table.between("1", "CAST(:most AS BIGINT)")}
    ),
    version = CASE WHEN version < changed_version THEN changed_version ELSE version END + 1,
    changed_version = CASE WHEN version < changed_version THEN changed_version ELSE version END + 1,
    revision = :revision
WHERE workspace = :workspace
    AND id = :id
"""  # noqa: S608  # of the texts above


# The counts of directories: their sessions, and the number of directories.
DIRECTORY_TOTALS = """
SELECT workspace, total, (
    SELECT COUNT(*)
    FROM directory
    WHERE directory.workspace = directory_total.workspace
)
FROM directory_total
"""

PROFILE_CONTENTS = """
SELECT workspace, hash, content, texts
FROM profile_content
"""

# Texts of profiles that were lost.
LOST_TEXTS = """
SELECT workspace, hash, texts
FROM profile_content
WHERE texts IS NOT NULL
    AND NOT EXISTS (
        SELECT 1
        FROM profile_text
        WHERE profile_text.workspace = profile_content.workspace
            AND profile_text.hash = profile_content.texts
    )
"""

PROFILE_TEXTS = """
SELECT workspace, hash, content
FROM profile_text
"""

# Profiles without their content.
EMPTY_PROFILES = """
SELECT workspace, name
FROM profile
WHERE NOT EXISTS (
    SELECT 1
    FROM profile_content
    WHERE profile_content.workspace = profile.workspace
        AND profile_content.hash = profile.hash
)
"""

# Profiles of collections that do not exist.
STRAY_PROFILES = f"""
SELECT workspace, name, collection
FROM profile
WHERE collection IS NOT NULL
    AND {strays("profile", "collection", "collection", "identifier")}
"""  # noqa: S608  # of the text above

# Modules of collections that do not exist.
STRAY_MODULES = f"""
SELECT workspace, id, collection
FROM module
WHERE {strays("module", "collection", "collection", "identifier")}
"""  # noqa: S608  # of the text above

# Sessions whose copy of a profile is missing, or is the built-in one's.
EMPTY_SNAPSHOTS = """
SELECT workspace, id, profile_hash
FROM session
WHERE profile_hash IS NOT NULL
    AND NOT EXISTS (
        SELECT 1
        FROM profile_content
        WHERE profile_content.workspace = session.workspace
            AND profile_content.hash = session.profile_hash
    )
"""

FORGET_USE = """
UPDATE directory_use
SET session_count = 0
WHERE workspace = :workspace
"""

COUNT_USE = """
INSERT INTO directory_use (workspace, relative_path, session_count, last_used_at)
SELECT workspace, amplified_dir, COUNT(*), MAX(created_at)
FROM session
WHERE workspace = :workspace
GROUP BY workspace, amplified_dir
ON CONFLICT (workspace, relative_path) DO UPDATE
SET session_count = EXCLUDED.session_count
"""

COUNT_DIRECTORIES = """
UPDATE directory_total
SET total = (
    SELECT COUNT(*)
    FROM directory
    WHERE directory.workspace = directory_total.workspace
)
WHERE workspace = :workspace
"""


def directory_uses(path: str) -> str:
    """The statement that finds working directories whose count of sessions is wrong.

    `path` is a session's directory in the order of bytes.
    """
    return f"""
SELECT workspace, relative_path, session_count, counted
FROM (
    SELECT workspace, relative_path, session_count, (
        SELECT COUNT(*)
        FROM session
        WHERE session.workspace = directory_use.workspace
            AND {path} = directory_use.relative_path
    ) AS counted
    FROM directory_use
) AS used
WHERE session_count <> counted
UNION ALL
SELECT workspace, amplified_dir, 0, COUNT(*)
FROM session
WHERE NOT EXISTS (
    SELECT 1
    FROM directory_use
    WHERE directory_use.workspace = session.workspace
        AND directory_use.relative_path = {path}
)
GROUP BY workspace, amplified_dir
"""  # noqa: S608  # of the texts above
