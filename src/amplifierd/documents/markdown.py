"""Transcripts as Markdown (CommonMark, https://spec.commonmark.org/0.31.2/): one heading for each message."""

import msgspec
from msgspec import UNSET

from ..storage.model.records import Message
from .fences import contained, in_fence
from .part_markdown import parts_of

_decode = msgspec.json.Decoder(list[Message]).decode


def markdown_of(messages: bytes) -> bytes:
    """The messages of a JSON array, each with a heading and its content or parts; an open fence is closed."""
    return "".join([turn_of(message) for message in _decode(messages)]).encode()


def turn_of(message: Message) -> str:
    """A message: a heading, its content, and an empty line."""
    speaker = message.role if message.agent is UNSET else f"{message.role} ({message.agent})"
    moment = message.timestamp[:19].replace("T", " ")
    if message.deleted_at is not UNSET:
        text = "*This message was deleted.*"
    elif isinstance(message.parts, msgspec.Raw):
        text = parts_of(message.parts, message.role)
    else:
        text = in_fence(message.content) if message.role == "tool" else contained(message.content)
    edited = "" if message.edited_at is UNSET else ", edited"
    return f"## {message.sequence}. {speaker}, {moment} UTC{edited}\n\n{text}\n\n"
