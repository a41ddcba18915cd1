"""Statements of lists, which are composed of what a query asks for, each once. A list has one column: JSON in bytes."""

from dataclasses import dataclass
from functools import cache, lru_cache

from .clock import LAST_MOMENT, completed
from .cursor import decode
from .dialect import Dialect
from .directory_path import ROOT, spelt
from .directory_statements import below
from .identity import canonical_id
from .records import MessageOrder, MessageQuery, SessionQuery, SessionSort, SessionSummary
from .rows import Bindings


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
# After every UUID, also that of ones alone.
_LAST_ID = "g"

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
_FILTERED = (*_FILTERS, "name")
_TIMES = ("created_after", "created_before", "updated_after", "updated_before")


# So many sessions are sorted for one page.
MOST_SORTED = 5_000


def sessions(
    dialect: Dialect, query: SessionQuery, filters: Bindings, in_directory: int | None = None
) -> tuple[str, Bindings]:
    """The statement that lists `SessionSummary` records, and its bindings but for the workspace.

    With a limit it has one row: how many there are, one more than the limit where there is a next page, and each on a
    line, which JSON has no breaks in. `filters` are the query's, `in_directory` is how many sessions its directory has,
    None where it names none.
    """
    at, after_id = SORTS[query.sort].first if query.cursor is None else decode(query.cursor)
    source = "session"
    # Few sessions have one parent, or are in one directory: they are found by it, then sorted.
    if "parent_session_id" in filters:
        source = dialect.by_parent
    elif in_directory is not None and in_directory <= MOST_SORTED:
        source = dialect.by_directory
    statement = _sessions(
        dialect, query.sort, source, tuple(filters), recursive=query.recursive, paged=query.limit is not None
    )
    limit = dialect.no_limit if query.limit is None else query.limit + 1
    return statement, filters | {"at": at, "after_id": after_id, "limit": limit}


@lru_cache(maxsize=256)
def _sessions(
    dialect: Dialect, order: SessionSort, source: str, filters: tuple[str, ...], *, recursive: bool, paged: bool
) -> str:
    sort = SORTS[order]
    own = _FILTERS | {"name": dialect.named}
    if recursive:
        own["amplified_dir"] = below(dialect.as_path.format("amplified_dir"), "amplified_dir")
    clauses = "\n    AND ".join(["workspace = :workspace", sort.after, *(own[name] for name in filters)])
    listed = f"""
SELECT {dialect.summary} AS summary
FROM {source}
WHERE {clauses}
ORDER BY {sort.order}
LIMIT :limit
"""
    if not paged:
        return listed
    return f"""
SELECT COUNT(*), {dialect.lines}
FROM ({listed}) AS listed
"""


def filters_of(query: SessionQuery) -> Bindings:
    """The filters that a query has, as their statements take them."""
    filters = {name: value for name in _FILTERED if (value := getattr(query, name)) is not None}
    filters |= {name: completed(filters[name]) for name in _TIMES if name in filters}
    if "parent_session_id" in filters:
        filters["parent_session_id"] = canonical_id(filters["parent_session_id"])
    if "amplified_dir" in filters:
        filters["amplified_dir"] = spelt(filters["amplified_dir"])
        if query.recursive and filters["amplified_dir"] == ROOT:
            del filters["amplified_dir"]
    return filters | {"name": filters["name"].casefold()} if "name" in filters else filters


@cache
def messages(dialect: Dialect, order: MessageOrder) -> str:
    """The statement that lists the records from :first to :last, all of them."""
    return _messages(dialect.record, order)


def _messages(column: str, order: MessageOrder) -> str:
    return f"""
SELECT {column}
FROM message
WHERE workspace = :workspace
    AND session_id = :id
    AND sequence BETWEEN :first AND :last
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
