"""Messages of opencode with their parts, which its database and its files have in the same JSON.

A message is read once it is complete: its parts change until then.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

from ...blocks import data_part, fits, text_of, type_of, with_native
from ..interface import AttachedRecord, Fault, Object, Step, Turn
from ..values import first_time, line_of, list_of, object_of, texts_of, usage_of, without

NAME = "opencode"

_TEXTS = {"text": "text", "reasoning": "reasoning"}
_ENDED = frozenset({"completed", "error"})


class StoredMessage(NamedTuple):
    """A message of the session `chat`: its id, time, JSON and parts, each with its id; `file` is where it was."""

    chat: str
    key: str
    created: Any
    data: Any
    parts: list[tuple[Any, Any]]
    file: str = ""


def last_turns(message: StoredMessage) -> Iterator[Step]:
    """The last message of a session, which may not be complete yet."""
    if _is_complete(message):
        yield from turns(message)
        return
    parts = [{"id": key, "data": data} for key, data in message.parts]
    record = {"id": message.key, "time_created": message.created, "data": message.data, "parts": parts}
    yield AttachedRecord(chat=message.chat, record=record)
    sentence = f"The message {message.key} is not complete; it is read as a message when it is."
    yield Fault(kind="not complete", line=1, sentence=sentence, file=message.file)


def _is_complete(message: StoredMessage) -> bool:
    data = object_of(message.data)
    if data.get("role") == "user":
        # Its parts are written after it.
        return bool(message.parts)
    is_response = data.get("role") == "assistant"
    return not is_response or "error" in data or object_of(data.get("time")).get("completed") is not None


def turns(source: StoredMessage) -> Iterator[Step]:
    """A message, and another one with the results of its calls."""
    key, data = source.key, source.data
    if not isinstance(data, dict):
        sentence = f"The message {key} is not an object."
        yield Fault(kind="no message", line=1, sentence=sentence, file=source.file)
        return
    parts: list[Object] = []
    results: list[Object] = []
    for part_key, own in source.parts:
        part = {"id": part_key, **own} if isinstance(own, dict) else own
        parts.append(_part(part))
        results += _results(part)
    message = _message(data, parts, source.created)
    yield Turn(chat=source.chat, key=key, line=1, message=message, file=source.file)
    if results:
        ended = first_time(object_of(data.get("time")).get("completed"), message["timestamp"])
        tool_message: Object = {"role": "tool", "parts": results, "metadata": {}, "timestamp": ended}
        yield Turn(chat=source.chat, key=f"{key}/results", line=1, message=tool_message, file=source.file)


def _message(data: Object, parts: list[Object], created: Any) -> Object:
    message: Object = {
        "role": "user" if data.get("role") == "user" else "assistant",
        "parts": parts,
        "metadata": {NAME: without(data, "role")},
        "timestamp": first_time(object_of(data.get("time")).get("created"), created),
    }
    if (model := line_of(data.get("modelID"))) is not None:
        message["model"] = model
    if usage := _usage(object_of(data.get("tokens"))):
        message["usage"] = usage
    return message


def _usage(tokens: Object) -> Object:
    # Cached tokens are not counted as input.
    cache = object_of(tokens.get("cache"))
    read = usage_of(input=tokens.get("input"), written=cache.get("write"), cached=cache.get("read"))
    if not read and "output" not in tokens:
        return {}
    counted = usage_of(inputTokens=sum(read.values())) if read else {}
    more = usage_of(outputTokens=tokens.get("output"), reasoningTokens=tokens.get("reasoning"))
    return counted | more | usage_of(cachedTokens=cache.get("read"))


def _part(source: Any) -> Object:
    kind = type_of(source)
    if kind in _TEXTS and isinstance(source.get("text"), str):
        part: Object = {"type": _TEXTS[kind], "text": source["text"]}
        return with_native(part, NAME, without(source, "type", "text"))
    if kind == "tool" and fits("call", source.get("callID")) and fits("name", source.get("tool")):
        given = text_of(object_of(source.get("state")).get("input"))
        part = {"type": "tool_call", "call": source["callID"], "name": source["tool"], "input": given}
        return with_native(part, NAME, without(source, "type", "callID", "tool", "state"))
    if kind == "file" and fits("media", source.get("mime")) and fits("url", source.get("url")):
        part = {"type": "file", "media": source["mime"], "url": source["url"]}
        if fits("name", source.get("filename")):
            part["name"] = source["filename"]
        return with_native(part, NAME, without(source, "type", "mime", "url"))
    return data_part(source, NAME)


def _results(source: Any) -> Iterator[Object]:
    """The result of a call that has ended, with its files."""
    state = object_of(object_of(source).get("state"))
    status, output, error = texts_of(state, "status", "output", "error")
    if type_of(source) != "tool" or status not in _ENDED or not fits("call", source.get("callID")):
        return
    part: Object = {"type": "tool_result", "call": source["callID"], "output": error or output or ""}
    if status == "error":
        part["error"] = True
    # Values other than texts stay as they are.
    consumed = ["input", "attachments", *(name for name in ("output", "error") if isinstance(state.get(name), str))]
    yield with_native(part, NAME, {"state": without(state, *consumed)})
    yield from (_part(each) for each in list_of(state.get("attachments")))
