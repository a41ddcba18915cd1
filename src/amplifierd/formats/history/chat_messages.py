"""Conversations as lists of messages: OpenAI's, Anthropic's and the AI SDK's `messages`, ShareGPT's `conversations`."""

from collections.abc import Callable, Iterator
from hashlib import sha256
from typing import IO, Any, NamedTuple

import msgspec

from ..ai_sdk import AISDK
from ..ai_sdk import NAME as AI_SDK
from ..anthropic import NAME as ANTHROPIC
from ..anthropic import Anthropic
from ..blocks import type_of
from ..export_member import EXPORT_MEMBER, labels_in, restore_messages, session_in
from ..interface import ROLES, Message
from ..openai_chat import NAME as OPENAI_CHAT
from ..openai_chat import OpenAIChat
from .interface import Chat, Fault, Head, Object, Step, Turn
from .json_records import Record, read_records
from .values import first_time, labels_of, line_of, object_of, text_part, texts_of, time_of, without

_ROLES = {
    "human": "user",
    "user": "user",
    "prompter": "user",
    "gpt": "assistant",
    "chatgpt": "assistant",
    "bing": "assistant",
    "bard": "assistant",
    "assistant": "assistant",
    "function_call": "assistant",
    "system": "system",
    "tool": "tool",
    "observation": "tool",
    "function_response": "tool",
}
# The first messages identify the conversation.
_TELLING = 2
_CHAT = OpenAIChat()
_ANTHROPIC = Anthropic()
_AI_SDK = AISDK()
# Types of blocks that chat completions lack.
_ANTHROPIC_BLOCKS = frozenset(
    {"tool_use", "tool_result", "thinking", "redacted_thinking", "image", "document", "server_tool_use"}
)


class OpenAIMessages:
    """A session for each record with `messages`."""

    name = "openai-messages"

    def recognizes(self, head: Head, /) -> bool:
        """See `HistoryFormat`."""
        return _have_messages(head)

    def read(self, source: IO[bytes], /) -> Iterator[Step]:
        """See `HistoryFormat`."""
        yield from _sessions(source, _Messages(self.name, "messages", read_openai_message))


class AnthropicMessages:
    """A session for each record with `messages`, as in a request of the Messages API, and an optional `system`."""

    name = "anthropic-messages"

    def recognizes(self, head: Head, /) -> bool:
        """See `HistoryFormat`. Messages that have only texts are the same in both formats, and are read as OpenAI's."""
        return _have_messages(head) and any(_is_anthropic(record) for record in head.records)

    def read(self, source: IO[bytes], /) -> Iterator[Step]:
        """See `HistoryFormat`."""
        yield from _sessions(source, _Messages(self.name, "messages", read_anthropic_message, "system"))


class UIMessages:
    """A session for each record with `messages` of the AI SDK; one for each `chatId` if each record is a message."""

    name = AI_SDK

    def recognizes(self, head: Head, /) -> bool:
        """See `HistoryFormat`."""
        return any(map(_has_ui_messages, head.records)) or any(map(_is_ui_message, head.records))

    def read(self, source: IO[bytes], /) -> Iterator[Step]:
        """See `HistoryFormat`."""
        form = _Messages(self.name, "messages", read_ui_message, key_of=_id_of)
        first = ""
        for number, record in enumerate(read_records(source), 1):
            if isinstance(record, Fault):
                yield record
            elif _is_ui_message(record.value):
                first = first or _key_of_messages([record.value], number)
                chat = texts_of(record.value, "chatId")[0] or first
                own = _id_of(record.value, number)
                yield Turn(chat=chat, key=own, line=record.line, message=read_ui_message(record.value))
            else:
                yield from _session(record, number, form)


class ShareGPT:
    """A session for each record with `conversations`."""

    name = "sharegpt"

    def recognizes(self, head: Head, /) -> bool:
        """See `HistoryFormat`."""
        return any("from" in turn for record in head.records for turn in _objects(record.get("conversations"))[:1])

    def read(self, source: IO[bytes], /) -> Iterator[Step]:
        """See `HistoryFormat`."""
        yield from _sessions(source, _Messages(self.name, "conversations", read_sharegpt_message))


def _place_of(_message: Object, place: int) -> str:
    return f"{place}"


class _Messages(NamedTuple):
    """The member of a record with its messages, how to read one, and its key by its place, from 1.

    The member `first` has the content of the first message.
    """

    name: str
    member: str
    read: Callable[[Object], Object]
    first: str | None = None
    key_of: Callable[[Object, int], str] = _place_of


def _is_ui_message(record: Object) -> bool:
    """Whether a record is a message of the AI SDK, which has a list of parts beside or instead of a content."""
    parts = record.get("parts")
    return "role" in record and isinstance(parts, list) and all(map(_is_ui_part, parts))


def _is_ui_part(part: Any) -> bool:
    kind = type_of(part)
    return bool(kind) and (kind != "text" or isinstance(part.get("text"), str))


def _has_ui_messages(record: Object) -> bool:
    return any(_is_ui_message(message) and message["parts"] for message in _objects(record.get("messages"))[:1])


def _id_of(message: Object, place: int) -> str:
    """The id of a message of the AI SDK; its place if it has none."""
    return texts_of(message, "id")[0] or _place_of(message, place)


def _have_messages(head: Head) -> bool:
    return any(
        "role" in message for record in head.records for message in _objects(record.get("messages"))[:1]
    ) and not any("type" in record or "sessionId" in record for record in head.records)


def _is_anthropic(record: Object) -> bool:
    contents = [message.get("content") for message in _objects(record.get("messages"))]
    blocks = [block for content in contents for block in _objects(content)]
    return isinstance(record.get("system"), str | list) or any(
        block.get("type") in _ANTHROPIC_BLOCKS for block in blocks
    )


def _sessions(source: IO[bytes], form: _Messages) -> Iterator[Step]:
    for number, record in enumerate(read_records(source), 1):
        if isinstance(record, Fault):
            yield record
        else:
            yield from _session(record, number, form)


def _session(record: Record, number: int, form: _Messages) -> Iterator[Step]:
    value = record.value
    messages = value.get(form.member)
    if not isinstance(messages, list):
        sentence = f"The record has no list {form.member}."
        yield Fault(kind="no conversation", line=record.line, sentence=sentence)
        return
    key = _key_of(value, messages, number)
    sources = [*_system_messages(value, form), *_objects(messages)]
    first = len(sources) - len(_objects(messages))
    found = [form.read(each) for each in sources[:first]] + [_in_list(form, each) for each in sources[first:]]
    restored = restore_messages(value, sources, found)
    yield _chat_of(record, key, form, None if restored is None else restored.forked_at)
    for place, message in enumerate(messages, 1):
        if not isinstance(message, dict):
            sentence = f"Message {place} of the conversation is not an object."
            yield Fault(kind="no message", line=record.line, sentence=sentence)
    if restored is None:
        sentence = f"Its messages are not those of which the member {EXPORT_MEMBER} tells; that is not used."
        yield Fault(kind="other messages", line=record.line, sentence=sentence)
    kept = found if restored is None else restored.messages
    for place, read in enumerate(kept, 1):
        own = form.key_of(sources[place - 1], place) if kept is found else _place_of(read, place)
        yield Turn(chat=key, key=own, line=record.line, message=read)


def _chat_of(record: Record, key: str, form: _Messages, forked_at: int | None) -> Chat:
    value = record.value
    session = session_in(value)
    title = value.get("title")
    consumed = (form.member, EXPORT_MEMBER, *(["title"] if isinstance(title, str) and line_of(title) == title else []))
    context = without(value, *consumed, *([form.first] if form.first and _system_messages(value, form) else []))
    [parent] = texts_of(session, "parentSessionId")
    return Chat(
        key=key,
        line=record.line,
        name=line_of(title),
        created_at=time_of(session.get("createdAt") or value.get("created_at") or value.get("create_time")),
        labels=labels_of(model=value.get("model")) | labels_in(session),
        context=({form.name: context} if context else {}) | object_of(session.get("context")),
        parent=parent,
        forked_at=forked_at,
        archived=session.get("archived") is True,
        pinned=session.get("pinned") is True,
    )


def _key_of(value: Object, messages: list[Any], number: int) -> str:
    """The id of a conversation; without an id, one made from its place and its first messages."""
    own = texts_of(session_in(value), "id")[0] or texts_of(value, "id")[0]
    return own if own is not None else _key_of_messages(messages, number)


def _key_of_messages(messages: list[Any], number: int) -> str:
    return f"{number}-{sha256(msgspec.json.encode(messages[:_TELLING])).hexdigest()[:32]}"


def _system_messages(value: Object, form: _Messages) -> list[Object]:
    """The system message in the member `first` of the record, in a list; empty without one."""
    content = value.get(form.first) if form.first else None
    return [{"role": "system", "content": content}] if isinstance(content, str | list) else []


def _in_list(form: _Messages, source: Object) -> Object:
    """A message of the list; a system message in it is distinct from the member `first`."""
    read = form.read(source)
    if form.first is None or read["role"] != "system":
        return read
    return {**read, "metadata": {**read["metadata"], form.name: {"in": form.member}}}


def read_openai_message(source: Object) -> Object:
    """A message of chat completions, with a time if it has one."""
    message = _as_list(_CHAT.read(source), OPENAI_CHAT)
    given = [source.get(member) for member in ("created_at", "create_time", "timestamp")]
    message["timestamp"] = first_time(message.get("timestamp"), *given)
    return message


def read_anthropic_message(source: Object) -> Object:
    """A message of the Messages API."""
    return _as_list(_ANTHROPIC.read(source), ANTHROPIC)


def read_ui_message(source: Object) -> Object:
    """A message of the AI SDK, with the time and the model that programs keep in its metadata."""
    message: Object = {**_AI_SDK.read(source)}
    message.setdefault("metadata", {})
    if source.get("content") and isinstance(source["content"], str) and not any(map(_is_shown, message["parts"])):
        # Version 4 also wrote messages without parts.
        message["parts"] = [*message["parts"], text_part(source["content"])]
    about = object_of(source.get("metadata"))
    message["timestamp"] = first_time(source.get("createdAt"), about.get("createdAt"))
    model = line_of(about.get("model"))
    return message | ({"model": model} if model is not None and message["role"] == "assistant" else {})


def _is_shown(part: Any) -> bool:
    return type_of(part) != "data"


def _as_list(message: Message, name: str) -> Object:
    """A message marked as read from the format, so that an export writes its list of blocks unchanged."""
    metadata = message.get("metadata", {})
    return {**message, "metadata": metadata if name in metadata else {**metadata, name: {"content": "list"}}}


def read_sharegpt_message(source: Object) -> Object:
    """A turn of ShareGPT."""
    sender, text = texts_of(source, "from", "value")
    role = _ROLES.get((sender or "").lower(), "assistant")
    part = text_part(text or "")
    if not isinstance(source.get("value"), str) and "value" in source:
        part = {"type": "data", "kind": "sharegpt.value", "value": source["value"]}
    own = without(source, "value")
    return {"role": role if role in ROLES else "assistant", "parts": [part], "metadata": {"sharegpt": own}}


def _objects(value: Any) -> list[Object]:
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []
