"""Filters in the text of a query.

They are `role:user`, `in:text`, `tool:read_file`, `label:team:maps`, `after:2026-11-01` and `before:2026-12-01`. A
minus before one selects the other messages.
"""

import re
from collections.abc import Sequence
from typing import Any, NamedTuple, TypeVar, cast, get_args

from msgspec.structs import asdict, replace

from ..model.queries import SearchQuery, SearchScope
from ..model.records import Role
from ..values.clock import FIRST_MOMENT, earlier_than, in_utc, is_rfc_3339, later_than, nearest_stored
from .characters import fold

# The maximum number of labels that are filters, including excluded ones, and labels from parameters.
MAX_LABELS = 8

_FIELDS = {"role": "role", "in": "scope", "tool": "tool"}
# The maximum length of a tool's name.
_MAX_TOOL = 512
_VALUES = {"role": frozenset(get_args(Role)), "in": frozenset(get_args(SearchScope))}
_OTHER_SCOPES: dict[str, SearchScope] = {"text": "tools", "tools": "text"}
# The values that the contract allows.
_LABEL = re.compile(r"[^\x00-\x1f\x7f:]{1,200}(:[^\x00-\x1f\x7f]{1,200})?")
# A day, a month, or a year.
_DATE = re.compile("[0-9]{4}(-[0-9]{2}(-[0-9]{2})?)?")
_FIRST_DAY = "0001-01-01"
_NO_FILTERS = SearchQuery("")

Value = TypeVar("Value", bound=str)


class NarrowedQuery(SearchQuery, frozen=True, kw_only=True):
    """A query with the filters from its text: messages of an excluded role, tool or label are not found."""

    without_roles: tuple[Role, ...] = ()
    without_tools: tuple[str, ...] = ()
    without_labels: tuple[str, ...] = ()


class TextFilter(NamedTuple):
    """The name and the value of a filter, without quotes around the value, and whether a minus precedes it."""

    name: str
    value: str
    is_negated: bool = False

    @property
    def is_valid(self) -> bool:
        """Whether the value is valid; otherwise the text is searched for as words."""
        if self.name in _VALUES:
            return self.value in _VALUES[self.name]
        if self.name == "tool":
            return 0 < len(self.value) <= _MAX_TOOL
        if self.name == "label":
            return _LABEL.fullmatch(self.value) is not None
        return is_rfc_3339(_time(self.value))


def with_filters(query: SearchQuery, filters: Sequence[TextFilter]) -> NarrowedQuery | None:
    """The query with these filters; None if two require different values, so that nothing matches."""
    narrowed: NarrowedQuery | None = NarrowedQuery(**asdict(query))
    for each in filters:
        if narrowed is None:
            return None
        narrowed = (_without if each.is_negated else _with)(narrowed, each.name, each.value)
    return narrowed


def _with(query: NarrowedQuery, name: str, value: str) -> NarrowedQuery | None:
    match name:
        case "label":
            most = MAX_LABELS - len(query.without_labels)
            return replace(query, labels=_added(query.labels, value)[:most])
        case "after":
            return _with_time(query, "updated_after", nearest_stored(_time(value)))
        case "before":
            return _with_time(query, "created_before", nearest_stored(_time(value)))
    field = _FIELDS[name]
    current = getattr(query, field)
    if current != getattr(_NO_FILTERS, field) and not _is_same(name, current, value):
        return None
    changed: dict[str, Any] = {field: value}
    return replace(query, **changed)


def _without(query: NarrowedQuery, name: str, value: str) -> NarrowedQuery | None:
    match name:
        case "role":
            return replace(query, without_roles=_added(query.without_roles, cast("Role", value)))
        case "tool":
            return replace(query, without_tools=_added(query.without_tools, value))
        case "label":
            most = MAX_LABELS - len(query.labels)
            return replace(query, without_labels=_added(query.without_labels, value)[:most])
        case "after":
            return _with_time(query, "updated_before", later_than(nearest_stored(_time(value)), FIRST_MOMENT))
        case "before":
            return _with_time(query, "created_after", earlier_than(nearest_stored(_time(value))))
    other = _OTHER_SCOPES.get(value)
    return None if other is None else _with(query, name, other)


def _added(values: tuple[Value, ...], value: Value) -> tuple[Value, ...]:
    return values if value in values else (*values, value)


def _with_time(query: NarrowedQuery, field: str, moment: str) -> NarrowedQuery:
    """The query with the narrower of two limits: a moment, and the time of a field, if it has one."""
    current = getattr(query, field)
    limits = [moment] if current is None else [moment, in_utc(current)]
    changed: dict[str, Any] = {field: max(limits) if field.endswith("after") else min(limits)}
    return replace(query, **changed)


def _is_same(name: str, one: str, other: str) -> bool:
    """Whether two values of a filter are the same; names of tools are compared without case and accents."""
    return fold(one) == fold(other) if name == "tool" else one == other


def _time(value: str) -> str:
    """The time at which a day, a month or a year begins; another value as it is."""
    return f"{value}{_FIRST_DAY[len(value) :]}T00:00:00Z" if _DATE.fullmatch(value) else value
