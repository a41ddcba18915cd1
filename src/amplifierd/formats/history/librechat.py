"""LibreChat's export of a conversation: a tree of messages (`messagesTree`), or a list that names parents."""

from collections.abc import Iterator
from typing import IO, Any

from ..blocks import text_of
from .interface import Chat, Fault, Head, Object, Place, Step, Turn
from .json_records import Record, read_steps
from .values import labels_of, line_of, list_of, object_of, text_part, texts_of, without

NAME = "librechat"

# The parent of a first message.
_NO_PARENT = "00000000-0000-0000-0000-000000000000"
_TREES = ("messagesTree", "messages")


class LibreChat:
    """A session for each conversation; each edit and each other answer is a branch."""

    name = NAME

    def recognizes(self, head: Head, /) -> bool:
        """See `HistoryFormat`."""
        return any(_is_own(record) for record in head.records)

    def read(self, source: IO[bytes], /) -> Iterator[Step]:
        """See `HistoryFormat`."""
        return read_steps(source, _conversation)


def _is_own(record: Object) -> bool:
    return "conversationId" in record and any(isinstance(record.get(tree), list) for tree in _TREES)


def _conversation(record: Record) -> Iterator[Step]:
    value = record.value
    [key] = texts_of(value, "conversationId")
    found = [tree for tree in _TREES if isinstance(value.get(tree), list)]
    if key is None or not found:
        sentence = "The record has no id or no messages of a conversation."
        yield Fault(kind="no conversation", line=record.line, sentence=sentence)
        return
    options = object_of(value.get("options"))
    yield Chat(
        key=key,
        line=record.line,
        name=line_of(value.get("title")),
        labels=labels_of(endpoint=value.get("endpoint"), model=options.get("model")),
        context={NAME: without(value, found[0], "title")},
    )
    is_tree = value.get("recursive") is True or found[0] == "messagesTree"
    todo: list[tuple[Any, str | None]] = [(each, None) for each in reversed(value[found[0]])]
    count = 0
    while todo:
        message, above = todo.pop()
        count += 1
        if not isinstance(message, dict):
            yield Fault(kind="no message", line=record.line, sentence=f"Message {count} is not an object.")
            continue
        own = texts_of(message, "messageId")[0] or f"{count}"
        todo += [(each, own) for each in reversed(list_of(message.get("children")))]
        parent = above or _parent_of(message, is_tree=is_tree)
        yield Turn(chat=key, key=own, parent=parent, line=record.line, message=_message(message))


def _parent_of(message: Object, *, is_tree: bool) -> str | Place | None:
    [parent] = texts_of(message, "parentMessageId")
    if parent == _NO_PARENT or (parent is None and is_tree):
        return None
    return Place.PREVIOUS if parent is None else parent


def _message(source: Object) -> Object:
    text, sender = texts_of(source, "text", "sender")
    content = list_of(source.get("content"))
    is_user = source.get("isCreatedByUser") is True or (sender or "").lower() == "user"
    parts = [part for block in content for part in _parts(block)] or ([text_part(text)] if text else [])
    consumed = ("messageId", "parentMessageId", "children", "content", *(() if content else ("text",)))
    message: Object = {
        "role": "user" if is_user else "assistant",
        "parts": parts,
        "metadata": {NAME: without(source, *consumed)},
        "timestamp": source.get("createdAt"),
    }
    model, name = line_of(source.get("model")), line_of(sender)
    return message | ({"model": model} if model and not is_user else {}) | ({"agent": name} if name else {})


def _parts(block: Any) -> list[Object]:
    kind, text, thought = texts_of(block, "type", "text", "think")
    if kind == "text" and text is not None:
        return [{**text_part(text), **_native(without(block, "type", "text"))}]
    if kind == "think" and thought is not None:
        return [{"type": "reasoning", "text": thought, **_native(without(block, "type", "think"))}]
    call = object_of(object_of(block).get("tool_call"))
    call_id, name = texts_of(call, "id", "name")
    if kind == "tool_call" and call_id is not None and name is not None:
        rest = _native(without(call, "id", "name", "args", "output"))
        output = _text(call.get("output"))
        called = {"type": "tool_call", "call": call_id, "name": name, "input": _text(call.get("args")), **rest}
        return [called, *([{"type": "tool_result", "call": call_id, "output": output}] if output else [])]
    return [{"type": "data", "kind": f"{NAME}.block", "value": block}]


def _text(value: Any) -> str:
    """Arguments or an output: a text as it is, another value as JSON, and nothing as an empty text."""
    if value is None:
        return ""
    return value if isinstance(value, str) else text_of(value)


def _native(rest: Object) -> Object:
    return {"native": {NAME: rest}} if rest else {}
