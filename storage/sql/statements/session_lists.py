"""Statements of lists of sessions, composed for a query. A list has one column: JSON in bytes."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import lru_cache

from ...model.queries import SessionQuery
from ..dialect import Dialect
from ..ports import Bindings
from .session_filters import clause, filters_of, sessions_with_label
from .session_sorts import SORTS, Sort

# Indexes, each with the filters by which it finds sessions: in an order of its own, or in that of updates.
_INDEXES = {
    "sqlite_autoindex_session_1": ("ids",),
    "session_by_parent": ("parent_session_id",),
    "session_by_directory": ("amplified_dir",),
    "session_by_creation": ("created_after", "created_before"),
    "session_by_update": ("updated_after", "updated_before"),
}
_BY_UPDATE = {
    "session_pinned": ("pinned/true",),
    "session_archived": ("archived/true",),
    "session_by_status": ("status/1",),
}
# SQLite uses a partial index only if the statement repeats its condition.
_OF_STATUS = "status <> 'active'"


@dataclass(frozen=True, slots=True)
class SessionList:
    """The sessions of `sort` that match `filters`, found by `index`; `bindings` are those of all its statements.

    Filters on the time that it is sorted by are not among `filters`: they are the ends of the range. If `label` is set,
    it names the filter whose sessions an index of labels finds.
    """

    dialect: Dialect
    sort: Sort
    index: str
    filters: tuple[str, ...]
    recursive: bool
    bindings: Bindings
    label: str | None = None

    def indexes(self) -> list["SessionList"]:
        """The same list by each index that finds sessions by some of its filters, in another order."""
        found = [replace(self, index=index) for index in _INDEXES if self._found_by(_INDEXES[index])]
        if self._found_by(["status"]) and self._has_no_active:
            found.append(replace(self, index="session_by_status"))
        return found if self.sort.by == "updated" else [*found, *self._by_update()]

    def in_order(self) -> list["SessionList"]:
        """The same list by each index that contains the sessions that match one filter, in the order of the list."""
        return self._by_update() if self.sort.by == "updated" else []

    def _by_update(self) -> list["SessionList"]:
        labels = [self._by_label(each) for each in self.filters if each.startswith("label/")]
        others = [replace(self, index=index) for index in _BY_UPDATE if self._found_by(_BY_UPDATE[index])]
        return [*labels, *(each for each in others if self._has_no_active or each.index != "session_by_status")]

    @property
    def _has_no_active(self) -> bool:
        """Whether the statuses do not include the one that an index omits."""
        return "active" not in {self.bindings[name] for name in self.bindings if name.startswith("status_")}

    def _by_label(self, label: str) -> "SessionList":
        index = f"session_label_by_{label.rpartition('/')[2]}"
        sort = self.sort.by_label() if self.sort.by == "updated" else self.sort
        return replace(self, index=index, label=label, sort=sort)

    def _found_by(self, names: Iterable[str]) -> list[str]:
        return [each for each in self.filters if each in names or each.partition("/")[0] in names]

    def count(self) -> str:
        """The statement that counts the sessions that the index finds by its filters, up to :most."""
        names = ("status",) if self.index == "session_by_status" else (_INDEXES | _BY_UPDATE).get(self.index, ())
        found = self._found_by(names)
        return _count(self._rows, self._clauses(found))

    def total(self) -> str:
        """The statement that counts all sessions of the list."""
        return _total(self._sessions, f"{self._clauses(self.filters)}\n    AND {self.sort.range(self.dialect)}")

    def end(self) -> str:
        """The statement that finds the position :scanned sessions further in the order."""
        return _end(self.dialect, self.sort, self._rows, self._clauses(self._found_by(_BY_UPDATE.get(self.index, ()))))

    def listed(self, *, paged: bool) -> str:
        """The statement that lists `SessionSummary` records.

        If `paged` is set, it returns one row: their number, and the records, one on each line, because JSON contains no
        line breaks.
        """
        return _list_statement(self.dialect, self.sort, self._sessions, self._clauses(self.filters), paged=paged)

    @property
    def _rows(self) -> str:
        """The source of the index's rows."""
        return (self.dialect.found_by if self.label is None else self.dialect.found_by_label).format(self.index)

    @property
    def _sessions(self) -> str:
        return self._rows if self.label is None else self._rows + self.dialect.with_session

    def _clauses(self, filters: Iterable[str]) -> str:
        own = "session.workspace = :workspace" if self.label is None else sessions_with_label(self.label)
        clauses = [clause(self.dialect, each, recursive=self.recursive) for each in filters if each != self.label]
        return "\n    AND ".join([own, *clauses, *([_OF_STATUS] if self.index == "session_by_status" else [])])


# Clients mostly repeat the same query.
@lru_cache(maxsize=64)
def session_list(dialect: Dialect, workspace: str, query: SessionQuery) -> SessionList:
    """The list of a query, in its order, with one session more than the page has."""
    sort = SORTS[query.sort]
    names, values = filters_of(query)
    own = (f"{sort.by}_after", f"{sort.by}_before")
    earliest, latest = (None if values.get(name) is None else str(values.pop(name)) for name in own)
    limit = dialect.no_limit if query.limit is None else query.limit + 1
    bindings = values | sort.bounds(query.cursor, earliest, latest) | {"workspace": workspace, "limit": limit}
    filters = tuple(name for name in names if name not in own)
    return SessionList(dialect, sort, sort.index, filters, query.recursive, bindings)


@lru_cache(maxsize=256)
def _count(rows: str, clauses: str) -> str:
    return f"""
SELECT COUNT(*)
FROM (
    SELECT 1
    FROM {rows}
    WHERE {clauses}
    LIMIT :most
) AS found
"""


@lru_cache(maxsize=256)
def _total(sessions: str, clauses: str) -> str:
    return f"""
SELECT COUNT(*)
FROM {sessions}
WHERE {clauses}
"""


@lru_cache(maxsize=64)
def _end(dialect: Dialect, sort: Sort, rows: str, clauses: str) -> str:
    return f"""
SELECT {sort.key(dialect)}, {sort.id}
FROM {rows}
WHERE {clauses}
    AND {sort.range(dialect)}
ORDER BY {sort.order(dialect)}
LIMIT 1
OFFSET :scanned
"""


@lru_cache(maxsize=256)
def _list_statement(dialect: Dialect, sort: Sort, sessions: str, clauses: str, *, paged: bool) -> str:
    listed = f"""
SELECT {dialect.summary} AS summary
FROM {sessions}
WHERE {clauses}
    AND {sort.range(dialect)}
ORDER BY {sort.order(dialect)}
LIMIT :limit
"""
    if not paged:
        return listed
    return f"""
SELECT COUNT(*), {dialect.lines}
FROM ({listed}) AS listed
"""
