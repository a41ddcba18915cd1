"""ChatGPT's export (`conversations.json`, also in several files): a tree of messages for each conversation."""

import re
from collections.abc import Callable, Iterator
from typing import IO, Any

from ..blocks import fits
from .interface import AttachedRecord, Chat, Fault, Head, Object, Step, Turn
from .json_records import Record, read_steps
from .values import labels_of, line_of, list_of, message_id_of, object_of, text_part, texts_of, time_of, without

NAME = "chatgpt"

_ROLES = frozenset({"user", "assistant", "system", "tool"})
# The root of a conversation, before its first message.
_INSTRUCTIONS = frozenset({"user_editable_context", "model_editable_context"})
# Types of content with a single text: the type of the part, and the member with the text.
_TEXTS = {
    "code": ("text", "text"),
    "execution_output": ("text", "text"),
    "tether_quote": ("text", "text"),
    "tether_browsing_display": ("text", "result"),
    "system_error": ("text", "text"),
    "reasoning_recap": ("reasoning", "content"),
}
_TEXT_LISTS = frozenset({"text", "multimodal_text"})
# The recipient of a message to the user; any other is a tool.
_TO_USER = "all"
# Contents that are shown as code.
_CODE = frozenset({"code", "execution_output"})
_LANGUAGE = re.compile(r"[A-Za-z0-9+#._-]{1,30}")
_UNKNOWN_LANGUAGE = "unknown"


class ChatGPT:
    """A session for each conversation; each edit and each other answer is a branch."""

    name = NAME

    def recognizes(self, head: Head, /) -> bool:
        """See `HistoryFormat`."""
        return any(_is_own(record) for record in head.records)

    def read(self, source: IO[bytes], /) -> Iterator[Step]:
        """See `HistoryFormat`."""
        return read_steps(source, _conversation)


def _is_own(record: Object) -> bool:
    nodes = [*object_of(record.get("mapping")).values()][:1]
    return bool(nodes) and {"parent", "children"} <= object_of(nodes[0]).keys()


def _conversation(record: Record) -> Iterator[Step]:
    value = record.value
    conversation_id, own_id = texts_of(value, "conversation_id", "id")
    key = conversation_id or own_id
    mapping = object_of(value.get("mapping"))
    if key is None or not mapping:
        member = "id" if mapping else "messages"
        yield Fault(kind="no conversation", line=record.line, sentence=f"The record has no {member} of a conversation.")
        return
    yield Chat(
        key=key,
        line=record.line,
        name=line_of(value.get("title")),
        created_at=time_of(value.get("create_time")),
        labels=labels_of(gizmo=value.get("gizmo_id")),
        context={NAME: without(value, "mapping", "title")},
        current=_message_before(mapping, value.get("current_node")),
        archived=value.get("is_archived") is True,
        pinned=value.get("is_starred") is True,
    )
    calls = _open_calls(mapping)
    for node_key in _in_order(mapping):
        yield from _node(key, node_key, mapping, calls[node_key], record.line)


def _in_order(mapping: Object) -> list[str]:
    """The nodes in the order of their messages' times, so that later additions come last."""
    times = _along_paths(mapping, lambda _, message, before: time_of(message.get("create_time")) or before)
    return sorted(mapping, key=lambda key: times[key] or "")


def _is_message(node: Any) -> bool:
    """Whether a node is a message that a reader sees, unlike the instructions at the beginning of a conversation."""
    message = object_of(object_of(node).get("message"))
    content = object_of(message.get("content"))
    if not message or texts_of(content, "content_type")[0] in _INSTRUCTIONS:
        return False
    return object_of(message.get("author")).get("role") != "system" and content.get("parts") != [""]


def _message_before(mapping: Object, key: Any) -> str | None:
    """The node itself if it has a message, else the nearest one above it."""
    seen: set[str] = set()
    while isinstance(key, str) and key in mapping and key not in seen:
        seen.add(key)
        node = object_of(mapping[key])
        if _is_message(node):
            return key
        key = node.get("parent")
    # A missing node or a cycle is detected and reported with the message.
    return key if isinstance(key, str) else None


def _open_calls(mapping: Object) -> dict[str, str | None]:
    """By each node, the last call of a tool up to it that neither the user nor an answer follows."""
    return _along_paths(mapping, _call_after)


def _along_paths(
    mapping: Object, value_after: Callable[[str, Object, str | None], str | None]
) -> dict[str, str | None]:
    """By each node, what `value_after` makes of its key, its message and the value of the node above it."""
    found: dict[str, str | None] = {}
    for start in mapping:
        path: list[str] = []
        place: Any = start
        while isinstance(place, str) and place in mapping and place not in found:
            # In a cycle, the search ends here.
            found[place] = None
            path.append(place)
            place = object_of(mapping[place]).get("parent")
        value = found.get(place) if isinstance(place, str) else None
        for key in reversed(path):
            found[key] = value = value_after(key, object_of(object_of(mapping[key]).get("message")), value)
    return found


def _call_after(key: str, message: Object, before: str | None) -> str | None:
    if _called_tool(message) is not None:
        return key
    [role] = texts_of(message.get("author"), "role")
    [kind] = texts_of(message.get("content"), "content_type")
    return None if role == "user" or (role == "assistant" and kind in _TEXT_LISTS) else before


def _called_tool(message: Object) -> str | None:
    """The tool that a message of the model calls; None if it calls none."""
    [role], [recipient] = texts_of(message.get("author"), "role"), texts_of(message, "recipient")
    is_call = role == "assistant" and recipient != _TO_USER and fits("name", recipient)
    return recipient if is_call and _text_of(object_of(message.get("content"))) else None


def _text_of(content: Object) -> str | None:
    """The code of a content, or its only text; None if it has neither."""
    match content:
        case {"content_type": "code", "text": str(text)}:
            return text
        case {"content_type": "text" | "multimodal_text", "parts": [str(text)]}:
            return text
    return None


def _node(chat: str, key: str, mapping: Object, call: str | None, line: int) -> Iterator[Step]:
    node = object_of(mapping[key])
    message = node.get("message")
    if not isinstance(message, dict) and (message is not None or not node):
        yield Fault(kind="no message", line=line, sentence=f"The node {key} has no message that is an object.")
    if not isinstance(message, dict) or not _is_message(node):
        if message is not None or not node:
            yield AttachedRecord(chat=chat, record={key: mapping[key]})
        return
    parent = _message_before(mapping, node.get("parent"))
    yield Turn(chat=chat, key=key, parent=parent, line=line, message=_message(message, key, call))


def _message(source: Object, key: str, call: str | None) -> Object:
    """A message; `call` is the key of the node that called the tool, if it is a result."""
    author = object_of(source.get("author"))
    [own_role] = texts_of(author, "role")
    role = own_role if own_role in _ROLES else "assistant"
    content = object_of(source.get("content"))
    parts, rest = _parts(content)
    [kind], tool = texts_of(content, "content_type"), _called_tool(source)
    if tool is not None:
        parts = [{"type": "tool_call", "call": message_id_of(key), "name": tool, "input": _text_of(content)}]
    elif role == "tool":
        called = message_id_of(call) if call is not None else line_of(author.get("name")) or message_id_of(key)
        parts = _result(called, parts, is_error=kind == "system_error")
    elif kind in _CODE:
        parts = [_fenced(part, content.get("language")) for part in parts]
    own = without(source, "content", "id") | ({"content": rest} if rest else {})
    message: Object = {
        "role": role,
        "parts": parts,
        "metadata": {NAME: own},
        "timestamp": source.get("create_time"),
    }
    model = line_of(object_of(source.get("metadata")).get("model_slug"))
    if model is not None and role != "user":
        message["model"] = model
    if (name := line_of(author.get("name"))) is not None:
        message["agent"] = name
    return message


def _parts(content: Object) -> tuple[list[Object], Object]:
    """The parts of a content, and the members that the parts do not contain."""
    [kind] = texts_of(content, "content_type")
    if kind in _TEXT_LISTS and isinstance(content.get("parts"), list):
        texts = [_part(each) for each in content["parts"] if each != ""]
        return texts, without(content, "parts")
    if kind == "thoughts":
        return [_thought(each) for each in list_of(content.get("thoughts"))], without(content, "thoughts")
    part_type, member = _TEXTS.get(str(kind), ("", ""))
    if isinstance(content.get(member), str):
        return [{"type": part_type, "text": content[member]}], without(content, member)
    return ([_data(str(kind), content)], {}) if content else ([], {})


def _result(call: str, parts: list[Object], *, is_error: bool) -> list[Object]:
    """The result of a call: its text, and further parts."""
    is_text = bool(parts) and parts[0]["type"] == "text" and "native" not in parts[0]
    head: Object = {"type": "tool_result", "call": call, **({"output": parts[0]["text"]} if is_text else {})}
    others = [{**part, "call": call} for part in (parts[1:] if is_text else parts)]
    return [head | ({"error": True} if is_error else {}), *others]


def _fenced(part: Object, language: Any) -> Object:
    """A text as a code block of Markdown, with a fence that the text does not have."""
    if part["type"] != "text":
        return part
    longest = max((len(ticks) for ticks in re.findall("`+", part["text"])), default=0)
    fence = "`" * max(3, longest + 1)
    is_known = isinstance(language, str) and language != _UNKNOWN_LANGUAGE and _LANGUAGE.fullmatch(language)
    return text_part(f"{fence}{language if is_known else ''}\n{part['text']}\n{fence}")


def _part(value: Any) -> Object:
    if isinstance(value, str):
        return text_part(value)
    kind, pointer, text = texts_of(value, "content_type", "asset_pointer", "text")
    if pointer is not None and ":" in pointer:
        media = "image/*" if kind == "image_asset_pointer" else "application/octet-stream"
        native = {NAME: without(object_of(value), "asset_pointer")}
        return {"type": "file", "media": media, "url": pointer, "native": native}
    if kind == "audio_transcription" and text is not None:
        return {**text_part(text), "native": {NAME: without(object_of(value), "text")}}
    return _data(kind or "part", value)


def _thought(value: Any) -> Object:
    [text] = texts_of(value, "content")
    if text is None:
        return _data("thought", value)
    return {"type": "reasoning", "text": text, "native": {NAME: without(object_of(value), "content")}}


def _data(kind: str, value: Any) -> Object:
    safe = "".join(each if each.isascii() and (each.isalnum() or each in "._-") else "-" for each in kind)[:100]
    return {"type": "data", "kind": f"{NAME}.{safe}", "value": value}
