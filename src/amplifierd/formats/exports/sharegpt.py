"""Sessions as records with `conversations` of ShareGPT, one a line: texts, each with who says it."""

from typing import Any

import msgspec

from ..blocks import text_of
from ..history.chat_messages import read_sharegpt_message
from ..interface import Object
from .chat_records import ChatRecordWriter
from .interface import DigestOf, Losses
from .messages import groups_of

_NAME = "sharegpt"
_SPEAKERS = {"user": "human", "assistant": "gpt", "system": "system", "developer": "system", "tool": "tool"}


class ShareGPTExport:
    """See `ExportFormat`."""

    name = _NAME
    suffix = ".jsonl"
    media = "application/x-ndjson"
    is_document = False
    has_files_beside = False

    def writer(self, losses: Losses, digest: DigestOf, /) -> ChatRecordWriter:
        """See `ExportFormat`."""
        return ChatRecordWriter(_ShareGPTMessages(), losses, digest)


class _ShareGPTMessages:
    """See `ChatMessages`. Each call of a tool, and each result, is a turn of its own."""

    history = _NAME
    member = "conversations"
    own = _NAME

    def write(self, message: Object, /) -> list[Any]:
        """See `ChatMessages`."""
        value = [part["value"] for part in message["parts"] if part.get("kind") == f"{_NAME}.value"]
        if value:
            return [{**_sender(message), "value": value[0]}]
        groups = groups_of(message["parts"], lambda part: part["type"] in {"tool_call", "tool_result"})
        return [
            turn
            for is_tool, parts in groups
            for turn in (_tool_turn(parts) if is_tool else _text_turns(message, parts))
        ]

    def read(self, written: Any, /) -> Object:
        """See `ChatMessages`."""
        return read_sharegpt_message(written)


def _text_turns(message: Object, parts: list[Object]) -> list[Object]:
    texts = [part["text"] for part in parts if part["type"] == "text"]
    return [{**_sender(message), "value": "\n\n".join(texts)}] if texts or not parts else []


def _sender(message: Object) -> Object:
    own = message["metadata"].get(_NAME)
    return own if isinstance(own, dict) and "from" in own else {"from": _SPEAKERS[message["role"]]}


def _tool_turn(parts: list[Object]) -> list[Object]:
    """The turns of a call, or of a result with its texts; parts after a call follow it."""
    part, *others = parts
    if part["type"] == "tool_call":
        called = text_of({"name": part["name"], "arguments": _arguments(part["input"])})
        return [{"from": "function_call", "value": called}]
    texts = [part["output"]] if "output" in part else []
    texts += [each["text"] for each in others if each["type"] == "text"]
    return [{"from": "observation", "value": "\n\n".join(texts)}]


def _arguments(text: str) -> Any:
    try:
        return msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError):
        return text
