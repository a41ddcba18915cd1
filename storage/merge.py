"""JSON Merge Patch (RFC 7396) on texts, so that the order of keys and the digits of numbers stay."""

from typing import Any

import msgspec
from msgspec import Raw

_members = msgspec.json.Decoder(dict[str, Raw]).decode


def merge_patch(target: str, patch: str) -> str:
    """The text of an object after a patch that is an object, both compact; members that come are put last."""
    return msgspec.json.encode(_merged(target.encode(), patch.encode())).decode()


def _merged(target: bytes | Raw, patch: bytes | Raw) -> dict[str, Any]:
    merged: dict[str, Any] = _members(target) if _is_object(target) else {}
    for name, value in _members(patch).items():
        if bytes(value) == b"null":
            merged.pop(name, None)
        elif _is_object(value):
            merged[name] = _merged(merged.get(name, b""), value)
        else:
            merged[name] = value
    return merged


def _is_object(text: bytes | Raw) -> bool:
    return bytes(memoryview(text)[:1]) == b"{"
