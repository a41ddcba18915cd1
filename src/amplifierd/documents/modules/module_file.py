"""Modules as files: a `module.yaml` in the folder of each.

    name: tool-bash
    version: 1.2.0
    description: Runs commands.
    entry_point: amplifier_module_tool_bash:mount
    config_schema:
      type: object
      properties: {timeout: {type: integer}}

Only `name` is required. `type`, if present, must match the folder.
"""

from collections.abc import Mapping

import msgspec
from msgspec import UNSET, Raw

from ...contract import ConfigSchema, DecodedBody, DecodeError, SchemaRefused
from ...storage.model.modules import Module, ModuleType
from ..yaml_json import json_of

MAX_BYTES = 128 * 1024
# The folders of modules, and their types.
TYPES: Mapping[str, ModuleType] = {
    "providers": "provider",
    "tools": "tool",
    "hooks": "hook",
    "orchestrators": "orchestrator",
    "contexts": "context",
}

_TEXTS = {"name": 255, "version": 64, "description": 4_096, "entry_point": 1_024}
_KEYS = (*_TEXTS, "type", "config_schema")
_SCHEMA = "config_schema"

_members = msgspec.json.Decoder(dict[str, Raw]).decode
_decode = msgspec.json.decode


def read_module(text: str, module_id: str, module_type: ModuleType, location: str) -> Module:
    """Read the module of an id and a type, which is at a location. Raises `DecodeError`."""
    decoded = json_of(text, 1, _is_text)
    if decoded.json[:1] != b"{":
        raise DecodeError(1, "the file must be a mapping")
    members = _members(decoded.json)
    for name in members:
        if name not in _KEYS:
            raise DecodeError(decoded.lines.nearest(name).line, f"the key {name[:200]!r} is unknown")
    found = {name: value for name, value in members.items() if bytes(value) != b"null"}
    if "name" not in found:
        raise DecodeError(1, "the key 'name' is required")
    texts = {name: _text(found[name], name, decoded) for name in _TEXTS if name in found}
    if "type" in found and _decode(found["type"]) != module_type:
        raise DecodeError(decoded.lines.nearest("type").line, f"type must be {module_type}, as its folder is named")
    schema = found.get(_SCHEMA, UNSET)
    if isinstance(schema, Raw):
        _check_schema(schema, decoded)
    return Module(
        id=module_id,
        type=module_type,
        name=texts["name"],
        version=texts.get("version", "0.0.0"),
        location=location,
        description=texts.get("description", ""),
        entry_point=texts.get("entry_point", UNSET),
        config_schema=schema,
    )


def _text(value: Raw, name: str, decoded: DecodedBody) -> str:
    text = _decode(value)
    if not isinstance(text, str) or not 0 < len(text) <= _TEXTS[name]:
        line = decoded.lines.nearest(name).line
        raise DecodeError(line, f"{name} must be a text of 1 to {_TEXTS[name]} characters")
    return text


def _check_schema(schema: Raw, decoded: DecodedBody) -> None:
    try:
        ConfigSchema(bytes(schema))
    except SchemaRefused as error:
        raise DecodeError(decoded.lines.nearest(_SCHEMA, *error.path).line, f"config_schema: {error}") from None


def _is_text(path: tuple[str, ...]) -> bool:
    """Whether a plain word at this path is a string, such as the version `1.0`."""
    return len(path) == 1 and path[0] in _TEXTS
