"""Sessions as records with `messages` of OpenAI's chat completions, one a line."""

from typing import Any

from ..history.chat_messages import read_openai_message
from ..interface import Object
from ..openai_chat import NAME, OpenAIChat
from .chat_records import ChatRecordWriter
from .interface import DigestOf, Losses
from .messages import groups_of, with_form, write_own, write_with

_CHAT = OpenAIChat()


class OpenAIExport:
    """See `ExportFormat`."""

    name = "openai"
    suffix = ".jsonl"
    media = "application/x-ndjson"
    is_document = False
    has_files_beside = False

    def writer(self, losses: Losses, digest: DigestOf, /) -> ChatRecordWriter:
        """See `ExportFormat`."""
        return ChatRecordWriter(_OpenAIMessages(), losses, digest)


class _OpenAIMessages:
    """See `ChatMessages`. Each result of a call is a message of its own."""

    history = "openai-messages"
    member = "messages"
    own = NAME

    def write(self, message: Object, /) -> list[Any]:
        """See `ChatMessages`."""
        own = write_own(_CHAT, message)
        if own is not None:
            return [own]
        groups = groups_of(message["parts"], lambda part: bool(part["type"] == "tool_result"))
        # Other parts beside tool results do not belong to the tool.
        beside = "user" if message["role"] == "tool" and len(groups) > 1 else message["role"]
        written: list[Any] = []
        for is_result, parts in groups:
            part_of = {"role": "tool" if is_result else beside, "parts": parts}
            written += write_with(_CHAT, with_form(_CHAT, part_of, "list" if is_result else _form_of(parts)))
        return written

    def read(self, written: Any, /) -> Object:
        """See `ChatMessages`."""
        return read_openai_message(written)


def _form_of(parts: list[Object]) -> str:
    """How the content is written: a single text as a string; none if there are only calls."""
    content = [part for part in parts if part["type"] in {"text", "file", "source", "data"}]
    if [part["type"] for part in content] == ["text"] and "native" not in content[0]:
        return "text"
    return "list" if content or not parts else "none"
