"""Converts a message to a format: groups its parts, and writes the ones that the format can represent."""

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from ..export_member import is_same_json
from ..interface import Format, Object
from .chat_records import FILE_URN


class Group(NamedTuple):
    """Parts of a message that belong together: a result with its further parts, or all parts up to a result."""

    is_result: bool
    parts: list[Object]


def groups_of(parts: list[Object], is_result: Callable[[Object], bool]) -> list[Group]:
    """The groups of parts, in their order; at least one."""
    groups: list[Group] = []
    for part in parts:
        last = groups[-1] if groups else None
        if is_result(part):
            groups.append(Group(True, [part]))
        elif last is not None and (not last.is_result or _belongs(part, last)):
            last.parts.append(part)
        else:
            groups.append(Group(False, [part]))
    return groups or [Group(False, [])]


def _belongs(part: Object, result: Group) -> bool:
    head = result.parts[0]
    return bool(head["type"] == "tool_result" and part["type"] != "tool_call" and part.get("call") == head["call"])


def write_with(form: Format, message: Object) -> list[Any]:
    """The message in a format, as far as the format can represent its parts; an empty list if it can represent none."""
    without_files = {**message, "parts": [part for part in message["parts"] if not _is_stored(part)]}
    for attempt in _attempts(form, without_files):
        written = _try(form, attempt)
        if written is not None:
            is_empty = bool(message["parts"]) and not form.read(written)["parts"]
            return [] if is_empty else [written]
    return []


def write_own(form: Format, message: Object) -> Object | None:
    """The message in the format that it was read from; None if that is another format, or it was changed since."""
    if form.name not in message["metadata"] or any(map(_is_stored, message["parts"])):
        return None
    written = _try(form, message)
    if written is None or not is_same_json(form.read(written)["parts"], message["parts"]):
        return None
    return written


def _attempts(form: Format, message: Object) -> Iterator[Object]:
    yield message
    # Members for this format alone can have any shape: a client sent them.
    bare = [{key: value for key, value in part.items() if key != "native"} for part in message["parts"]]
    plain = {**message, "metadata": {}, "parts": bare}
    yield plain
    yield {**plain, "parts": [part for part in bare if _try(form, {**plain, "parts": [part]}) is not None]}


def _try(form: Format, message: Object) -> Object | None:
    try:
        return form.write(message)  # type: ignore[arg-type]  # it has the members of a `Message`
    except (AttributeError, KeyError, TypeError, ValueError):
        return None


def _is_stored(part: Object) -> bool:
    """Whether a part is a file with a URL that only this store can resolve."""
    return part["type"] == "file" and str(part["url"]).startswith(FILE_URN)


def with_form(form: Format, message: Object, content: str) -> Object:
    """A message whose metadata says how to write its content: as `text`, as a `list`, or as `none`."""
    return {**message, "metadata": {form.name: {"content": content}}}
