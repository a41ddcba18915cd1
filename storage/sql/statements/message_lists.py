"""Statements of lists of messages. A list has one column: JSON in bytes."""

from functools import cache

from ...model.records import MessageOrder
from ..dialect import Dialect
from .sessions import SESSION_EXISTS

_OF_ROLE = f"""workspace = :workspace
    AND session_id = :id
    AND sequence BETWEEN :first AND :last
    AND role = :role
    AND {SESSION_EXISTS}"""


@cache
def messages(dialect: Dialect, order: MessageOrder) -> str:
    """The statement that lists the records from :first to :last, all of them."""
    return _messages(dialect.record, order, f"\n    AND {SESSION_EXISTS}")


def _messages(column: str, order: MessageOrder, condition: str = "") -> str:
    return f"""
SELECT {column}
FROM message
WHERE workspace = :workspace
    AND session_id = :id
    AND sequence BETWEEN :first AND :last{condition}
ORDER BY sequence{_direction(newest_first=order == "desc")}
"""


@cache
def joined_messages(dialect: Dialect, order: MessageOrder) -> str:
    """The same joined, in a row that is there if the session is; NULL where they reach to :end, or are long."""
    return f"""
SELECT CASE
    WHEN message_count < :end OR CAST(:last AS BIGINT) < :end THEN (
        SELECT {dialect.joined}
        FROM ({_messages(dialect.measured, order)}) AS listed
    )
END
FROM session
WHERE workspace = :workspace
    AND id = :id
"""


@cache
def messages_of_role(dialect: Dialect, order: MessageOrder) -> str:
    """The statement that lists the records of :role from :first to :last, all of them."""
    return f"""
SELECT {dialect.record}
FROM message
WHERE {_OF_ROLE}
ORDER BY sequence{_direction(newest_first=order == "desc")}
"""


@cache
def last_of_page(*, from_end: bool) -> str:
    """The statement that finds the message of :role from :first on, or from :last back, before which :skipped are."""
    return f"""
SELECT sequence
FROM message
WHERE {_OF_ROLE}
ORDER BY sequence{_direction(newest_first=from_end)}
LIMIT 1
OFFSET :skipped
"""


def _direction(*, newest_first: bool) -> str:
    return " DESC" if newest_first else ""
