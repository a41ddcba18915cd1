"""Messages of the Vercel AI SDK (`UIMessage`, https://ai-sdk.dev/docs/reference/ai-sdk-core/ui-message): parts."""

from typing import Any

from .blocks import BlockShape, data_part, fits, native_of, text_of, type_of, value_of, with_native
from .content import message_of, source_of, write_blocks
from .interface import Message, Object

NAME = "ai-sdk"

_STATIC = "tool-"
_DYNAMIC = "dynamic-tool"
# A tool part of version 4, whose members are in `toolInvocation`, and the state in which it has a result.
_INVOCATION = "tool-invocation"
_INVOKED = "result"
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


# Reasoning of version 4; a part of this type has a text since version 5.
_OLD_REASONING = BlockShape("reasoning", "reasoning", {"reasoning": "text"})


class AISDK:
    """One `UIMessage` of version 5, or of version 4 with parts.

    A tool part is a part `tool_call` and, in the states that have one, a part `tool_result`.
    """

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
    if block_type == _INVOCATION and isinstance(block.get("toolInvocation"), dict):
        return _read_invocation(block) or [data_part(block, NAME)]
    if block_type == _DYNAMIC or block_type.startswith(_STATIC):
        return _read_tool(block, block_type) or [data_part(block, NAME)]
    shape = _SHAPES.get(block_type)
    if block_type == _OLD_REASONING.block_type and "text" not in block:
        shape = _OLD_REASONING
    part = None if shape is None else shape.read(block, NAME)
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
    if is_ended and "output" in rest:
        result = _result_of(call, rest.pop("output"))
    elif is_ended and isinstance(rest.get("errorText"), str):
        result |= {"output": rest.pop("errorText"), "error": True}
    parts = [with_native(call_part, NAME, rest | ({"type": _DYNAMIC} if block_type == _DYNAMIC else {}))]
    return [*parts, result] if is_ended else parts


def _read_invocation(block: Object) -> list[Object]:
    own = dict(block["toolInvocation"])
    name, call = own.pop("toolName", None), own.pop("toolCallId", None)
    if not (fits("name", name) and fits("call", call)):
        return []
    text = text_of(own.pop("args")) if "args" in own else ""
    rest = {key: value for key, value in block.items() if key not in {"type", "toolInvocation"}}
    called: Object = {"type": "tool_call", "call": call, "name": name, "input": text}
    native: Object = {"type": _INVOCATION, "own": own} | ({"rest": rest} if rest else {})
    if own.get("state") != _INVOKED or "result" not in own:
        return [with_native(called, NAME, native)]
    return [with_native(called, NAME, native), _result_of(call, own.pop("result"))]


def _result_of(call: str, output: Any) -> Object:
    """The result of a call, with a text or any other JSON."""
    result: Object = {"type": "tool_result", "call": call}
    if isinstance(output, str):
        return result | {"output": output}
    return with_native(result | {"output": text_of(output)}, NAME, {"type": "json"})


def _write(parts: list[Object]) -> tuple[list[Any], int]:
    part = parts[0]
    if part["type"] == "tool_call":
        return _write_tool(parts)
    native = native_of(part, NAME)
    if part["type"] == "reasoning" and native.pop("type", None) == _OLD_REASONING.block_type:
        return [_OLD_REASONING.write(part, native)], 1
    default = "source-url" if "url" in part else "source-document"
    block_type = native.pop("type", default if part["type"] == "source" else part["type"])
    return ([_SHAPES[block_type].write(part, native)] if block_type in _SHAPES else []), 1


def _write_tool(parts: list[Object]) -> tuple[list[Any], int]:
    call_part = parts[0]
    is_ended = len(parts) > 1 and parts[1]["type"] == "tool_result" and parts[1]["call"] == call_part["call"]
    native = native_of(call_part, NAME)
    if native.get("type") == _INVOCATION:
        return [_invocation(call_part, parts[1] if is_ended else None, native)], 2 if is_ended else 1
    block: Object = {"type": _STATIC + call_part["name"], "toolCallId": call_part["call"]}
    if native.pop("type", None) == _DYNAMIC:
        block |= {"type": _DYNAMIC, "toolName": call_part["name"]}
    block["state"] = "input-available"
    if call_part["input"]:
        block["input"] = value_of(call_part["input"])
    if is_ended:
        block |= _result_members(parts[1])
    return [block | native], 2 if is_ended else 1


def _invocation(call_part: Object, result: Object | None, native: Object) -> Object:
    own = {**native.get("own", {}), "toolCallId": call_part["call"], "toolName": call_part["name"]}
    if call_part["input"]:
        own["args"] = value_of(call_part["input"])
    if result is not None:
        own |= {"state": _INVOKED, "result": _output_of(result)}
    return {**native.get("rest", {}), "type": _INVOCATION, "toolInvocation": own}


def _output_of(result: Object) -> Any:
    """The output of a result; in other formats, it is a text."""
    output = result.get("output", "")
    return value_of(output) if native_of(result, NAME).get("type") == "json" else output


def _result_members(result: Object) -> Object:
    if result.get("error"):
        return {"state": "output-error", "errorText": result.get("output", "")}
    if "output" not in result:
        return {"state": "output-available"}
    return {"state": "output-available", "output": _output_of(result)}
