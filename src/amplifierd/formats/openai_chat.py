"""Messages of OpenAI's chat completions (https://platform.openai.com/docs/api-reference/chat)."""

from typing import Any
from urllib.parse import quote

from .blocks import BlockShape, content_of, data_part, data_url, fits, media_of, native_of, type_of, with_native
from .content import message_of, read_result, source_of, text_of_parts, write_blocks, write_result
from .interface import ContentNotConvertible, Message, Object

NAME = "openai-chat"

# Members of a message with texts beside the content.
_TEXTS = {"refusal": "text", "reasoning_content": "reasoning"}
_SHAPES = {
    "text": BlockShape("text", "text", {"text": "text"}, default=True),
    "refusal": BlockShape("refusal", "text", {"refusal": "text"}),
}
# The types of calls, and the key of their input.
_CALL_TYPES = {"function": "arguments", "custom": "input"}
# The members of a content part with a file, and its default media type.
_FILES = {"image_url": "image/*", "input_audio": "audio/*", "file": "application/octet-stream"}
# The prefix of the `native` type of a part beside a message's content; no content part has a type with this prefix.
_BESIDE = "message."
_CALLS = _BESIDE + "tool_calls"


class OpenAIChat:
    """One message of a request or a response: a text or content parts, and calls beside it.

    A message with the role `tool` becomes one part `tool_result`, followed by its own parts. The reasoning of
    compatible servers (`reasoning_content`) also becomes a part.
    """

    name = NAME

    def read(self, source: Object, /) -> Message:
        """See `Format`."""
        content = source.get("content")
        if source.get("role") == "tool" and fits("call", source.get("tool_call_id")):
            result = read_result(source["tool_call_id"], content, NAME, {}, _read_part)
            if result is not None:
                return message_of(source, result, NAME, {"content", "tool_call_id"}, "tool")
        parts: list[Object] = []
        consumed: set[str] = set()
        form = "none"
        if isinstance(content, str):
            parts, consumed, form = [{"type": "text", "text": content}], {"content"}, "text"
        elif isinstance(content, list):
            parts, consumed, form = [_read_part(part) for part in content], {"content"}, ""
        beside, also = _read_members(source)
        return message_of(source, parts + beside, NAME, consumed | also, "assistant", form)

    def write(self, message: Message, /) -> Object:
        """See `Format`."""
        parts = message["parts"]
        source, form = source_of(message, NAME)
        if parts and parts[0]["type"] == "tool_result":
            return source | _write_result(parts)
        content = [part for part in parts if not _is_member(part)]
        if form == "text":
            source["content"] = text_of_parts(content)
        elif form != "none":
            source["content"] = write_blocks(content, NAME, _write_part)
        return source | _write_members([part for part in parts if _is_member(part)])


def _read_members(source: Object) -> tuple[list[Object], set[str]]:
    """The parts from members of a message beside its content, and the names of these members."""
    parts: list[Object] = []
    consumed: set[str] = set()
    for member, part_type in _TEXTS.items():
        if isinstance(source.get(member), str):
            parts.append(with_native({"type": part_type, "text": source[member]}, NAME, {"type": _BESIDE + member}))
            consumed.add(member)
    calls = source.get("tool_calls")
    if isinstance(calls, list) and calls:
        parts += [_read_call(call) for call in calls]
        consumed.add("tool_calls")
    return parts, consumed


def _read_call(call: Any) -> Object:
    part = None
    call_type = type_of(call)
    if call_type in _CALL_TYPES and isinstance(call.get(call_type), dict):
        part = _read_call_of_type(call, call_type)
    return with_native(data_part(call, NAME), NAME, {"type": _CALLS}) if part is None else part


def _read_call_of_type(call: Object, call_type: str) -> Object | None:
    own = dict(call[call_type])
    name, text = own.pop("name", None), own.pop(_CALL_TYPES[call_type], None)
    if not (fits("call", call.get("id")) and fits("name", name) and fits("input", text)):
        return None
    native = _with_rest({} if call_type == "function" else {"type": call_type}, call, {"id", "type", call_type}, own)
    return with_native({"type": "tool_call", "call": call["id"], "name": name, "input": text}, NAME, native)


def _read_part(part: Any) -> Object:
    block_type = type_of(part)
    read: Object | None = None
    if block_type in _SHAPES:
        read = _SHAPES[block_type].read(part, NAME)
    elif block_type in _FILES and isinstance(part.get(block_type), dict):
        read = _read_file(part, block_type)
    return data_part(part, NAME) if read is None else read


def _read_file(part: Object, block_type: str) -> Object | None:
    own = dict(part[block_type])
    url = _url_of(own, block_type)
    if url is None:
        return None
    file: Object = {"type": "file", "media": media_of(url, _FILES[block_type]), "url": url}
    if block_type == "file" and fits("name", own.get("filename")):
        file["name"] = own.pop("filename")
    return with_native(file, NAME, _with_rest({"type": block_type}, part, {"type", block_type}, own))


def _url_of(own: Object, block_type: str) -> str | None:
    """The URL of a file, from members that are removed from `own`; None if there is none."""
    if block_type == "input_audio":
        audio = own.pop("format", None), own.pop("data", None)
        return data_url(f"audio/{audio[0]}", audio[1]) if isinstance(audio[0], str) else None
    key = "url" if block_type == "image_url" else "file_data"
    if fits("url", own.get(key)) and (block_type == "image_url" or content_of(own[key])):
        url: str = own.pop(key)
        return url
    identity = own.get("file_id")
    return f"urn:openai:file:{quote(identity)}" if isinstance(identity, str) and identity.isascii() else None


def _with_rest(native: Object, block: Object, consumed: set[str], own: Object) -> Object:
    """`native` with the other members of a block, and the remaining members of its own object."""
    rest = {key: value for key, value in block.items() if key not in consumed}
    return native | ({"rest": rest} if rest else {}) | ({"own": own} if own else {})


def _is_member(part: Object) -> bool:
    """Whether a part is beside a message's content."""
    return part["type"] in {"tool_call", "reasoning"} or str(native_of(part, NAME).get("type")).startswith(_BESIDE)


def _write_members(parts: list[Object]) -> Object:
    members: Object = {}
    for part in parts:
        is_text = part["type"] in {"text", "reasoning"}
        block_type = native_of(part, NAME).get("type") if is_text or part["type"] == "data" else _CALLS
        member = str(block_type or _BESIDE + "reasoning_content").removeprefix(_BESIDE)
        if is_text:
            members[member] = members.get(member, "") + part["text"]
        else:
            members.setdefault(member, []).append(_write_call(part))
    return members


def _write_call(part: Object) -> Any:
    if part["type"] == "data":
        return part["value"]
    native = native_of(part, NAME)
    call_type = native.get("type", "function")
    own = {**native.get("own", {}), "name": part["name"], _CALL_TYPES[call_type]: part["input"]}
    return {**native.get("rest", {}), "type": call_type, "id": part["call"], call_type: own}


def _write_result(parts: list[Object]) -> Object:
    members, count = write_result(parts, NAME, _write_part)
    if count < len(parts):
        raise ContentNotConvertible(
            f"A message of the role tool has one result; the part after that of call {parts[0]['call']} has no place."
        )
    return {"role": "tool", "tool_call_id": parts[0]["call"], "content": "", **members}


def _write_part(parts: list[Object]) -> tuple[list[Any], int]:
    part = parts[0]
    native = native_of(part, NAME)
    if part["type"] == "text":
        return [_SHAPES[native.pop("type", "text")].write(part, native)], 1
    if part["type"] != "file":
        return [], 1
    block_type = native.get("type", "image_url" if part["media"].startswith("image/") else "file")
    members = _file_members(part, block_type, native.get("own", {}))
    return [{**native.get("rest", {}), "type": block_type, block_type: members}], 1


def _file_members(part: Object, block_type: str, own: Object) -> Object:
    url = part["url"]
    inline = content_of(url)
    if block_type == "image_url":
        return {**own, "url": url} if not url.startswith("urn:openai:file:") else own
    if block_type == "input_audio" and inline is not None:
        return {**own, "data": inline[1], "format": inline[0].removeprefix("audio/")}
    named = {"filename": part["name"]} if "name" in part else {}
    if inline is None and "file_id" not in own:
        raise ContentNotConvertible(f"The file {url[:100]} is neither an image nor in the message itself.")
    return {**own, **named, **({} if inline is None else {"file_data": url})}
