"""The statements of the SQLite storage that need SQLite's own SQL.

A list has one column: JSON in a BLOB.
"""

from ..sql.dialect import MessageTable
from ..sql.statements.collections import module_sources_with_ids, modules_with_ids
from ..sql.statements.corrections import answer_calls, close_calls, message_record, open_calls, reopen_calls
from ..sql.statements.files import delete_unreferenced, insert_references, keep_files, lock_files
from ..sql.statements.integrity import parts, recount
from ..sql.statements.message_lists import messages_with_ids
from ..sql.statements.recorded_responses import RECORDED, recorded_messages
from ..sql.statements.removals import begin_writing, message_sizes, next_removal, renew_lease, take_removal
from ..sql.statements.sessions import (
    COUNT_MESSAGES,
    SESSION_EXISTS,
    Statements,
    profile_in_directory,
)
from ..sql.statements.transfer import IMPORT_SESSION, exported_session, id_uses, session_alone

# See `Dialect`.
STEPS = "(SELECT key AS place, value FROM json_each({})) AS step"

CLOCK = "unixepoch('subsec')"

# A message's place is the number of its session, shifted by 31 bits, plus its sequence, which is at most this.
LAST_SEQUENCE = 2**31 - 1

_OF_SESSION = """session_number.workspace = :workspace
    AND session_number.session_id = :id"""

# The view `message` (see migrations/0024_message_rows.sql). SQLite evaluates a CROSS JOIN in the written order. Larger
# sequences are limited, so that they do not reach the messages of the next session.
MESSAGES = MessageTable(
    source="session_number\nCROSS JOIN message",
    of_session=_OF_SESSION,
    of_id=f"{_OF_SESSION}\n    AND CAST(message.place >> 31 AS INTEGER) = number",
    key="message.place",
    key_of=f"(session_number.number << 31) + MIN(MAX({{}}, 0), {LAST_SEQUENCE})",
    size="message.size",
)


def _number_of(workspace: str, session_id: str) -> str:
    """The SQL expression for the number of a session, by the expressions of its workspace and id."""
    return f"""(
        SELECT number
        FROM session_number
        WHERE session_number.workspace = {workspace}
            AND session_number.session_id = {session_id}
    )"""  # noqa: S608  # of names of columns and parameters


def places_of(number: str, last: str = str(LAST_SEQUENCE)) -> str:
    """The SQL range of the places of a session's messages, up to the sequence `last`; index entries have these keys."""
    return f"BETWEEN {number} << 31 AND ({number} << 31) + {last}"


_NUMBER = _number_of(":workspace", ":id")
PLACES = places_of(_NUMBER)
PLACES_UP_TO_LAST = places_of(_NUMBER, f"MIN(:last, {LAST_SEQUENCE})")

# Whether there are messages of the session in a row of `session_number`.
HAS_MESSAGES = f"""EXISTS (
        SELECT 1
        FROM message_row
        WHERE place {places_of("number")}
    )"""  # noqa: S608  # of the text above

# The sequence of the last message of the session in a row of `session`.
_LAST_SEQUENCE_OF_SESSION = f"""COALESCE((
    SELECT MAX(place) & {LAST_SEQUENCE}
    FROM message_row
    WHERE place {places_of(_number_of("session.workspace", "session.id"))}
), 0)"""  # noqa: S608  # of the texts above


def _number_session(session_id: str) -> str:
    """The statement that gives a number to a session without one; messages of a damaged file may use higher ones."""
    return f"""
INSERT OR IGNORE INTO session_number (number, workspace, session_id, indexed_sequence)
VALUES (
    1 + MAX(
        COALESCE((SELECT MAX(number) FROM session_number), 0),
        COALESCE((SELECT MAX(place) FROM message_row) >> 31, 0)
    ),
    :workspace, {session_id}, 0
)
"""  # noqa: S608  # of the name of a parameter


def _with_labels(insert: str, session_id: str) -> str:
    """The statement that inserts a session and its labels. PostgreSQL has a trigger that inserts the labels."""
    return f"""
{insert};

INSERT INTO session_label (workspace, session_id, key, value, session_updated_at)
SELECT session.workspace, session.id, label.key, label.value, session.updated_at
FROM session
CROSS JOIN json_each(session.labels) AS label
WHERE session.workspace = :workspace
    AND session.id = {session_id}
"""  # noqa: S608  # of the text above, and the name of a parameter


class SQLiteStatements(Statements):
    """The statements of SQLite."""

    INSERT_LABELLED_SESSION = _with_labels(Statements.INSERT_SESSION, ":id")

    IMPORT_SESSION = _with_labels(IMPORT_SESSION, ":id")

    FORK_SESSION = _with_labels(Statements.FORK_SESSION, ":fork_id")

    PROFILE_IN_DIRECTORY = profile_in_directory(STEPS)

    MESSAGES_WITH_IDS = messages_with_ids(MESSAGES, STEPS)

    MESSAGE_RECORD = message_record(MESSAGES)

    MESSAGE_SIZES = message_sizes(MESSAGES)

    MESSAGES_TO_COPY = message_sizes(MESSAGES, "token_count", "usage")

    RECORDED_MESSAGES = recorded_messages(MESSAGES)

    RECOUNT = recount(MESSAGES)

    EXPORTED_SESSION = exported_session(_LAST_SEQUENCE_OF_SESSION, "= :id")

    NEXT_SESSION = exported_session(_LAST_SEQUENCE_OF_SESSION, "> :id")

    SESSION_ALONE = session_alone(_LAST_SEQUENCE_OF_SESSION)

    PARTS = parts("session_number", HAS_MESSAGES)

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

    # With RETURNING, SQLite would compute every column of the row before and after the update, even those for lists.
    COUNT_MESSAGES = f"""
{COUNT_MESSAGES};

SELECT message_count, updated_at
FROM session
WHERE workspace = :workspace
    AND id = :id
    AND changes() = 1
"""  # noqa: S608  # of the text above

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

    FORK_MESSAGES = f"""{_number_session(":fork_id")};

INSERT INTO message_row (place, role, message_id, timestamp, rest, content)
SELECT (forked.number << 31) + (message.place & {LAST_SEQUENCE}), role, message_id, timestamp, rest, content
FROM session_number AS forked
CROSS JOIN session_number
CROSS JOIN message_row AS message
WHERE forked.workspace = :workspace
    AND forked.session_id = :fork_id
    AND {MESSAGES.after(":after", ":last")}
"""  # noqa: S608  # of the texts above

    # SQLite evaluates a CROSS JOIN in the written order.
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

    # It inserts nothing if the session has no number yet.
    INSERT_MESSAGE = """
INSERT INTO message_row (place, role, message_id, timestamp, rest, content)
SELECT (number << 31) + :sequence, :role, :message_id, :timestamp, :rest, :content
FROM session_number
WHERE workspace = :workspace
    AND session_id = :id
"""

    NUMBER_SESSION = _number_session(":id")

    REPLACE_MESSAGE = f"""
UPDATE message_row
SET role = :role,
    timestamp = :timestamp,
    rest = :rest,
    content = :content
WHERE place = ({_NUMBER} << 31) + :sequence
"""  # noqa: S608  # of the text above

    # Up to a sequence.
    REMOVE_MESSAGES = f"""
DELETE FROM message_row
WHERE place {PLACES_UP_TO_LAST}
"""  # noqa: S608  # of the text above

    FORGET_NUMBER = """
DELETE FROM session_number
WHERE workspace = :workspace
    AND session_id = :id
"""

    MESSAGE = f"""
SELECT CAST(record AS BLOB)
FROM {MESSAGES.source}
WHERE {MESSAGES.at(":sequence")}
    AND {SESSION_EXISTS}
"""  # noqa: S608  # of the text above

    TAIL_MESSAGES = f"""
SELECT message.sequence, CAST(record AS BLOB)
FROM {MESSAGES.source}
WHERE {MESSAGES.between(":first", ":last")}
    AND {SESSION_EXISTS}
ORDER BY message.place
LIMIT :most
"""  # noqa: S608  # of the text above

    # The corrections of messages that a reader has, between two versions.
    TAIL_CORRECTIONS = f"""
SELECT version, is_deleted, CAST(record AS BLOB)
FROM session_number
CROSS JOIN correction
CROSS JOIN message
    ON message.place = (number << 31) + correction.sequence
WHERE {_OF_SESSION}
    AND correction.workspace = :workspace
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

    RECORDED_RESPONSE = f"""
SELECT fingerprint, CAST(answer AS BLOB), session_id
FROM {RECORDED}
"""  # noqa: S608  # of the text above
