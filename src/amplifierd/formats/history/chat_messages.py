"""Conversations as lists of messages: OpenAI's `messages`, as for fine-tuning, and ShareGPT's `conversations`."""

from collections.abc import Iterator
from hashlib import sha256
from typing import IO, Any

import msgspec

from ..interface import ROLES
from ..openai_chat import OpenAIChat
from .interface import Chat, Fault, Head, Object, Step, Turn
from .json_records import Record, read_records
from .values import labels_of, line_of, text_part, texts_of, time_of, without

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
# The first messages tell which conversation it is.
_TELLING = 2
_CHAT = OpenAIChat()


class OpenAIMessages:
    """A session for each record with `messages`."""

    name = "openai-messages"

    def recognizes(self, head: Head, /) -> bool:
        """See `HistoryFormat`."""
        return any(
            "role" in message for record in head.records for message in _objects(record.get("messages"))[:1]
        ) and not any("type" in record or "sessionId" in record for record in head.records)

    def read(self, source: IO[bytes], /) -> Iterator[Step]:
        """See `HistoryFormat`."""
        yield from _sessions(source, self.name, "messages")


class ShareGPT:
    """A session for each record with `conversations`."""

    name = "sharegpt"

    def recognizes(self, head: Head, /) -> bool:
        """See `HistoryFormat`."""
        return any("from" in turn for record in head.records for turn in _objects(record.get("conversations"))[:1])

    def read(self, source: IO[bytes], /) -> Iterator[Step]:
        """See `HistoryFormat`."""
        yield from _sessions(source, self.name, "conversations")


def _sessions(source: IO[bytes], name: str, member: str) -> Iterator[Step]:
    for number, record in enumerate(read_records(source), 1):
        if isinstance(record, Fault):
            yield record
        else:
            yield from _session(record, number, name, member)


def _session(record: Record, number: int, name: str, member: str) -> Iterator[Step]:
    value = record.value
    messages = value.get(member)
    if not isinstance(messages, list):
        sentence = f"The record has no list {member}."
        yield Fault(kind="no conversation", line=record.line, sentence=sentence)
        return
    key = _key_of(value, messages, number)
    context = without(value, member, "title")
    yield Chat(
        key=key,
        name=line_of(value.get("title")),
        created_at=time_of(value.get("created_at")) or time_of(value.get("create_time")),
        labels=labels_of(model=value.get("model")),
        context={name: context} if context else {},
    )
    for place, message in enumerate(messages, 1):
        if not isinstance(message, dict):
            sentence = f"Message {place} of the conversation is not an object."
            yield Fault(kind="no message", line=record.line, sentence=sentence)
            continue
        read = _openai_message(message) if member == "messages" else _share_gpt_message(message, name)
        yield Turn(chat=key, key=f"{place}", line=record.line, message=read)


def _key_of(value: Object, messages: list[Any], number: int) -> str:
    """The id of a conversation; one without an id is known by its place and its first messages."""
    [own] = texts_of(value, "id")
    if own is not None:
        return own
    return f"{number}-{sha256(msgspec.json.encode(messages[:_TELLING])).hexdigest()[:32]}"


def _openai_message(source: Object) -> Object:
    message: Object = {**_CHAT.read(source)}
    for member in ("created_at", "create_time", "timestamp"):
        message["timestamp"] = message.get("timestamp") or time_of(source.get(member))
    return message


def _share_gpt_message(source: Object, name: str) -> Object:
    sender, said = texts_of(source, "from", "value")
    role = _ROLES.get((sender or "").lower(), "assistant")
    part = text_part(said or "")
    if not isinstance(source.get("value"), str) and "value" in source:
        part = {"type": "data", "kind": f"{name}.value", "value": source["value"]}
    own = without(source, "value")
    return {"role": role if role in ROLES else "assistant", "parts": [part], "metadata": {name: own}}


def _objects(value: Any) -> list[Object]:
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []
