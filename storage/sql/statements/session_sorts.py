"""Orders of lists of sessions, and positions in them."""

from dataclasses import dataclass, replace
from typing import Literal

from ...model.queries import SessionSort
from ...model.records import SessionSummary
from ...values.clock import FIRST_MOMENT, LAST_MOMENT
from ..dialect import Dialect
from ..pages import decode, decode_session_name, encode, encode_session_name
from ..ports import Bindings

Position = tuple[str, str]

# Texts that sort before and after every id, which has hexadecimal digits.
_BEFORE_IDS, _AFTER_IDS = "", "g"
# Replaces a missing name, as in the index.
_NO_NAME = "\U0010ffff"
# It sorts after every name: folding case makes at most three characters of each of the 200.
_AFTER_NAMES = _NO_NAME * 601


@dataclass(frozen=True, slots=True)
class Sort:
    """An order of sessions by a time or by name, ties by id; `index` is in that order.

    With `is_by_label` the columns are those of `session_label`, whose indexes are in the order of updates.
    """

    by: Literal["updated", "created", "name"]
    index: str
    newest_first: bool
    ids_ascend: bool
    is_by_label: bool = False

    def by_label(self) -> "Sort":
        """The same order among the sessions of a label."""
        return replace(self, is_by_label=True)

    def key(self, dialect: Dialect) -> str:
        """The expression that sessions are sorted by."""
        if self.is_by_label:
            return "session_updated_at"
        return dialect.order_of_name if self.by == "name" else f"{self.by}_at"

    @property
    def id(self) -> str:
        """The column of the session's id."""
        return "session_label.session_id" if self.is_by_label else "id"

    def order(self, dialect: Dialect) -> str:
        """The ORDER BY clause."""
        return (
            f"{self.key(dialect)}{' DESC' if self.newest_first else ''}, {self.id}{'' if self.ids_ascend else ' DESC'}"
        )

    def range(self, dialect: Dialect) -> str:
        """The clauses that select sessions after (:at, :after_id), and up to (:end_at, :end_id)."""
        key = self.key(dialect)
        later, earlier = ("<", ">") if self.newest_first else (">", "<")
        if self.newest_first != self.ids_ascend:
            # An index finds the place between sessions with the same key: all those without a name have one.
            place = f"({key}, {self.id})"
            return f"{place} {later} (:at, :after_id)\n    AND {place} {earlier}= (:end_at, :end_id)"
        later_id, earlier_id = (">", "<") if self.ids_ascend else ("<", ">")
        return f"""{key} {later}= :at
    AND {key} {earlier}= :end_at
    AND ({key} {later} :at OR {self.id} {later_id} :after_id)
    AND ({key} {earlier} :end_at OR {self.id} {earlier_id}= :end_id)"""

    def bounds(self, cursor: str | None, earliest: str | None, latest: str | None) -> Bindings:
        """The bindings of `range` for the sessions after a cursor, later than `earliest` and earlier than `latest`."""
        first_id, last_id = (_BEFORE_IDS, _AFTER_IDS) if self.ids_ascend else (_AFTER_IDS, _BEFORE_IDS)
        moments = (latest, earliest) if self.newest_first else (earliest, latest)
        first, last = ("", _AFTER_NAMES) if self.by == "name" else (FIRST_MOMENT, LAST_MOMENT)
        extremes = (last, first) if self.newest_first else (first, last)
        # The last possible id at the start excludes a time, and so does the first possible id at the end.
        start = (extremes[0], first_id) if moments[0] is None else (moments[0], last_id)
        end = (extremes[1], last_id) if moments[1] is None else (moments[1], first_id)
        if cursor is not None:
            position = decode_session_name(cursor) if self.by == "name" else decode(cursor)
            if moments[0] is None or self._is_later(position[0], start[0]):
                start = position
        return {"at": start[0], "after_id": start[1], "end_at": end[0], "end_id": end[1]}

    def _is_later(self, moment: str, other: str) -> bool:
        return moment < other if self.newest_first else moment > other

    def cursor(self, position: Position) -> str:
        """The cursor of the page after a position."""
        return encode_session_name(*position) if self.by == "name" else encode(*position)

    def position(self, summary: SessionSummary) -> Position:
        """The position of a session in the order."""
        if self.by == "name":
            return summary.name.casefold() if isinstance(summary.name, str) else _NO_NAME, summary.id
        return getattr(summary, f"{self.by}_at"), summary.id


SORTS: dict[SessionSort, Sort] = {
    "-updated_at": Sort("updated", "session_by_update", newest_first=True, ids_ascend=True),
    "updated_at": Sort("updated", "session_by_update", newest_first=False, ids_ascend=False),
    "-created_at": Sort("created", "session_by_creation", newest_first=True, ids_ascend=False),
    "created_at": Sort("created", "session_by_creation", newest_first=False, ids_ascend=True),
    "-name": Sort("name", "session_by_name", newest_first=True, ids_ascend=False),
    "name": Sort("name", "session_by_name", newest_first=False, ids_ascend=True),
}
