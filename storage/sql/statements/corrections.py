"""The statements on corrections of messages, the same for all databases.

The table `correction` has each message that was replaced or deleted: the version of its session at that time, and the
last message then.
"""

from ..dialect import MessageTable
from .sessions import LATER

# A correction does not set changed_version: a tail reports it as an event of the message, not of the session.
COUNT_CORRECTION = f"""
UPDATE session
SET updated_at = {LATER},
    version = version + 1,
    revision = :revision,
    last_message = CASE message_count WHEN :sequence THEN :last_message ELSE last_message END
WHERE workspace = :workspace
    AND id = :id
RETURNING version, message_count, updated_at
"""  # noqa: S608  # of the text above

KEEP_CORRECTION = """
INSERT INTO correction (workspace, session_id, sequence, version, after_sequence, is_deleted)
VALUES (:workspace, :id, :sequence, :version, :after_sequence, :is_deleted)
ON CONFLICT (workspace, session_id, sequence) DO UPDATE
SET version = EXCLUDED.version,
    after_sequence = EXCLUDED.after_sequence,
    is_deleted = EXCLUDED.is_deleted
"""

# The corrections of the messages up to a sequence.
REMOVE_CORRECTIONS = """
DELETE FROM correction
WHERE workspace = :workspace
    AND session_id = :id
    AND sequence <= :last
"""

# The corrections after a version of the session.
CORRECTED_SINCE = """
SELECT version, sequence
FROM correction
WHERE workspace = :workspace
    AND session_id = :id
    AND version > :version
    AND sequence <= :last
ORDER BY version
LIMIT :most
"""

# The last one that a reader of message :sequence has seen.
SEEN_CORRECTION = """
SELECT version
FROM correction
WHERE workspace = :workspace
    AND session_id = :id
    AND after_sequence < :sequence
ORDER BY after_sequence DESC, version DESC
LIMIT 1
"""

NEXT_CORRECTION = """
SELECT version, after_sequence
FROM correction
WHERE workspace = :workspace
    AND session_id = :id
    AND version > :version
ORDER BY version
LIMIT 1
"""

REMOVE_MESSAGE_REFERENCES = """
DELETE FROM file_reference
WHERE workspace = :workspace
    AND session_id = :id
    AND sequence = :sequence
RETURNING file_id
"""


def message_record(table: MessageTable) -> str:
    """The statement that reads a message, also without a row of the session: those of a fork are written before it."""
    return f"""
SELECT record
FROM {table.source}
WHERE {table.at(":sequence")}
"""  # noqa: S608  # of the texts above


def close_calls(steps: str) -> str:
    """The statement that removes the calls of message :sequence, except :calls, a JSON array (see `Dialect`)."""
    return f"""
DELETE FROM tool_call
WHERE workspace = :workspace
    AND session_id = :id
    AND sequence = :sequence
    AND call NOT IN (SELECT step.value FROM {steps.format(":calls")})
"""  # noqa: S608  # of the texts above


def open_calls(steps: str) -> str:
    """The statement that adds :calls of message :sequence, without results."""
    return f"""
INSERT INTO tool_call (workspace, session_id, sequence, call)
SELECT :workspace, :id, :sequence, step.value
FROM {steps.format(":calls")}
"""  # noqa: S608  # of the texts above


def reopen_calls(steps: str) -> str:
    """The statement that takes from :calls the result in message :sequence."""
    return f"""
UPDATE tool_call
SET result_sequence = NULL
WHERE workspace = :workspace
    AND session_id = :id
    AND result_sequence = :sequence
    AND call IN (SELECT step.value FROM {steps.format(":calls")})
"""  # noqa: S608  # of the texts above


def answer_calls(steps: str) -> str:
    """The statement that gives earlier :calls a result in message :sequence, unless they have an earlier one."""
    return f"""
UPDATE tool_call
SET result_sequence = :sequence
WHERE workspace = :workspace
    AND session_id = :id
    AND sequence < :sequence
    AND (result_sequence IS NULL OR result_sequence > :sequence)
    AND call IN (SELECT step.value FROM {steps.format(":calls")})
"""  # noqa: S608  # of the texts above
