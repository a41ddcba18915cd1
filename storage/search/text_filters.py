"""Filters in the text of a query.

They are `role:user`, `in:text`, `tool:read_file`, `label:team:maps`, `after:2026-11-01` and `before:2026-12-01`.
"""

import re
from collections.abc import Sequence
from datetime import date
from typing import Any, NamedTuple, get_args

from msgspec.structs import replace

from ..model.queries import SearchQuery, SearchScope
from ..model.records import Role
from ..values.clock import in_utc
from .characters import fold

# The maximum number of labels that are filters, including labels from parameters.
MAX_LABELS = 8

_FIELDS = {"role": "role", "in": "scope", "tool": "tool"}
# The maximum length of a tool's name.
_MAX_TOOL = 512
_VALUES = {"role": frozenset(get_args(Role)), "in": frozenset(get_args(SearchScope))}
# The values that the contract allows.
_LABEL = re.compile(r"[^\x00-\x1f\x7f:]{1,200}(:[^\x00-\x1f\x7f]{1,200})?")
_DATE = re.compile("[0-9]{4}-[0-9]{2}-[0-9]{2}")
_NO_FILTERS = SearchQuery("")


class TextFilter(NamedTuple):
    """The name and the value of a filter, without quotes around the value."""

    name: str
    value: str

    @property
    def is_valid(self) -> bool:
        """Whether the value is valid; otherwise the text is searched for as words."""
        if self.name in _VALUES:
            return self.value in _VALUES[self.name]
        if self.name == "tool":
            return 0 < len(self.value) <= _MAX_TOOL
        if self.name == "label":
            return _LABEL.fullmatch(self.value) is not None
        return _is_date(self.value)


def with_filters(query: SearchQuery, filters: Sequence[TextFilter]) -> SearchQuery | None:
    """The query with these filters; None if two require different values, so that nothing matches."""
    for each in filters:
        changed = _with_filter(query, each)
        if changed is None:
            return None
        query = changed
    return query


def _with_filter(query: SearchQuery, added: TextFilter) -> SearchQuery | None:
    name, value = added
    match name:
        case "label":
            labels = dict.fromkeys((*query.labels, value))
            return replace(query, labels=tuple(labels)[:MAX_LABELS])
        case "after":
            return replace(query, updated_after=max(_times(query.updated_after, value)))
        case "before":
            return replace(query, created_before=min(_times(query.created_before, value)))
    field = _FIELDS[name]
    current = getattr(query, field)
    if current != getattr(_NO_FILTERS, field) and not _is_same(name, current, value):
        return None
    changed: dict[str, Any] = {field: value}
    return replace(query, **changed)


def _is_same(name: str, one: str, other: str) -> bool:
    """Whether two values of a filter are the same; names of tools are compared without case and accents."""
    return fold(one) == fold(other) if name == "tool" else one == other


def _times(text: str | None, day: str) -> list[str]:
    """The time of a parameter, if there is one, and the beginning of a day, both in UTC."""
    midnight = in_utc(f"{day}T00:00:00Z")
    return [midnight] if text is None else [midnight, in_utc(text)]


def _is_date(text: str) -> bool:
    if not _DATE.fullmatch(text):
        return False
    try:
        date.fromisoformat(text)
    except ValueError:
        return False
    return True
