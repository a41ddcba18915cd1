"""Items of OpenAI's Responses API (https://platform.openai.com/docs/api-reference/responses), each a message."""

from functools import partial
from typing import Any
from urllib.parse import quote

from .blocks import BlockShape, content_of, data_part, data_url, fits, media_of, native_of, type_of, with_native
from .content import message_of, read_result, source_of, text_of_parts, write_blocks, write_result
from .interface import ContentNotConvertible, Message, Object
from .response_calls import CALLS

NAME = "openai-responses"

_TEXTS = {
    shape.block_type: shape
    for shape in (
        BlockShape("input_text", "text", {"text": "text"}),
        BlockShape("output_text", "text", {"text": "text"}),
        BlockShape("refusal", "text", {"refusal": "text"}),
    )
}
_RESULTS = ("function_call_output", "custom_tool_call_output")
# The lists of a reasoning item, and the types of their elements.
_REASONING = {"summary": "summary_text", "content": "reasoning_text"}
# The members that may contain a file, and its default media type.
_FILES = {
    "input_image": (("image_url",), "image/*"),
    "input_file": (("file_url", "file_data"), "application/octet-stream"),
}
_IMAGE = "image_generation_call"


class OpenAIResponses:
    """One item of an input or an output: a message, a call, its output, reasoning, or any other type.

    An item that is both a call and its result, such as a call that the provider executes, becomes two parts.
    """

    name = NAME

    def read(self, source: Object, /) -> Message:
        """See `Format`."""
        item_type = type_of(source) if "type" in source else "message"
        if item_type == "message":
            return _read_message(source)
        parts, consumed, role = _read_item(source, item_type)
        if not parts:
            return message_of({"role": role}, [data_part(source, NAME)], NAME, set(), role, form="item")
        return message_of(source, parts, NAME, consumed, role)

    def write(self, message: Message, /) -> Object:
        """See `Format`. Calls, results and reasoning of another format must each be a separate message."""
        parts = message["parts"]
        source, form = source_of(message, NAME)
        if form == "item":
            item: Object = parts[0]["value"]
            return item
        item_type = source.get("type") or _item_type(parts)
        if item_type == "message":
            return source | _write_content(message, form)
        if not source.get("type"):
            # It was not read from an item, and an item of this type has no role.
            source = {"type": item_type}
        return source | _write_item(parts, item_type)


def _read_item(item: Object, item_type: str) -> tuple[list[Object], set[str], str]:
    """The parts of an item that is not a message, the keys that they use, and its role."""
    if item_type == "reasoning":
        return *_read_reasoning(item), "assistant"
    if item_type == _IMAGE:
        return *_read_image(item), "assistant"
    if item_type in CALLS:
        return *CALLS[item_type].read(item, NAME), "assistant" if CALLS[item_type].input_key else "tool"
    if item_type in _RESULTS and fits("call", item.get("call_id")) and "output" in item:
        return read_result(item["call_id"], item["output"], NAME, {}, _read_block), {"call_id", "output"}, "tool"
    return [], set(), "assistant"


def _item_type(parts: list[Object]) -> str:
    """The type of the item for parts of another format."""
    types = {part["type"] for part in parts if "call" not in part or part["type"] in {"tool_call", "tool_result"}}
    match sorted(types - {"data", "source"}):
        case ["reasoning"]:
            return "reasoning"
        case ["tool_call"] if len(parts) == 1:
            return "function_call"
        case ["tool_result"] if parts[0]["type"] == "tool_result":
            return "function_call_output"
        case found if not {"reasoning", "tool_call", "tool_result"} & {*found}:
            return "message"
    raise ContentNotConvertible(f"Parts of the types {', '.join(sorted(types))} are several items, not one.")


def _write_item(parts: list[Object], item_type: str) -> Object:
    if item_type == "reasoning":
        return _write_reasoning(parts)
    if item_type == _IMAGE:
        return _write_image(parts)
    if item_type in CALLS:
        return CALLS[item_type].write(parts, NAME)
    members, count = write_result(parts, NAME, partial(_write_block, text="input_text"))
    if count < len(parts):
        raise ContentNotConvertible(f"The parts after the result of call {parts[0]['call']} are another item.")
    return {"call_id": parts[0]["call"], "output": members.get("content", "")}


def _read_message(item: Object) -> Message:
    content = item.get("content")
    if isinstance(content, str):
        return message_of(item, [{"type": "text", "text": content}], NAME, {"content"}, "assistant", form="text")
    if isinstance(content, list):
        return message_of(item, [_read_block(block) for block in content], NAME, {"content"}, "assistant")
    return message_of(item, [], NAME, set(), "assistant", form="none")


def _write_content(message: Message, form: str) -> Object:
    if form == "none":
        return {}
    if form == "text":
        return {"content": text_of_parts(message["parts"])}
    text = "output_text" if message["role"] == "assistant" else "input_text"
    return {"content": write_blocks(message["parts"], NAME, partial(_write_block, text=text))}


def _read_block(block: Any) -> Object:
    block_type = type_of(block)
    part = None
    if block_type in _TEXTS:
        part = _TEXTS[block_type].read(block, NAME)
    elif block_type in _FILES:
        part = _read_file(block, block_type)
    return data_part(block, NAME) if part is None else part


def _write_block(parts: list[Object], text: str) -> tuple[list[Any], int]:
    """The block for the first part; a text of another format gets the type `text`."""
    part = parts[0]
    native = native_of(part, NAME)
    block_type = native.pop("type", text)
    if part["type"] == "text":
        return [_TEXTS[block_type].write(part, native)], 1
    return ([_write_file(part)] if part["type"] == "file" else []), 1


def _read_file(block: Object, block_type: str) -> Object | None:
    rest = {key: value for key, value in block.items() if key != "type"}
    keys, media = _FILES[block_type]
    key = next((key for key in keys if fits("url", rest.get(key))), "")
    if key == "file_data" and not content_of(rest[key]):
        return None
    native: Object = {"type": block_type}
    if key:
        url = rest.pop(key)
        native["url"] = key
    elif isinstance(rest.get("file_id"), str) and rest["file_id"].isascii():
        url = f"urn:openai:file:{quote(rest['file_id'])}"
    else:
        return None
    part = {"type": "file", "media": media_of(url, media), "url": url}
    if fits("name", rest.get("filename")):
        part["name"] = rest.pop("filename")
    return with_native(part, NAME, {**native, "rest": rest} if rest else native)


def _write_file(part: Object) -> Object:
    native = native_of(part, NAME)
    is_image = part["media"].startswith("image/")
    block: Object = {"type": native.get("type", "input_image" if is_image else "input_file"), **native.get("rest", {})}
    key = native.get("url")
    if not native:
        key = "image_url" if is_image else "file_data" if content_of(part["url"]) else "file_url"
    if key:
        block[key] = part["url"]
    if "name" in part and block["type"] == "input_file":
        block["filename"] = part["name"]
    return block


def _read_reasoning(item: Object) -> tuple[list[Object], set[str]]:
    parts: list[Object] = []
    consumed: set[str] = set()
    for key, block_type in _REASONING.items():
        blocks = item.get(key)
        shape = BlockShape(block_type, "reasoning", {"text": "text"}, default=key == "summary")
        if isinstance(blocks, list) and blocks and all(_is_text(block, block_type) for block in blocks):
            parts += [part for block in blocks if (part := shape.read(block, NAME)) is not None]
            consumed.add(key)
    if not parts:
        parts = [with_native({"type": "reasoning", "text": ""}, NAME, {"type": "none"})]
    if isinstance(item.get("encrypted_content"), str):
        parts[0]["signature"] = item["encrypted_content"]
        consumed.add("encrypted_content")
    return parts, consumed


def _is_text(block: Any, block_type: str) -> bool:
    return type_of(block) == block_type and isinstance(block.get("text"), str)


def _write_reasoning(parts: list[Object]) -> Object:
    members: Object = {}
    for part in parts:
        native = native_of(part, NAME)
        block_type = native.pop("type", _REASONING["summary"])
        for key, kind in _REASONING.items():
            if kind == block_type:
                members.setdefault(key, []).append({**native, "type": kind, "text": part["text"]})
    if parts and "signature" in parts[0]:
        members["encrypted_content"] = parts[0]["signature"]
    return members


def _read_image(item: Object) -> tuple[list[Object], set[str]]:
    call = item.get("id")
    url = data_url("image/png", item.get("result"))
    if not fits("call", call):
        return [], set()
    call_part = {"type": "tool_call", "call": call, "name": "image_generation", "input": ""}
    if url is None:
        return [call_part], {"id"}
    file = {"type": "file", "media": "image/png", "url": url, "call": call}
    return [call_part, {"type": "tool_result", "call": call}, file], {"id", "result"}


def _write_image(parts: list[Object]) -> Object:
    members: Object = {"id": parts[0]["call"]}
    for part in parts:
        inline = content_of(part["url"]) if part["type"] == "file" else None
        if inline is not None:
            members["result"] = inline[1]
    return members
