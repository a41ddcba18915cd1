"""Gemini CLI's recordings (`~/.gemini/tmp/*/chats/session-*`): one JSON object, or since 2026 a line for each change.

A message is recorded again whenever it grows: its usage and its calls come after its text, and their results after
them. So each call and each result is a message of its own, and a message that was imported before stays as it was.
"""

from collections.abc import Iterator
from typing import IO, Any

from ..blocks import data_part, fits, text_of, type_of, with_native
from .interface import AttachedRecord, Chat, Fault, Head, Object, Step, Turn
from .json_records import Record, read_steps
from .values import first_time, labels_of, line_of, list_of, object_of, text_part, texts_of, time_of, usage_of, without

NAME = "gemini-cli"

_ROLES = {"user": "user", "gemini": "assistant"}
# Messages of the program itself, which are not part of the conversation.
_NOTICES = frozenset({"info", "error", "warning"})
_ENDED = frozenset({"success", "error", "cancelled"})
_FAILED = _ENDED - {"success"}


class GeminiCLI:
    """A session for each recording; what follows after a rewind is a branch."""

    name = NAME

    def recognizes(self, head: Head, /) -> bool:
        """See `HistoryFormat`."""
        return any(_is_session(record) for record in head.records)

    def read(self, source: IO[bytes], /) -> Iterator[Step]:
        """See `HistoryFormat`."""
        reader = _Reader()
        yield from read_steps(source, reader.read)
        yield from reader.end()


def _is_session(record: Object) -> bool:
    return None not in texts_of(record, "sessionId", "projectHash")


class _Reader:
    def __init__(self) -> None:
        self._chat = ""
        # The last message waits for its next version.
        self._waiting: tuple[int, Object] | None = None
        # By the id of a message: the key of the turn before it.
        self._before: dict[str, str | None] = {}
        self._keys: set[str] = set()
        self._tip: str | None = None

    def read(self, record: Record) -> Iterator[Step]:
        value = record.value
        if _is_session(value):
            yield from self._session(value, record.line)
        elif not self._chat:
            sentence = "The file does not say of which session it is."
            yield Fault(kind="no session", line=record.line, sentence=sentence)
            self._chat = "unknown"
            yield from self._change(value, record.line)
        else:
            yield from self._change(value, record.line)

    def end(self) -> Iterator[Step]:
        """The last message."""
        yield from self._release()

    def _session(self, value: Object, line: int) -> Iterator[Step]:
        if not self._chat:
            self._chat = value["sessionId"]
            about = without(value, "messages", "sessionId", "summary", "startTime", "lastUpdated")
            yield self._about(value, {NAME: about} if about else {})
        else:
            yield self._about(value, {})
        yield from self._messages(value.get("messages"), line)

    def _about(self, value: Object, context: Object) -> Chat:
        directory = next((each for each in list_of(value.get("directories")) if isinstance(each, str)), None)
        labels = labels_of(directory=directory, project=value.get("projectHash"), kind=value.get("kind"))
        return Chat(
            key=self._chat,
            name=line_of(value.get("summary")),
            created_at=time_of(value.get("startTime")),
            labels=labels,
            context=context,
        )

    def _messages(self, messages: Any, line: int) -> Iterator[Step]:
        """All messages of the conversation; messages that were read before are ignored."""
        for message in list_of(messages):
            if isinstance(message, dict):
                yield from self._change(message, line)
            else:
                yield Fault(kind="no message", line=line, sentence="A message is not an object.")

    def _change(self, value: Object, line: int) -> Iterator[Step]:
        key, rewound = texts_of(value, "id", "$rewindTo")
        if isinstance(value.get("$set"), dict):
            yield from self._set(value["$set"], line)
        elif rewound is not None:
            yield from self._release()
            self._tip = self._before.get(rewound)
            yield AttachedRecord(chat=self._chat, record=value)
        elif key is not None and type_of(value) in _ROLES:
            if self._waiting is None or self._waiting[1]["id"] != key:
                yield from self._release()
            self._waiting = line, value
        else:
            yield from self._release()
            yield AttachedRecord(chat=self._chat, record=value)
            if type_of(value) not in _NOTICES:
                sentence = "The record has no type that is known; it is kept with the next message."
                yield Fault(kind="unknown record", line=line, sentence=sentence)

    def _set(self, value: Object, line: int) -> Iterator[Step]:
        """Later data about the session, or its messages after the conversation was shortened."""
        yield self._about(value, {})
        if rest := without(value, "messages", "lastUpdated", "sessionId", "summary"):
            yield AttachedRecord(chat=self._chat, record={"$set": rest})
        yield from self._messages(value.get("messages"), line)

    def _release(self) -> Iterator[Step]:
        """The new steps of the waiting message: its text, then its calls, then their results."""
        if self._waiting is None:
            return
        line, value = self._waiting
        self._waiting = None
        self._before.setdefault(value["id"], self._tip)
        for key, message in _messages_of(value):
            if key not in self._keys:
                self._keys.add(key)
                yield Turn(chat=self._chat, key=key, parent=self._tip, line=line, message=message)
                self._tip = key


def _messages_of(value: Object) -> Iterator[tuple[str, Object]]:
    key = value["id"]
    yield key, _content_message(value)
    calls = [(number, each) for number, each in enumerate(list_of(value.get("toolCalls")), 1) if isinstance(each, dict)]
    model = line_of(value.get("model"))
    for number, call in calls:
        message: Object = {"role": "assistant", "parts": [_call(call)], "metadata": {}}
        time = first_time(call.get("timestamp"), value.get("timestamp"))
        yield f"{key}/{_id_of(call, number)}", message | {"timestamp": time} | ({"model": model} if model else {})
    for number, call in calls:
        if fits("call", call.get("id")) and (call.get("result") is not None or _status(call) in _ENDED):
            yield f"{key}/{_id_of(call, number)}/result", _result(call, value)


def _id_of(call: Object, number: int) -> str:
    return texts_of(call, "id")[0] or f"{number}"


def _status(call: Object) -> str | None:
    return texts_of(call, "status")[0]


def _content_message(value: Object) -> Object:
    thoughts = [_thought(each) for each in list_of(value.get("thoughts"))]
    consumed = ("id", "timestamp", "type", "content", "thoughts", "toolCalls", "model")
    message: Object = {
        "role": _ROLES[value["type"]],
        "parts": [*thoughts, *_content(value.get("content"))],
        "metadata": {NAME: own} if (own := without(value, *consumed)) else {},
        "timestamp": value.get("timestamp"),
    }
    if (model := line_of(value.get("model"))) is not None:
        message["model"] = model
    if usage := _usage(object_of(value.get("tokens"))):
        message["usage"] = usage
    return message


def _thought(value: Any) -> Object:
    subject, description = texts_of(value, "subject", "description")
    text = "\n\n".join(each for each in (subject, description) if each is not None)
    return {"type": "reasoning", "text": text, "native": {NAME: value if isinstance(value, dict) else {"value": value}}}


def _content(content: Any) -> Iterator[Object]:
    """The parts of a content: a text, a part, or a list of both."""
    for each in content if isinstance(content, list) else [content]:
        if isinstance(each, str):
            yield from [text_part(each)] if each else []
        elif each is not None:
            yield _part(each)


def _part(value: Any) -> Object:
    """A part of Gemini's API (https://ai.google.dev/api/caching#Part)."""
    source = object_of(value)
    if isinstance(source.get("text"), str):
        kind = "reasoning" if source.get("thought") is True else "text"
        return with_native({"type": kind, "text": source["text"]}, NAME, without(source, "text"))
    for member, address in (("inlineData", "data"), ("fileData", "fileUri")):
        media, url = texts_of(source.get(member), "mimeType", address)
        if fits("media", media) and url is not None:
            rest = without(source, member) | {member: without(source[member], address)}
            url = f"data:{media};base64,{url}" if member == "inlineData" else url
            return {"type": "file", "media": media, "url": url, "native": {NAME: rest}}
    return data_part(value, NAME)


def _call(call: Object) -> Object:
    if not fits("call", call.get("id")) or not fits("name", call.get("name")):
        return data_part({"type": "toolCall", **call}, NAME)
    return {"type": "tool_call", "call": call["id"], "name": call["name"], "input": text_of(call.get("args"))}


def _result(call: Object, value: Object) -> Object:
    part: Object = {"type": "tool_result", "call": call["id"], "output": _output(call)}
    if _status(call) in _FAILED:
        part["error"] = True
    return {
        "role": "tool",
        "parts": [part],
        "metadata": {NAME: without(call, "id", "args", "result", "timestamp")},
        "timestamp": first_time(call.get("timestamp"), value.get("timestamp")),
    }


def _output(call: Object) -> str:
    """The text of a result, or the result as JSON."""
    match call.get("result"):
        case None:
            return ""
        case str(text):
            return text
        case [
            {"functionResponse": {"id": answered, "name": name, "response": {"output": str(text), **more}, **rest}}
        ] if (answered, name) == (call["id"], call.get("name")) and not more and not rest:
            return text
        case result:
            return text_of(result)


def _usage(tokens: Object) -> Object:
    # The thoughts are not counted as output.
    thoughts = usage_of(thoughts=tokens.get("thoughts")).get("thoughts", 0)
    output = usage_of(output=tokens.get("output")).get("output")
    return usage_of(
        inputTokens=tokens.get("input"),
        outputTokens=None if output is None else output + thoughts,
        cachedTokens=tokens.get("cached"),
        reasoningTokens=tokens.get("thoughts"),
    )
