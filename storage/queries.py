"""Statements of lists, which are composed of what a query asks for. A list has one column: JSON in bytes."""

from dataclasses import dataclass, fields

from .clock import LAST_MOMENT, completed
from .cursor import decode
from .records import MessageQuery, SessionQuery, SessionSort, SessionSummary
from .rows import Bindings


@dataclass(frozen=True, slots=True)
class Dialect:
    """What a database has its own words for.

    `summary` and `record` are a session's and a message's JSON in bytes, `joined` is that of the records which
    `measured` lists,
    `named` says whether the name has :name in it, `by_parent` is the source of sessions that are found by their parent,
    and `no_limit` the limit of a list that has none.
    """

    summary: str
    record: str
    measured: str
    joined: str
    named: str
    by_parent: str
    no_limit: int | None


@dataclass(frozen=True, slots=True)
class Sort:
    """An order of sessions: its clause, what comes after the position (:at, :after_id), and a position before all."""

    order: str
    after: str
    first: tuple[str, str]

    def position(self, summary: SessionSummary) -> tuple[str, str]:
        """The position of a session in the order."""
        return (summary.updated_at if "updated_at" in self.order else summary.created_at), summary.id


_FIRST = ("", "")
_LAST = (LAST_MOMENT, "")
_LAST_ID = "ffffffff-ffff-ffff-ffff-ffffffffffff"

# Ids sort by the time of creation (see identity.py).
SORTS: dict[SessionSort, Sort] = {
    "-updated_at": Sort(
        "updated_at DESC, id", "updated_at <= :at\n    AND (updated_at < :at OR id > :after_id)", _LAST
    ),
    "updated_at": Sort(
        "updated_at, id DESC", "updated_at >= :at\n    AND (updated_at > :at OR id < :after_id)", _FIRST
    ),
    "-created_at": Sort("id DESC", "id < :after_id", (_LAST[0], _LAST_ID)),
    "created_at": Sort("id", "id > :after_id", _FIRST),
}

_FILTERS = {
    "status": "status = :status",
    "profile": "profile = :profile",
    "amplified_dir": "amplified_dir = :amplified_dir",
    "parent_session_id": "parent_session_id = :parent_session_id",
    "created_after": "created_at > :created_after",
    "created_before": "created_at < :created_before",
    "updated_after": "updated_at > :updated_after",
    "updated_before": "updated_at < :updated_before",
}
_TIMES = ("created_after", "created_before", "updated_after", "updated_before")


def sessions(dialect: Dialect, query: SessionQuery) -> tuple[str, Bindings]:
    """The statement that lists `SessionSummary` records, and its bindings but for the workspace.

    With a limit it reads one more, which tells whether there is a next page.
    """
    sort = SORTS[query.sort]
    filters = filters_of(query)
    at, after_id = sort.first if query.cursor is None else decode(query.cursor)
    clauses = "\n    AND ".join(
        ["workspace = :workspace", sort.after, *(_FILTERS.get(name, dialect.named) for name in filters)]
    )
    # Few sessions have one parent: they are found by it, then sorted.
    source = dialect.by_parent if "parent_session_id" in filters else "session"
    statement = f"""
SELECT {dialect.summary}
FROM {source}
WHERE {clauses}
ORDER BY {sort.order}
LIMIT :limit
"""
    limit = dialect.no_limit if query.limit is None else query.limit + 1
    return statement, filters | {"at": at, "after_id": after_id, "limit": limit}


def filters_of(query: SessionQuery) -> Bindings:
    """The filters that a query has, as their statements take them."""
    given = {field.name: getattr(query, field.name) for field in fields(query) if field.name in {*_FILTERS, "name"}}
    filters = {name: value for name, value in given.items() if value is not None}
    filters |= {name: completed(filters[name]) for name in _TIMES if name in filters}
    return filters | {"name": filters["name"].casefold()} if "name" in filters else filters


def messages(dialect: Dialect, query: MessageQuery) -> str:
    """The statement that lists the records from :first to :last, all of them."""
    return f"""
SELECT {dialect.record}
FROM message
WHERE workspace = :workspace
    AND session_id = :id
    AND sequence BETWEEN :first AND :last
ORDER BY sequence{_direction(newest_first=query.order == "desc")}
"""


def joined_messages(dialect: Dialect, query: MessageQuery) -> str:
    """The same joined, in one row."""
    return f"""
SELECT {dialect.joined}
FROM (
    SELECT {dialect.measured}
    FROM message
    WHERE workspace = :workspace
        AND session_id = :id
        AND sequence BETWEEN :first AND :last
    ORDER BY sequence{_direction(newest_first=query.order == "desc")}
) AS listed
"""


def messages_of_role(dialect: Dialect, query: MessageQuery) -> str:
    """The statement that lists at most :limit records of :role from :first to :last."""
    return f"""
SELECT {dialect.record}
FROM (
    SELECT sequence, record
    FROM message
    WHERE workspace = :workspace
        AND session_id = :id
        AND sequence BETWEEN :first AND :last
        AND role = :role
    ORDER BY sequence{_direction(newest_first=query.from_end)}
    LIMIT :limit
) AS listed
ORDER BY sequence{_direction(newest_first=query.order == "desc")}
"""


def _direction(*, newest_first: bool) -> str:
    return " DESC" if newest_first else ""
