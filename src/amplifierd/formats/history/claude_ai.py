"""Claude.ai's export (`conversations.json`): messages with blocks, attachments and files for each conversation."""

from collections.abc import Iterator
from typing import IO, Any

from ..anthropic import Anthropic
from ..blocks import fits, type_of
from .interface import Chat, Fault, Head, Object, Place, Step, Turn
from .json_records import Record, read_steps
from .values import labels_of, line_of, list_of, message_id_of, object_of, text_part, texts_of, time_of, without

NAME = "claude-ai"

_ROLES = {"human": "user", "assistant": "assistant"}
# The parent of a first message.
_NO_PARENT = "00000000-0000-4000-8000-000000000000"
_ANTHROPIC = Anthropic()


class ClaudeAI:
    """A session for each conversation; an edit is a branch if the export names the messages' parents."""

    name = NAME

    def recognizes(self, head: Head, /) -> bool:
        """See `HistoryFormat`."""
        return any("uuid" in record and isinstance(record.get("chat_messages"), list) for record in head.records)

    def read(self, source: IO[bytes], /) -> Iterator[Step]:
        """See `HistoryFormat`."""
        return read_steps(source, _conversation)


def _conversation(record: Record) -> Iterator[Step]:
    value = record.value
    key, current = texts_of(value, "uuid", "current_leaf_message_uuid")
    messages = value.get("chat_messages")
    if key is None or not isinstance(messages, list):
        sentence = "The record has no id or no messages of a conversation."
        yield Fault(kind="no conversation", line=record.line, sentence=sentence)
        return
    yield Chat(
        key=key,
        line=record.line,
        name=line_of(value.get("name")),
        created_at=time_of(value.get("created_at")),
        labels=labels_of(project=object_of(value.get("project")).get("name")),
        context={NAME: without(value, "chat_messages", "name")},
        current=current,
        pinned=value.get("is_starred") is True,
    )
    for number, message in enumerate(messages, 1):
        if isinstance(message, dict):
            yield _turn(key, number, message, record.line)
        else:
            sentence = f"Message {number} of the conversation {key} is not an object."
            yield Fault(kind="no message", line=record.line, sentence=sentence)


def _turn(chat: str, number: int, source: Object, line: int) -> Turn:
    uuid, parent, sender = texts_of(source, "uuid", "parent_message_uuid", "sender")
    key = uuid or f"{number}"
    content = list_of(source.get("content"))
    read = _ANTHROPIC.read({"content": _with_call_ids(content, message_id_of(key))}) if content else None
    parts: list[Object] = read["parts"] if read is not None else _text_of(source)
    consumed = ["uuid", "content", "attachments", *([] if read is not None else ["text"])]
    message = {
        "role": _ROLES.get(sender or "", "assistant"),
        "parts": [*parts, *(_attachment(each) for each in list_of(source.get("attachments")))],
        "metadata": {NAME: without(source, *consumed)},
        "timestamp": source.get("created_at"),
    }
    place: str | Place | None = Place.PREVIOUS if parent is None else None if parent == _NO_PARENT else parent
    return Turn(chat=chat, key=key, parent=place, line=line, message=message)


def _with_call_ids(content: list[Any], key: str) -> list[Any]:
    """The blocks of a message; a call or a result without an id gets one.

    The id of a call is that of its message and its place there. A result answers the first call of its name, or of any
    name if it has none, that no other result answers.
    """
    answered = {block["tool_use_id"] for block in content if fits("call", object_of(block).get("tool_use_id"))}
    # The ids of the calls without a result, with their names.
    waiting: dict[str, str | None] = {}
    blocks: list[Any] = []
    for number, block in enumerate(content, 1):
        block_type = type_of(block)
        if block_type == "tool_use":
            call = block["id"] if fits("call", block.get("id")) else f"{key}/{number}"
            if call not in answered:
                waiting[call] = texts_of(block, "name")[0]
            blocks.append({**block, "id": call})
        elif block_type == "tool_result":
            own = block.get("tool_use_id")
            call = own if fits("call", own) else _call_of(block, waiting) or f"{key}/{number}"
            waiting.pop(call, None)
            blocks.append({**block, "tool_use_id": call})
        else:
            blocks.append(block)
    return blocks


def _call_of(result: Object, waiting: dict[str, str | None]) -> str | None:
    [name] = texts_of(result, "name")
    return next((call for call, called in waiting.items() if name is None or name == called), None)


def _text_of(source: Object) -> list[Object]:
    [text] = texts_of(source, "text")
    return [] if text is None else [text_part(text)]


def _attachment(value: Any) -> Object:
    """An attached text, which the export has whole."""
    [text] = texts_of(value, "extracted_content")
    if text is None:
        return {"type": "data", "kind": f"{NAME}.attachment", "value": value}
    return {**text_part(text), "native": {NAME: without(object_of(value), "extracted_content")}}
