"""Maps the fields of a provider's blocks to the fields of parts, and back.

A value without a field stays under the provider's own key in the part's `native`, so nothing is lost. So does a value
that its field does not allow, such as null instead of a text. A block that lacks a required field of its part becomes
a part `data`.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from .interface import ContentNotConvertible, Object

# The lengths that the contract allows, and the fields that may be empty.
_MAX_CHARACTERS = {"id": 512, "call": 512, "name": 512, "media": 255, "title": 4_096}
_MAY_BE_EMPTY = frozenset({"text", "input", "output", "signature", "title"})
_REQUIRED = {
    "text": {"text"},
    "reasoning": {"text"},
    "tool_call": {"call", "name", "input"},
    "tool_result": {"call"},
    "file": {"media", "url"},
    "source": set[str](),
}
# Content in base64 as a URL (RFC 2397).
_DATA_URL = re.compile(r"data:([^;,\s/]+/[^;,\s/]+);base64,(.*)", re.DOTALL)
_MEDIA_TYPE = re.compile(r"[^;,\s/]{1,127}/[^;,\s/]{1,127}")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_KIND = re.compile(r"[A-Za-z0-9._-]{1,100}")


@dataclass(frozen=True, slots=True)
class BlockShape:
    """How a type of block maps to a type of part.

    `fields` maps keys of the block to fields of the part; both are texts. `json_fields` maps keys with any JSON value
    to fields with its text. `fixed` has the constant fields of the part. A part that becomes the `default` type of
    block does not record that type in its `native`.
    """

    block_type: str
    part_type: str
    fields: Mapping[str, str]
    json_fields: Mapping[str, str] = field(default_factory=dict)
    fixed: Mapping[str, str] = field(default_factory=dict)
    default: bool = False

    def read(self, block: Object, format_name: str) -> Object | None:
        """Convert a block to a part; None if a required field of the part is missing."""
        rest = {key: value for key, value in block.items() if key != "type"}
        part: Object = {"type": self.part_type, **self.fixed}
        for key, name in self.fields.items():
            if fits(name, rest.get(key)):
                part[name] = rest.pop(key)
        for key, name in self.json_fields.items():
            if key in rest:
                part[name] = text_of(rest.pop(key))
        if not _REQUIRED[self.part_type] <= part.keys():
            return None
        return with_native(part, format_name, rest if self.default else {"type": self.block_type, **rest})

    def write(self, part: Object, native: Object) -> Object:
        """Convert a part to a block."""
        block: Object = {"type": self.block_type}
        for key, name in self.fields.items():
            if name in part:
                block[key] = part[name]
        for key, name in self.json_fields.items():
            if name in part:
                block[key] = value_of(part[name])
        return {**block, **native, "type": self.block_type}


def fits(name: str, value: Any) -> bool:
    """Whether a value can be a part's field of that name."""
    if not isinstance(value, str) or (not value and name not in _MAY_BE_EMPTY):
        return False
    if name == "call" and _CONTROL.search(value):
        return False
    return len(value) <= _MAX_CHARACTERS.get(name, len(value))


def type_of(block: Any) -> str:
    """The type of a block; an empty text if the value is not a block."""
    block_type = block.get("type") if isinstance(block, dict) else None
    return block_type if isinstance(block_type, str) else ""


def with_native(part: Object, format_name: str, native: Object) -> Object:
    """A part with the fields that only its format understands."""
    return {**part, "native": {format_name: native}} if native else part


def native_of(part: Object, format_name: str) -> Object:
    """The fields of a part that only this format understands."""
    native = part.get("native", {}).get(format_name, {})
    return dict(native)


def data_part(block: Any, format_name: str) -> Object:
    """An unknown block as a part."""
    block_type = type_of(block)
    kind = block_type if _KIND.fullmatch(block_type) else "block"
    return {"type": "data", "kind": f"{format_name}.{kind}", "value": block}


def is_data_of(part: Object, format_name: str) -> bool:
    """Whether a part is such a block of this format."""
    return part["type"] == "data" and str(part["kind"]).startswith(f"{format_name}.")


def text_of(value: Any) -> str:
    """A value as JSON."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def value_of(text: str) -> Any:
    """Decode a JSON text. Raises `ContentNotConvertible`."""
    try:
        return json.loads(text)
    except ValueError as error:
        raise ContentNotConvertible(
            f"The text {text[:100]!r} is not JSON ({error}), and this format has JSON in its place."
        ) from error


def data_url(media: object, data: object) -> str | None:
    """The data URL of a media type and its content in base64; None if the values are not such texts."""
    if not isinstance(media, str) or not isinstance(data, str) or not _MEDIA_TYPE.fullmatch(media):
        return None
    return f"data:{media};base64,{data}"


def content_of(url: str) -> tuple[str, str] | None:
    """The media type of a data URL, and its content in base64; None for another URL."""
    found = _DATA_URL.fullmatch(url)
    return (found[1], found[2]) if found else None


def media_of(url: str, otherwise: str) -> str:
    """The media type in a data URL, or `otherwise`."""
    found = content_of(url)
    return found[0] if found and len(found[0]) <= _MAX_CHARACTERS["media"] else otherwise
