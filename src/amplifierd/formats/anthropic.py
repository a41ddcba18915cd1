"""Messages of Anthropic's Messages API (https://docs.anthropic.com/en/api/messages): a role and content blocks."""

from typing import Any
from urllib.parse import quote

from .blocks import BlockShape, content_of, data_part, data_url, fits, native_of, type_of, with_native
from .content import message_of, read_result, source_of, text_of_parts, write_blocks, write_result
from .interface import Message, Object

NAME = "anthropic"

_RESULTS = ("tool_result", "mcp_tool_result")
_MEDIA = {"image": "image/*", "document": "application/pdf"}
_CALL = ({"id": "call", "name": "name"}, {"input": "input"})
# Their content is whatever the tool returns: an object, or a list of objects that are not content blocks.
_RESULT = ({"tool_use_id": "call"}, {"content": "output"})

_SHAPES = {
    shape.block_type: shape
    for shape in (
        BlockShape("text", "text", {"text": "text"}, default=True),
        BlockShape("thinking", "reasoning", {"thinking": "text", "signature": "signature"}, default=True),
        BlockShape("redacted_thinking", "reasoning", {"data": "signature"}, fixed={"text": ""}),
        BlockShape("search_result", "source", {"source": "url", "title": "title"}),
        BlockShape("tool_use", "tool_call", *_CALL, default=True),
        BlockShape("server_tool_use", "tool_call", *_CALL),
        BlockShape("mcp_tool_use", "tool_call", *_CALL),
        BlockShape("web_search_tool_result", "tool_result", *_RESULT),
        BlockShape("web_fetch_tool_result", "tool_result", *_RESULT),
        BlockShape("code_execution_tool_result", "tool_result", *_RESULT),
        BlockShape("bash_code_execution_tool_result", "tool_result", *_RESULT),
        BlockShape("text_editor_code_execution_tool_result", "tool_result", *_RESULT),
        BlockShape("tool_search_tool_result", "tool_result", *_RESULT),
    )
}
_DEFAULTS = {shape.part_type: shape.block_type for shape in _SHAPES.values() if shape.default}


class Anthropic:
    """One message, of a request or an answer: `content` is a text or a list of blocks."""

    name = NAME

    def read(self, source: Object, /) -> Message:
        """See `Format`."""
        content = source.get("content")
        if isinstance(content, str):
            message = message_of(
                source, [{"type": "text", "text": content}], NAME, {"content"}, "assistant", form="text"
            )
        elif isinstance(content, list):
            parts = [part for block in content for part in _read(block)]
            message = message_of(source, parts, NAME, {"content"}, "assistant")
        else:
            message = message_of(source, [], NAME, set(), "assistant", form="none")
        if fits("name", source.get("model")):
            message["model"] = source["model"]
        return message

    def write(self, message: Message, /) -> Object:
        """See `Format`."""
        source, form = source_of(message, NAME)
        if form == "text":
            source["content"] = text_of_parts(message["parts"])
        elif form != "none":
            source["content"] = write_blocks(message["parts"], NAME, _write)
        return source


def _read(block: Any) -> list[Object]:
    if type_of(block) in _RESULTS:
        return _read_result(block) or [data_part(block, NAME)]
    return [_read_one(block)]


def _read_one(block: Any) -> Object:
    """A block that is one part."""
    block_type = type_of(block)
    part = None
    if block_type in _MEDIA:
        part = _read_media(block, block_type)
    elif block_type in _SHAPES:
        part = _SHAPES[block_type].read(block, NAME)
    return data_part(block, NAME) if part is None else part


def _read_result(block: Object) -> list[Object] | None:
    rest = dict(block)
    call = rest.pop("tool_use_id", None)
    if not fits("call", call):
        return None
    if rest["type"] == "tool_result":
        del rest["type"]
    error = rest.pop("is_error") if isinstance(rest.get("is_error"), bool) else None
    if "content" in rest:
        parts = read_result(call, rest.pop("content"), NAME, rest, _read_one)
    else:
        parts = [with_native({"type": "tool_result", "call": call}, NAME, rest)]
    if error is not None:
        parts[0]["error"] = error
    return parts


def _read_media(block: Object, block_type: str) -> Object | None:
    rest = {key: value for key, value in block.items() if key != "type"}
    source = rest.get("source")
    part: Object = {"type": "file", "media": _MEDIA[block_type]}
    match source:
        case {"type": "base64", "media_type": media, "data": data, **other} if not other:
            part["url"] = data_url(media, data)
            part["media"] = media
            del rest["source"]
        case {"type": "url", "url": url, **other} if not other and fits("url", url) and not content_of(url):
            part["url"] = url
            del rest["source"]
        case {"type": "file", "file_id": str(identity)} if identity.isascii():
            part["url"] = f"urn:anthropic:file:{quote(identity)}"
    if not isinstance(part.get("url"), str):
        return None
    if block_type == "document" and fits("name", rest.get("title")):
        part["name"] = rest.pop("title")
    return with_native(part, NAME, {"type": block_type, **rest})


def _write(parts: list[Object]) -> tuple[list[Any], int]:
    part = parts[0]
    native = native_of(part, NAME)
    block_type = native.pop("type", _DEFAULTS.get(part["type"], ""))
    if part["type"] == "file":
        return [_write_file(part, block_type, native)], 1
    if block_type in _SHAPES:
        return [_SHAPES[block_type].write(part, native)], 1
    if part["type"] == "tool_result":
        return _write_result(parts)
    return [], 1


def _write_result(parts: list[Object]) -> tuple[list[Any], int]:
    part = parts[0]
    members, count = write_result(parts, NAME, _write)
    block: Object = {"type": "tool_result", "tool_use_id": part["call"], **members}
    if "error" in part:
        block["is_error"] = part["error"]
    return [block], count


def _write_file(part: Object, block_type: str, native: Object) -> Object:
    is_image = part["media"].startswith("image/")
    block: Object = {"type": block_type or ("image" if is_image else "document"), **native}
    inline = content_of(part["url"])
    if inline is not None:
        block["source"] = {"type": "base64", "media_type": inline[0], "data": inline[1]}
    else:
        block.setdefault("source", {"type": "url", "url": part["url"]})
    if "name" in part and block["type"] == "document":
        block["title"] = part["name"]
    return block
