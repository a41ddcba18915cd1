"""Statements of lists of sessions, composed for a query. A list has one column: JSON in bytes."""

from dataclasses import dataclass, replace
from functools import lru_cache

from ...model.directory_path import ROOT, normalize_or_keep
from ...model.queries import SessionQuery, SessionSort
from ...model.records import SessionSummary
from ...values.clock import FIRST_MOMENT, LAST_MOMENT, in_utc
from ...values.uuid7 import canonical_id
from ..cursors import decode
from ..dialect import Dialect
from ..ports import Bindings
from .directories import below

Position = tuple[str, str]

# They sort before and after every id, which is a text of hexadecimal digits.
_BEFORE_IDS, _AFTER_IDS = "", "g"


@dataclass(frozen=True, slots=True)
class Sort:
    """An order of sessions by the time in `column`, ties by id; `index` is in that order."""

    column: str
    index: str
    newest_first: bool
    ids_ascend: bool

    @property
    def order(self) -> str:
        """The ORDER BY clause."""
        return f"{self.column}{' DESC' if self.newest_first else ''}, id{'' if self.ids_ascend else ' DESC'}"

    @property
    def range(self) -> str:
        """The clauses that select sessions after (:at, :after_id), and up to (:end_at, :end_id)."""
        time = self.column
        later, earlier = ("<", ">") if self.newest_first else (">", "<")
        later_id, earlier_id = (">", "<") if self.ids_ascend else ("<", ">")
        return f"""{time} {later}= :at
    AND {time} {earlier}= :end_at
    AND ({time} {later} :at OR id {later_id} :after_id)
    AND ({time} {earlier} :end_at OR id {earlier_id}= :end_id)"""

    def bounds(self, cursor: Position | None, earliest: str | None, latest: str | None) -> Bindings:
        """The bindings of `range` for the sessions after a cursor, later than `earliest` and earlier than `latest`."""
        first_id, last_id = (_BEFORE_IDS, _AFTER_IDS) if self.ids_ascend else (_AFTER_IDS, _BEFORE_IDS)
        moments = (latest, earliest) if self.newest_first else (earliest, latest)
        extremes = (LAST_MOMENT, FIRST_MOMENT) if self.newest_first else (FIRST_MOMENT, LAST_MOMENT)
        # The last possible id at the start excludes a time, and so does the first possible id at the end.
        start = (extremes[0], first_id) if moments[0] is None else (moments[0], last_id)
        end = (extremes[1], last_id) if moments[1] is None else (moments[1], first_id)
        if cursor is not None and (moments[0] is None or self._is_later(cursor[0], start[0])):
            start = cursor
        return {"at": start[0], "after_id": start[1], "end_at": end[0], "end_id": end[1]}

    def _is_later(self, moment: str, other: str) -> bool:
        return moment < other if self.newest_first else moment > other

    def position(self, summary: SessionSummary) -> Position:
        """The position of a session in the order."""
        return getattr(summary, self.column), summary.id


SORTS: dict[SessionSort, Sort] = {
    "-updated_at": Sort("updated_at", "session_by_update", newest_first=True, ids_ascend=True),
    "updated_at": Sort("updated_at", "session_by_update", newest_first=False, ids_ascend=False),
    "-created_at": Sort("created_at", "session_by_creation", newest_first=True, ids_ascend=False),
    "created_at": Sort("created_at", "session_by_creation", newest_first=False, ids_ascend=True),
}

_FILTERS = {
    "status": "status = :status",
    "profile": "profile = :profile",
    "parent_session_id": "parent_session_id = :parent_session_id",
    "created_after": "created_at > :created_after",
    "created_before": "created_at < :created_before",
    "updated_after": "updated_at > :updated_after",
    "updated_before": "updated_at < :updated_before",
}
_FILTERED = (*_FILTERS, "amplified_dir", "name")
_TIMES = ("created_after", "created_before", "updated_after", "updated_before")

# Indexes, each with the filters by which it finds sessions.
_INDEXES = {
    "session_by_parent": ("parent_session_id",),
    "session_by_directory": ("amplified_dir",),
    "session_by_creation": ("created_after", "created_before"),
    "session_by_update": ("updated_after", "updated_before"),
}


@dataclass(frozen=True, slots=True)
class SessionList:
    """The sessions of `sort` that match `filters`, found by `index`; `bindings` are those of all its statements.

    Filters on the time that it is sorted by are not among `filters`: they are the ends of the range.
    """

    dialect: Dialect
    sort: Sort
    index: str
    filters: tuple[str, ...]
    recursive: bool
    bindings: Bindings

    def indexes(self) -> list["SessionList"]:
        """The same list by each index that finds sessions by some of its filters."""
        return [
            replace(self, index=index)
            for index, names in _INDEXES.items()
            if any(name in self.filters for name in names)
        ]

    def count(self) -> str:
        """The statement that counts the sessions that the index finds by its filters, up to :most."""
        found = [name for name in _INDEXES[self.index] if name in self.filters]
        return _count(self.dialect, self.index, tuple(found), recursive=self.recursive)

    def end(self) -> str:
        """The statement that finds the position :scanned sessions further in the order."""
        return _end(self.dialect, self.sort)

    def listed(self, *, paged: bool) -> str:
        """The statement that lists `SessionSummary` records.

        If `paged` it has one row: their number, and each on a line, because JSON contains no line breaks.
        """
        return _listed(self.dialect, self.sort, self.index, self.filters, recursive=self.recursive, paged=paged)


def session_list(dialect: Dialect, workspace: str, query: SessionQuery) -> SessionList:
    """The list of a query, in its order, with one session more than the page has."""
    sort = SORTS[query.sort]
    filters = filters_of(query)
    named = sort.column.removesuffix("_at")
    earliest, latest = (filters.pop(f"{named}_{side}", None) for side in ("after", "before"))
    bounds = sort.bounds(None if query.cursor is None else decode(query.cursor), earliest, latest)
    limit = dialect.no_limit if query.limit is None else query.limit + 1
    bindings = filters | bounds | {"workspace": workspace, "limit": limit}
    return SessionList(dialect, sort, sort.index, tuple(filters), query.recursive, bindings)


def filters_of(query: SessionQuery) -> dict[str, str]:
    """The filters of a query, as bindings of the statements."""
    filters = {name: value for name in _FILTERED if (value := getattr(query, name)) is not None}
    filters |= {name: in_utc(filters[name]) for name in _TIMES if name in filters}
    if "parent_session_id" in filters:
        filters["parent_session_id"] = canonical_id(filters["parent_session_id"])
    if "amplified_dir" in filters:
        filters["amplified_dir"] = normalize_or_keep(filters["amplified_dir"])
        if query.recursive and filters["amplified_dir"] == ROOT:
            del filters["amplified_dir"]
    return filters | {"name": filters["name"].casefold()} if "name" in filters else filters


@lru_cache(maxsize=256)
def _count(dialect: Dialect, index: str, filters: tuple[str, ...], *, recursive: bool) -> str:
    return f"""
SELECT COUNT(*)
FROM (
    SELECT 1
    FROM {dialect.found_by.format(index)}
    WHERE {_clauses(dialect, filters, recursive=recursive)}
    LIMIT :most
) AS found
"""


@lru_cache(maxsize=8)
def _end(dialect: Dialect, sort: Sort) -> str:
    return f"""
SELECT {sort.column}, id
FROM {dialect.found_by.format(sort.index)}
WHERE workspace = :workspace
    AND {sort.range}
ORDER BY {sort.order}
LIMIT 1
OFFSET :scanned
"""


@lru_cache(maxsize=256)
def _listed(dialect: Dialect, sort: Sort, index: str, filters: tuple[str, ...], *, recursive: bool, paged: bool) -> str:
    listed = f"""
SELECT {dialect.summary} AS summary
FROM {dialect.found_by.format(index)}
WHERE {_clauses(dialect, filters, recursive=recursive)}
    AND {sort.range}
ORDER BY {sort.order}
LIMIT :limit
"""
    if not paged:
        return listed
    return f"""
SELECT COUNT(*), {dialect.lines}
FROM ({listed}) AS listed
"""


def _clauses(dialect: Dialect, filters: tuple[str, ...], *, recursive: bool) -> str:
    path = dialect.as_path.format("amplified_dir")
    own = _FILTERS | {"name": dialect.named, "amplified_dir": f"{path} = :amplified_dir"}
    if recursive:
        own["amplified_dir"] = below(path, "amplified_dir")
    return "\n    AND ".join(["workspace = :workspace", *(own[name] for name in filters)])
