"""Sessions as records with `system` and `messages` of Anthropic's Messages API, one a line."""

from typing import Any

import msgspec

from ...storage.model.records import Message
from ..anthropic import NAME, Anthropic
from ..history import without
from ..history.chat_messages import read_anthropic_message
from ..interface import Object
from .chat_records import ChatRecordWriter, object_of, rest_of
from .interface import DigestOf, Losses
from .messages import groups_of, with_form, write_own, write_with

_HISTORY = "anthropic-messages"
_SYSTEM = frozenset({"system", "developer"})
_ANTHROPIC = Anthropic()

_encode = msgspec.json.Encoder().encode


class AnthropicExport:
    """See `ExportFormat`."""

    name = "anthropic"
    suffix = ".jsonl"
    media = "application/x-ndjson"
    is_document = False
    has_files_beside = False

    def writer(self, losses: Losses, digest: DigestOf, /) -> "AnthropicWriter":
        """See `ExportFormat`."""
        return AnthropicWriter(_AnthropicMessages(), losses, digest)


class _AnthropicMessages:
    """See `ChatMessages`. Tool results in a model's message become a message of the user."""

    history = _HISTORY
    member = "messages"
    own = NAME

    def write(self, message: Object, /) -> list[Any]:
        """See `ChatMessages`."""
        own = write_own(_ANTHROPIC, message)
        if own is not None:
            return [own]
        is_response = message["role"] == "assistant"
        groups = groups_of(message["parts"], lambda part: is_response and _is_own_message(part))
        written: list[Any] = []
        for is_result, parts in groups:
            role = "user" if is_result or message["role"] in _SYSTEM else message["role"]
            part_of = {"role": role, "parts": parts}
            written += write_with(_ANTHROPIC, with_form(_ANTHROPIC, part_of, _form_of(parts)))
        return written

    def read(self, written: Any, /) -> Object:
        """See `ChatMessages`."""
        read = read_anthropic_message(written)
        in_list = {_HISTORY: {"in": self.member}}
        return {**read, "metadata": {**read["metadata"], **in_list}} if read["role"] == "system" else read


class AnthropicWriter(ChatRecordWriter):
    """Writes the system messages before all others as `system`; the first of them waits until the next message."""

    def __init__(self, chat: _AnthropicMessages, losses: Losses, digest: DigestOf) -> None:
        super().__init__(chat, losses, digest)
        self._is_begun = False
        self._firsts = self._again = 0
        self._waiting: str | list[Any] = []

    def add(self, message: Message, /) -> bytes:
        """See `SessionWriter`."""
        source = object_of(message)
        if self._is_begun or "deletedAt" in source:
            return super().add(message)
        if source["role"] in _SYSTEM and _HISTORY not in source["metadata"]:
            return self._add_first(source)
        return self._begin_messages() + super().add(message)

    def turn(self) -> bytes:
        """See `SessionWriter`."""
        before = b"" if self._is_begun else self._begin_messages()
        return before + super().turn()

    def _list_start(self) -> bytes:
        return b""

    def _add_first(self, source: Object) -> bytes:
        self._firsts += 1
        content = _system_of(source)
        self._count(source, [_system_message(content)])
        if self._firsts == 1:
            self._waiting = content
            return b""
        before = b'"system":[' + self._blocks(self._waiting) if self._firsts == 2 else b""
        return before + self._blocks(content)

    def _blocks(self, content: str | list[Any]) -> bytes:
        blocks = [{"type": "text", "text": content}] if isinstance(content, str) else content
        return b"".join(self._after_comma(_encode(each)) for each in blocks)

    def _begin_messages(self) -> bytes:
        before = {0: b"", 1: b'"system":' + _encode(self._waiting) + b","}.get(self._firsts, b"],")
        self._is_begun = self._is_first = True
        return before + b'"messages":['

    def _rest_of(self, source: Object, written: list[Any]) -> Object:
        if self._again >= self._firsts or "deletedAt" in source:
            return super()._rest_of(source, written)
        self._again += 1
        if self._firsts == 1:
            first = _system_message(_system_of(source))
            return rest_of(source, read_anthropic_message(first), [first], NAME, self._digest)
        # An import reads all of them as one message: it replaces the first, and the others are dropped.
        rest = rest_of(source, {}, [None] if self._again == 1 else [], NAME, self._digest)
        return without(rest, "digest") if self._again == 1 else rest


def _system_message(content: str | list[Any]) -> Object:
    return {"role": "system", "content": content}


def _system_of(source: Object) -> str | list[Any]:
    """The content of a system message."""
    parts = source["parts"]
    own = write_own(_ANTHROPIC, source) if source["role"] == "system" else None
    message = with_form(_ANTHROPIC, {"role": "system", "parts": parts}, _form_of(parts))
    content = [each.get("content") for each in ([own] if own else write_with(_ANTHROPIC, message))]
    return content[0] if content and isinstance(content[0], str | list) else []


def _is_own_message(part: Object) -> bool:
    """Whether a result belongs to a tool of the client; results of the provider's tools stay in the model's message."""
    if part["type"] != "tool_result":
        return False
    native = part.get("native", {}).get(NAME)
    return not isinstance(native, dict) or native.get("type", "tool_result") == "tool_result"


def _form_of(parts: list[Object]) -> str:
    return "text" if [part["type"] for part in parts] == ["text"] and "native" not in parts[0] else "list"
