"""Statements that find and repair faults, the same for all databases. They read all data once."""

from ..dialect import MessageTable
from .sessions import COLUMNS

CONTENTS = """
SELECT COUNT(*), COALESCE(SUM(message_count), 0)
FROM session
"""


def strays(table: str, key: str, owner: str, owner_key: str) -> str:
    """The clause that selects the rows of a table without an owner: `key` is the owner's `owner_key`."""
    return f"""NOT EXISTS (
    SELECT 1
    FROM {owner}
    WHERE {owner}.workspace = {table}.workspace
        AND {owner}.{owner_key} = {table}.{key}
)"""  # noqa: S608  # of names of tables


def _lasting_strays(table: str, key: str, owner: str, owner_key: str) -> str:
    """The same clause, without rows that are being removed or written."""
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
    """The statement that counts the messages of a session; readers of the wrong counts see that they have changed.

    Its tokens do not decrease unless all messages are readable: others count as none.
    """
    return f"""
UPDATE session
SET (message_count, changed_sequence, token_usage) = (
        SELECT COALESCE(MAX(message.sequence), 0), COALESCE(MAX(message.sequence), 0),
            CASE WHEN SUM(token_count) > CAST(:most AS BIGINT) THEN CAST(:most AS BIGINT)
            WHEN NOT CAST(:is_readable AS BOOLEAN) AND COALESCE(SUM(token_count), 0) < token_usage THEN token_usage
            ELSE COALESCE(SUM(token_count), 0) END
        FROM {table.source}
        WHERE {table.between("1", "CAST(:most AS BIGINT)")}
    ),
    correction_count = (
        SELECT COUNT(*)
        FROM correction
        WHERE correction.workspace = session.workspace
            AND correction.session_id = session.id
    ),
    version = CASE WHEN version < changed_version THEN changed_version ELSE version END + 1,
    changed_version = CASE WHEN version < changed_version THEN changed_version ELSE version END + 1,
    revision = :revision
WHERE workspace = :workspace
    AND id = :id
"""  # noqa: S608  # of the texts above


# The columns of sessions that `session_of` takes, and the profiles that the sessions keep.
SESSIONS = f"""
SELECT session.workspace, (
    SELECT content
    FROM profile_content
    WHERE profile_content.workspace = session.workspace
        AND hash = profile_hash
), {COLUMNS}
FROM session
LEFT JOIN session_detail
    ON session_detail.workspace = session.workspace
    AND session_detail.session_id = session.id
ORDER BY session.workspace, session.id
"""  # noqa: S608  # of the text above

# What is stored beside sessions and their messages, in the order of sessions.
SESSION_SUMS = """
SELECT workspace, id, name, folded_name, labels, updated_at, last_message, correction_count, input_tokens,
    output_tokens, cached_tokens, reasoning_tokens, cost, currency
FROM session
ORDER BY workspace, id
"""

LABELS = """
SELECT workspace, session_id, key, value, session_updated_at
FROM session_label
ORDER BY workspace, session_id
"""

REFERENCES = """
SELECT workspace, session_id, sequence, file_id
FROM file_reference
ORDER BY workspace, session_id, sequence
"""

CALLS = """
SELECT workspace, session_id, sequence, call, result_sequence
FROM tool_call
ORDER BY workspace, session_id, sequence
"""

CORRECTIONS = """
SELECT workspace, session_id, sequence, version, after_sequence, is_deleted
FROM correction
ORDER BY workspace, session_id, sequence
"""

REFERENCES_OF_MESSAGE = """
SELECT file_id
FROM file_reference
WHERE workspace = :workspace
    AND session_id = :id
    AND sequence = :sequence
"""

NAME_AND_LABELS = """
SELECT name, labels
FROM session
WHERE workspace = :workspace
    AND id = :id
"""


def _between(table: str) -> str:
    """The clauses that delete the rows of some messages of a session from a table."""
    return f"""
DELETE FROM {table}
WHERE workspace = :workspace
    AND session_id = :id
    AND sequence > :after
    AND sequence < :before
"""  # noqa: S608  # of the name of a table


REMOVE_SOME_REFERENCES = _between("file_reference")

REMOVE_SOME_CALLS = _between("tool_call")

REMOVE_SOME_CORRECTIONS = _between("correction")

ANSWERED_CALLS = """
SELECT result_sequence, call
FROM tool_call
WHERE workspace = :workspace
    AND session_id = :id
    AND result_sequence IS NOT NULL
"""

DETAIL = """
SELECT 1
FROM session_detail
WHERE workspace = :workspace
    AND session_id = :id
"""

SET_LABELS = """
UPDATE session
SET labels = :labels,
    folded_name = :folded_name
WHERE workspace = :workspace
    AND id = :id
"""

# The sums of usage, and the beginning of the last message.
SET_SUMS = """
UPDATE session
SET input_tokens = CAST(:input_tokens AS BIGINT),
    output_tokens = CAST(:output_tokens AS BIGINT),
    cached_tokens = CAST(:cached_tokens AS BIGINT),
    reasoning_tokens = CAST(:reasoning_tokens AS BIGINT),
    cost = CAST(:cost AS BIGINT),
    currency = CAST(:currency AS TEXT),
    last_message = CAST(:last_message AS TEXT)
WHERE workspace = :workspace
    AND id = :id
"""

# The counts of directories: their sessions, and the number of directories.
DIRECTORY_TOTALS = """
SELECT workspace, total, (
    SELECT COUNT(*)
    FROM directory
    WHERE directory.workspace = directory_total.workspace
)
FROM directory_total
UNION ALL
SELECT workspace, 0, COUNT(*)
FROM directory
WHERE NOT EXISTS (
    SELECT 1
    FROM directory_total
    WHERE directory_total.workspace = directory.workspace
)
GROUP BY workspace
"""

LINEAGES = """
SELECT workspace, relative_path, lineage
FROM directory
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

# Profiles with their content; `summary` is made of it.
PROFILES = """
SELECT profile.workspace, name, summary, created_at, updated_at, profile.hash, content, texts
FROM profile
JOIN profile_content
    ON profile_content.workspace = profile.workspace
    AND profile_content.hash = profile.hash
"""

# Collections, and how many profiles and modules they have.
COLLECTIONS = """
SELECT workspace, identifier, summary, record, (
    SELECT COUNT(*)
    FROM profile
    WHERE profile.workspace = collection.workspace
        AND profile.collection = collection.identifier
), (
    SELECT COUNT(*)
    FROM module
    WHERE module.workspace = collection.workspace
        AND module.collection = collection.identifier
)
FROM collection
"""

MODULES = """
SELECT workspace, id, summary, record
FROM module
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
INSERT INTO directory_total (workspace, total)
SELECT CAST(:workspace AS TEXT), COUNT(*)
FROM directory
WHERE workspace = :workspace
ON CONFLICT (workspace) DO UPDATE
SET total = EXCLUDED.total
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


# The next session whose row may be damaged: an index has its id.
NEXT_SESSION_ID = """
SELECT id
FROM session
WHERE workspace = :workspace
    AND id > :id
ORDER BY id
LIMIT 1
OFFSET :skipped
"""
