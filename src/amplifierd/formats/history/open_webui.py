"""Open WebUI's export of chats: a tree of messages for each."""

from collections.abc import Iterator
from typing import IO, Any

from ..openai_responses import OpenAIResponses
from .interface import Chat, Fault, Head, Object, Step, Turn
from .json_records import Record, read_steps
from .values import labels_of, line_of, list_of, object_of, text_part, texts_of, time_of, usage_of, without

NAME = "open-webui"

_ROLES = frozenset({"user", "assistant", "system", "tool"})
_RESPONSES = OpenAIResponses()


class OpenWebUI:
    """A session for each chat; each edit and each other answer is a branch."""

    name = NAME

    def recognizes(self, head: Head, /) -> bool:
        """See `HistoryFormat`."""
        return any(isinstance(_history(record).get("messages"), dict) for record in head.records)

    def read(self, source: IO[bytes], /) -> Iterator[Step]:
        """See `HistoryFormat`."""
        return read_steps(source, _chat)


def _history(record: Object) -> Object:
    return object_of(object_of(record.get("chat")).get("history"))


def _chat(record: Record) -> Iterator[Step]:
    value = record.value
    chat = object_of(value.get("chat"))
    messages = _history(value).get("messages")
    key = texts_of(value, "id")[0] or texts_of(chat, "id")[0]
    if key is None or not isinstance(messages, dict):
        sentence = "The record has no id or no messages of a chat."
        yield Fault(kind="no conversation", line=record.line, sentence=sentence)
        return
    context = without(value, "chat", "title") | {"chat": without(chat, "history", "messages", "title")}
    yield Chat(
        key=key,
        name=line_of(value.get("title")) or line_of(chat.get("title")),
        created_at=time_of(value.get("created_at")) or time_of(chat.get("timestamp")),
        labels=labels_of(folder=value.get("folder_id")),
        context={NAME: context},
        current=texts_of(_history(value), "currentId")[0],
        archived=value.get("archived") is True,
        pinned=value.get("pinned") is True,
    )
    for message_key, message in messages.items():
        if isinstance(message, dict):
            parent = texts_of(message, "parentId")[0]
            yield Turn(chat=key, key=message_key, parent=parent, line=record.line, message=_message(message))
        else:
            sentence = f"The message {message_key} is not an object."
            yield Fault(kind="no message", line=record.line, sentence=sentence)


def _message(source: Object) -> Object:
    [role] = texts_of(source, "role")
    output = [each for each in list_of(source.get("output")) if isinstance(each, dict)]
    # The items of a response contain as parts what the content contains as HTML.
    parts = [part for item in output for part in _RESPONSES.read(item)["parts"]] or _content(source.get("content"))
    consumed = ("id", "parentId", "childrenIds", "role", *(() if output else ("content",)))
    message: Object = {
        "role": role if role in _ROLES else "assistant",
        "parts": [*parts, *(_file(each) for each in list_of(source.get("files")))],
        "metadata": {NAME: without(source, *consumed)},
        "timestamp": time_of(source.get("timestamp")),
    }
    if (model := line_of(source.get("model"))) is not None:
        message["model"] = model
    if usage := _usage(object_of(source.get("usage"))):
        message["usage"] = usage
    return message


def _content(content: Any) -> list[Object]:
    if isinstance(content, str):
        return [text_part(content)] if content else []
    return [] if content is None else [{"type": "data", "kind": f"{NAME}.content", "value": content}]


def _file(value: Any) -> Object:
    kind, url, name = texts_of(value, "type", "url", "name")
    if url is None or ":" not in url:
        return {"type": "data", "kind": f"{NAME}.file", "value": value}
    media = "image/*" if kind == "image" else "application/octet-stream"
    part: Object = {"type": "file", "media": media, "url": url, "native": {NAME: without(object_of(value), "url")}}
    return part | ({"name": line_of(name)} if line_of(name) else {})


def _usage(usage: Object) -> Object:
    return usage_of(
        inputTokens=usage.get("prompt_tokens", usage.get("prompt_eval_count")),
        outputTokens=usage.get("completion_tokens", usage.get("eval_count")),
    )
