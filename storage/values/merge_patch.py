"""JSON Merge Patch (RFC 7396) on texts, so that the order of keys and the digits of numbers are kept."""

import json
from typing import Any

import msgspec
from msgspec import Raw

# Finding a member in each of the first levels scans everything below it; deeper levels are parsed at once, so that
# the work is not the product of depth and length.
_SCANNED_LEVELS = 4

_OBJECT, _NULL = b"{n"

_members = msgspec.json.Decoder(dict[str, Raw]).decode


def merge_patch(target: str, patch: str) -> str:
    """The text of an object after a patch that is an object, both compact; new members come last."""
    return msgspec.json.encode(merge_members(target, patch)).decode()


def merge_members(target: str, patch: str) -> dict[str, Any]:
    """The members of the object that `merge_patch` makes, ready to be encoded."""
    return _merge(Raw(target.encode()), Raw(patch.encode()), 0)


def count_kept(patch: str) -> int:
    """The number of members that a patch sets; the merged object has at least this number."""
    return sum(not _is_null(value) for value in _members(patch).values())


def _merge(target: Any, patch: Any, level: int) -> dict[str, Any]:
    if level == _SCANNED_LEVELS:
        target, patch = _tree(target), _tree(patch)
    merged = _members_of(target)
    for name, value in _members_of(patch).items():
        if _is_null(value):
            merged.pop(name, None)
        elif _is_object(value):
            merged[name] = _merge(merged.get(name), value, level + 1)
        else:
            merged[name] = value
    return merged


def _members_of(value: Any) -> dict[str, Any]:
    if not _is_object(value):
        return {}
    return _members(value) if isinstance(value, Raw) else value


def _is_object(value: Any) -> bool:
    return memoryview(value)[0] == _OBJECT if isinstance(value, Raw) else isinstance(value, dict)


def _is_null(value: Any) -> bool:
    return memoryview(value)[0] == _NULL if isinstance(value, Raw) else value is None


def _number(text: str) -> Raw:
    return Raw(text.encode())


_decode = json.JSONDecoder(parse_int=_number, parse_float=_number).decode


def _tree(value: Any) -> Any:
    """A complete value with its numbers as texts; None if there is no value."""
    return _decode(bytes(value).decode()) if isinstance(value, Raw) else value
