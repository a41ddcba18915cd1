"""Statements of lists of messages. A list has one column: JSON in bytes."""

from functools import cache

from ...model.queries import MessageOrder, MessageQuery
from ..dialect import Dialect, MessageTable
from .sessions import SESSION_EXISTS

_OPEN = """workspace = :workspace
    AND session_id = :id
    AND sequence BETWEEN :first AND :last
    AND result_sequence IS NULL"""

# The listed messages end before :end. It is evaluated in the list, so that no long list is read in vain, and beside
# it, so that a long list differs from an empty one.
_ENDS = """EXISTS (
        SELECT 1
        FROM session
        WHERE session.workspace = :workspace
            AND session.id = :id
            AND (message_count < :end OR CAST(:last AS BIGINT) < :end)
    )"""


def _conditions(table: MessageTable, query: MessageQuery) -> str:
    conditions = [table.between(":first", ":last")]
    if query.open_calls:
        key = table.key_of.format("sequence")
        conditions.append(f"{table.key} IN (SELECT {key} FROM tool_call WHERE {_OPEN})")
    if query.role is not None:
        conditions.append("role = :role")
    return "\n    AND ".join([*conditions, SESSION_EXISTS])


@cache
def messages(dialect: Dialect, order: MessageOrder) -> str:
    """The statement that lists the records from :first to :last."""
    return _messages(dialect.messages, dialect.record, order, SESSION_EXISTS)


def _messages(table: MessageTable, column: str, order: MessageOrder, condition: str) -> str:
    return f"""
SELECT {column}
FROM {table.source}
WHERE {table.between(":first", ":last")}
    AND {condition}
ORDER BY {table.key}{_direction(newest_first=order == "desc")}
"""


@cache
def joined_messages(dialect: Dialect, order: MessageOrder) -> str:
    """The same records joined, in a row that exists if the session does and they end before :end; NULL if long."""
    return f"""
SELECT {dialect.joined}
FROM ({_messages(dialect.messages, dialect.measured, order, _ENDS)}) AS listed
HAVING {_ENDS}
"""


def filtered_messages(dialect: Dialect, query: MessageQuery) -> str:
    """The statement that lists the records that match the query's filters, from :first to :last."""
    return f"""
SELECT {dialect.record}
FROM {dialect.messages.source}
WHERE {_conditions(dialect.messages, query)}
ORDER BY {dialect.messages.key}{_direction(newest_first=query.order == "desc")}
"""


def last_of_page(table: MessageTable, query: MessageQuery) -> str:
    """The statement that finds the message from :first on, or from :last back, after :skipped that match."""
    return f"""
SELECT message.sequence
FROM {table.source}
WHERE {_conditions(table, query)}
ORDER BY {table.key}{_direction(newest_first=query.from_end)}
LIMIT 1
OFFSET :skipped
"""


@cache
def open_call(*, from_end: bool) -> str:
    """The statement that finds the message with an open call from :first on, or from :last back, after :skipped."""
    return f"""
SELECT DISTINCT sequence
FROM tool_call
WHERE {_OPEN}
ORDER BY sequence{_direction(newest_first=from_end)}
LIMIT 1
OFFSET :skipped
"""


def messages_with_ids(table: MessageTable, steps: str) -> str:
    """The statement that finds which of :ids messages of a session have, in their order; see `Dialect.steps`."""
    return f"""
SELECT message_id, sequence
FROM {steps.format(":ids")}
CROSS JOIN {table.source}
WHERE {table.of_id}
    AND message_id = step.value
ORDER BY step.place
LIMIT :most
"""


@cache
def sequence_of_id(table: MessageTable) -> str:
    """The statement that finds the message with :message_id."""
    return f"""
SELECT sequence
FROM {table.source}
WHERE {table.of_id}
    AND message_id = :message_id
"""


def _direction(*, newest_first: bool) -> str:
    return " DESC" if newest_first else ""
