"""Messages of OpenAI's chat completions (https://platform.openai.com/docs/api-reference/chat)."""

from typing import Any
from urllib.parse import quote

from .blocks import (
    BlockShape,
    content_of,
    data_part,
    data_url,
    fits,
    media_of,
    native_of,
    text_of,
    type_of,
    value_of,
    with_native,
)
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
# The members of a result that may name its call: SWE-agent has a list of one id; some programs name only the function.
_RESULT_CALLS = {
    "tool": ("tool_call_id", "tool_call_ids", "tool_name", "name"),
    "function": ("name",),
}
# The prefix of the `native` type of a part beside a message's content; no content part has a type with this prefix.
_BESIDE = "message."
_CALLS = _BESIDE + "tool_calls"
# The member with the only call of a message, which has no id, before `tool_calls` existed.
_FUNCTION_CALL = "function_call"


class OpenAIChat:
    """One message of a request or a response: a text or content parts, and calls beside it.

    A message with the role `tool` or `function` becomes one part `tool_result`, followed by its own parts. A call
    without an id has the name of its function as `call`, and so has its result. The reasoning of compatible servers
    (`reasoning_content`) also becomes a part.
    """

    name = NAME

    def read(self, source: Object, /) -> Message:
        """See `Format`."""
        member, call = _call_of_result(source)
        if call is not None:
            return _read_result(source, member, call)
        content = source.get("content")
        parts: list[Object] = []
        consumed: set[str] = set()
        form = "none"
        if isinstance(content, str):
            parts, consumed, form = [{"type": "text", "text": content}], {"content"}, "text"
        elif isinstance(content, list):
            parts, consumed, form = [_read_part(part) for part in content], {"content"}, ""
        beside, also = _read_members(source)
        role = "tool" if source.get("role") == "function" else "assistant"
        return message_of(source, parts + beside, NAME, consumed | also, role, form)

    def write(self, message: Message, /) -> Object:
        """See `Format`."""
        parts = message["parts"]
        source, form = source_of(message, NAME)
        if parts and parts[0]["type"] == "tool_result":
            return _write_result(source, parts, has_content=form != "none")
        content = [part for part in parts if not _is_member(part)]
        if form == "text":
            source["content"] = text_of_parts(content)
        elif form != "none":
            source["content"] = write_blocks(content, NAME, _write_part)
        return source | _write_members([part for part in parts if _is_member(part)])


def _call_of_result(source: Object) -> tuple[str, str | None]:
    """The member of a result that names its call, and the call; None if the message is not a result."""
    role = source.get("role")
    for member in _RESULT_CALLS.get(role, ()) if isinstance(role, str) else ():
        value = source.get(member)
        call = value[0] if isinstance(value, list) and len(value) == 1 else value
        if fits("call", call):
            return member, call
    return "", None


def _read_result(source: Object, member: str, call: str) -> Message:
    # Only `tool_call_id` can be written from the part; another member stays as it is.
    is_usual = member == "tool_call_id" and isinstance(source[member], str)
    native = {} if is_usual else {"call": member}
    consumed = {"content", *({member} if is_usual else ())}
    if "content" not in source:
        parts = [with_native({"type": "tool_result", "call": call}, NAME, native)]
        return message_of(source, parts, NAME, consumed, "tool", form="none")
    parts = read_result(call, source["content"], NAME, native, _read_part)
    return message_of(source, parts, NAME, consumed, "tool")


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
    function = source.get(_FUNCTION_CALL)
    call = _read_call_of_type({"function": function}, "function") if isinstance(function, dict) else None
    if call is not None:
        native = {**native_of(call, NAME), "type": _BESIDE + _FUNCTION_CALL}
        parts.append(with_native(call, NAME, native))
        consumed.add(_FUNCTION_CALL)
    return parts, consumed


def _read_call(call: Any) -> Object:
    call_type = type_of(call) if isinstance(call, dict) and "type" in call else "function"
    part = _read_call_of_type(call, call_type) if call_type in _CALL_TYPES and isinstance(call, dict) else None
    return with_native(data_part(call, NAME), NAME, {"type": _CALLS}) if part is None else part


def _read_call_of_type(call: Object, call_type: str) -> Object | None:
    """A call as a part, with the members that it lacks; None without the name of a function."""
    function = call.get(call_type)
    if not isinstance(function, dict) or not fits("name", function.get("name")):
        return None
    name, key = function["name"], _CALL_TYPES[call_type]
    has_id = fits("call", call.get("id"))
    call_id = call["id"] if has_id else name
    if not fits("call", call_id):
        return None
    value = function.get(key, "")
    has = {"id": has_id, "type": "type" in call, key: key in function}
    native: Object = {} if call_type == "function" else {"type": call_type}
    native |= {} if all(has.values()) else {"lacks": [member for member, is_there in has.items() if not is_there]}
    native |= {} if isinstance(value, str) else {"json": True}
    consumed = {"type", call_type, *(("id",) if has_id else ())}
    own = {member: each for member, each in function.items() if member not in {"name", key}}
    text = value if isinstance(value, str) else text_of(value)
    part = {"type": "tool_call", "call": call_id, "name": name, "input": text}
    return with_native(part, NAME, _with_rest(native, call, consumed, own))


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
        member = _member_of(part)
        if part["type"] in {"text", "reasoning"}:
            members[member] = members.get(member, "") + part["text"]
        elif member == _FUNCTION_CALL:
            members[member] = _write_call(part, "function")["function"]
        else:
            members.setdefault(member, []).append(_write_call(part))
    return members


def _member_of(part: Object) -> str:
    """The member of a message for a part beside its content."""
    default = _BESIDE + "reasoning_content" if part["type"] in {"text", "reasoning"} else _CALLS
    own = str(native_of(part, NAME).get("type"))
    return (own if own.startswith(_BESIDE) else default).removeprefix(_BESIDE)


def _write_call(part: Object, call_type: str = "") -> Any:
    if part["type"] == "data":
        return part["value"]
    native = native_of(part, NAME)
    call_type = call_type or native.get("type", "function")
    lacking = native.get("lacks", ())
    own = {**native.get("own", {}), "name": part["name"]}
    key = _CALL_TYPES[call_type]
    if key not in lacking:
        own[key] = value_of(part["input"]) if native.get("json") else part["input"]
    members = {"type": call_type, "id": part["call"], call_type: own}
    rest = native.get("rest", {})
    return {**rest, **{member: value for member, value in members.items() if member not in lacking}}


def _write_result(source: Object, parts: list[Object], *, has_content: bool) -> Object:
    members, count = write_result(parts, NAME, _write_part)
    if count < len(parts):
        raise ContentNotConvertible(
            f"A message of the role tool has one result; the part after that of call {parts[0]['call']} has no place."
        )
    # Another member of the source names the call.
    named = {} if members.pop("call", None) else {"role": "tool", "tool_call_id": parts[0]["call"]}
    content = {"content": "", **members} if has_content else {}
    return source | named | content


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
