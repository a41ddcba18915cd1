"""The statements of the SQLite storage in its own SQL.

A list has one column: JSON in a BLOB.
"""

from ..sql.statements.collections import module_sources_with_ids, modules_with_ids
from ..sql.statements.corrections import answer_calls, close_calls, open_calls, reopen_calls
from ..sql.statements.files import delete_unreferenced, insert_references, keep_files, lock_files
from ..sql.statements.imports import id_uses
from ..sql.statements.message_lists import messages_with_ids
from ..sql.statements.recorded_answers import RECORDED
from ..sql.statements.removals import begin_writing, next_removal, renew_lease, take_removal
from ..sql.statements.sessions import SESSION_EXISTS, Statements, profile_in_directory

# See `Dialect`.
STEPS = "(SELECT key AS place, value FROM json_each({})) AS step"

CLOCK = "unixepoch('subsec')"


class SQLiteStatements(Statements):
    """The statements of SQLite."""

    PROFILE_IN_DIRECTORY = profile_in_directory(STEPS)

    MESSAGES_WITH_IDS = messages_with_ids(STEPS)

    ID_USES = id_uses(STEPS)

    MODULES_WITH_IDS = modules_with_ids(STEPS)

    MODULE_SOURCES_WITH_IDS = module_sources_with_ids(STEPS)

    SESSION_SUMMARY = """
SELECT CAST(listed AS BLOB)
FROM session
WHERE workspace = :workspace
    AND id = :id
"""

    NEXT_REMOVAL = LOCK_REMOVAL = next_removal(CLOCK)

    TAKE_REMOVAL = take_removal(CLOCK)

    BEGIN_WRITING = begin_writing(CLOCK)

    RENEW_LEASE = renew_lease(CLOCK)

    LOCK_FILES = lock_files(STEPS)

    KEEP_FILES = keep_files(STEPS)

    INSERT_REFERENCES = insert_references(STEPS)

    DELETE_UNREFERENCED = delete_unreferenced(STEPS)

    CLOSE_CALLS = close_calls(STEPS)

    OPEN_CALLS = open_calls(STEPS)

    REOPEN_CALLS = reopen_calls(STEPS)

    ANSWER_CALLS = answer_calls(STEPS)

    PING = """
SELECT message_count
FROM session
LIMIT 1
"""

    # https://www.sqlite.org/pragma.html#pragma_data_version
    DATA_VERSION = "PRAGMA data_version"

    LAST_UPDATE = """
SELECT MAX(updated_at)
FROM session
WHERE workspace = :workspace
    AND updated_at < :horizon
"""

    LAST_REVISION = """
SELECT MAX(
    COALESCE((SELECT MAX(revision) FROM session WHERE workspace = :workspace), 0),
    COALESCE((SELECT MAX(revision) FROM deletion WHERE workspace = :workspace), 0)
)
"""

    FORK_MESSAGES = """
INSERT INTO message (workspace, session_id, sequence, role, token_count, record, usage, message_id)
SELECT workspace, :fork_id, sequence, role, token_count, record, usage, message_id
FROM message
WHERE workspace = :workspace
    AND session_id = :id
    AND sequence > :after
    AND sequence <= :last
"""

    # SQLite reads a CROSS JOIN in its written order.
    ANCESTORS = """
WITH RECURSIVE ancestor (distance, id) AS (
    SELECT 1, parent_session_id
    FROM session
    WHERE workspace = :workspace
        AND id = :id
    UNION ALL
    SELECT distance + 1, session.parent_session_id
    FROM ancestor
    CROSS JOIN session
        ON session.workspace = :workspace
        AND session.id = ancestor.id
    WHERE distance < :most
)
SELECT CAST(listed AS BLOB)
FROM ancestor
CROSS JOIN session
    ON session.workspace = :workspace
    AND session.id = ancestor.id
ORDER BY distance
"""

    # Without statistics SQLite uses the primary key, and reads every session.
    CHILDREN = """
SELECT CAST(listed AS BLOB)
FROM session INDEXED BY session_by_parent
WHERE workspace = :workspace
    AND parent_session_id = :id
ORDER BY id
LIMIT :most
"""

    INSERT_MESSAGE = """
INSERT INTO message (workspace, session_id, sequence, role, token_count, record, usage, message_id)
VALUES (:workspace, :id, :sequence, :role, :tokens, :record, :usage, :message_id)
"""

    MESSAGE = f"""
SELECT CAST(record AS BLOB)
FROM message
WHERE workspace = :workspace
    AND session_id = :id
    AND sequence = :sequence
    AND {SESSION_EXISTS}
"""  # noqa: S608  # of the text above

    TAIL_MESSAGES = f"""
SELECT sequence, CAST(record AS BLOB)
FROM message
WHERE workspace = :workspace
    AND session_id = :id
    AND sequence BETWEEN :first AND :last
    AND {SESSION_EXISTS}
ORDER BY sequence
LIMIT :most
"""  # noqa: S608  # of the text above

    # Those of messages that a reader has, up to a version.
    TAIL_CORRECTIONS = f"""
SELECT version, is_deleted, CAST(record AS BLOB)
FROM correction
CROSS JOIN message
    ON message.workspace = correction.workspace
    AND message.session_id = correction.session_id
    AND message.sequence = correction.sequence
WHERE correction.workspace = :workspace
    AND correction.session_id = :id
    AND version > :version
    AND version < :before
    AND after_sequence <= :sequence
    AND {SESSION_EXISTS}
ORDER BY version
LIMIT :most
"""  # noqa: S608  # of the text above

    CHANGES = """
SELECT revision, iif(created_revision > :seen, 'created', 'changed'), CAST(listed AS BLOB)
FROM session
WHERE workspace = :workspace
    AND revision > :seen
UNION ALL
SELECT revision, 'deleted', CAST('{"id":"' || session_id || '"}' AS BLOB)
FROM deletion
WHERE workspace = :workspace
    AND revision > :seen
ORDER BY revision
LIMIT :most
"""

    RECORDED_ANSWER = f"""
SELECT fingerprint, CAST(answer AS BLOB), session_id
FROM {RECORDED}
"""  # noqa: S608  # of the text above
