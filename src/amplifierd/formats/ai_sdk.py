"""Messages of the Vercel AI SDK (`UIMessage`, https://ai-sdk.dev/docs/reference/ai-sdk-core/ui-message): parts."""

from typing import Any

from .blocks import BlockShape, data_part, fits, native_of, text_of, type_of, value_of, with_native
from .content import message_of, source_of, write_blocks
from .interface import Message, Object

NAME = "ai-sdk"

_STATIC = "tool-"
_DYNAMIC = "dynamic-tool"
# The states in which a tool part has a result as well.
_ENDED = frozenset({"output-available", "output-error", "output-denied"})

_SHAPES = {
    shape.block_type: shape
    for shape in (
        BlockShape("text", "text", {"text": "text"}, default=True),
        BlockShape("reasoning", "reasoning", {"id": "id", "text": "text"}, default=True),
        BlockShape("file", "file", {"mediaType": "media", "filename": "name", "url": "url"}, default=True),
        BlockShape("source-url", "source", {"sourceId": "id", "url": "url", "title": "title"}),
        BlockShape(
            "source-document",
            "source",
            {"sourceId": "id", "mediaType": "media", "title": "title", "filename": "name"},
        ),
    )
}


class AISDK:
    """One `UIMessage`; a tool part is a part `tool_call` and, in the states that have one, a part `tool_result`."""

    name = NAME

    def read(self, source: Object, /) -> Message:
        """See `Format`."""
        blocks = source.get("parts")
        if not isinstance(blocks, list):
            return message_of(source, [], NAME, set(), "assistant", form="none")
        parts = [part for block in blocks for part in _read(block)]
        return message_of(source, parts, NAME, {"parts"}, "assistant")

    def write(self, message: Message, /) -> Object:
        """See `Format`."""
        source, form = source_of(message, NAME)
        return source if form == "none" else {**source, "parts": write_blocks(message["parts"], NAME, _write)}


def _read(block: Any) -> list[Object]:
    block_type = type_of(block)
    if block_type == _DYNAMIC or block_type.startswith(_STATIC):
        return _read_tool(block, block_type) or [data_part(block, NAME)]
    part = _SHAPES[block_type].read(block, NAME) if block_type in _SHAPES else None
    return [data_part(block, NAME) if part is None else part]


def _read_tool(block: Object, block_type: str) -> list[Object]:
    rest = {key: value for key, value in block.items() if key != "type"}
    name = rest.pop("toolName", None) if block_type == _DYNAMIC else block_type.removeprefix(_STATIC)
    call = rest.pop("toolCallId", None)
    if not (fits("name", name) and fits("call", call)) or not isinstance(rest.get("state"), str):
        return []
    # Without an input it is still to come.
    call_part = {
        "type": "tool_call",
        "call": call,
        "name": name,
        "input": text_of(rest.pop("input")) if "input" in rest else "",
    }
    is_ended = rest["state"] in _ENDED
    result: Object = {"type": "tool_result", "call": call}
    if is_ended and isinstance(rest.get("output"), str):
        result["output"] = rest.pop("output")
    elif is_ended and "output" in rest:
        result = with_native(result | {"output": text_of(rest.pop("output"))}, NAME, {"type": "json"})
    elif is_ended and isinstance(rest.get("errorText"), str):
        result |= {"output": rest.pop("errorText"), "error": True}
    parts = [with_native(call_part, NAME, rest | ({"type": _DYNAMIC} if block_type == _DYNAMIC else {}))]
    return [*parts, result] if is_ended else parts


def _write(parts: list[Object]) -> tuple[list[Any], int]:
    part = parts[0]
    if part["type"] == "tool_call":
        return _write_tool(parts)
    native = native_of(part, NAME)
    default = "source-url" if "url" in part else "source-document"
    block_type = native.pop("type", default if part["type"] == "source" else part["type"])
    return ([_SHAPES[block_type].write(part, native)] if block_type in _SHAPES else []), 1


def _write_tool(parts: list[Object]) -> tuple[list[Any], int]:
    call_part = parts[0]
    is_ended = len(parts) > 1 and parts[1]["type"] == "tool_result" and parts[1]["call"] == call_part["call"]
    native = native_of(call_part, NAME)
    block: Object = {"type": _STATIC + call_part["name"], "toolCallId": call_part["call"]}
    if native.pop("type", None) == _DYNAMIC:
        block |= {"type": _DYNAMIC, "toolName": call_part["name"]}
    block["state"] = "input-available"
    if call_part["input"]:
        block["input"] = value_of(call_part["input"])
    if is_ended:
        block |= _result_members(parts[1])
    return [block | native], 2 if is_ended else 1


def _result_members(result: Object) -> Object:
    if result.get("error"):
        return {"state": "output-error", "errorText": result.get("output", "")}
    if "output" not in result:
        return {"state": "output-available"}
    # In other formats, the output of a tool is a text.
    is_json = native_of(result, NAME).get("type") == "json"
    return {"state": "output-available", "output": value_of(result["output"]) if is_json else result["output"]}
