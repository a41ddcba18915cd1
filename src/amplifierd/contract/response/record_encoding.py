"""Encodes records with long texts as JSON in pieces: a single call would hold the GIL for too long."""

from typing import Any

import msgspec
from msgspec import Raw

from ...storage.model.records import Message, Messages
from ..core.executor import INLINE_BYTES

_PIECE_CHARACTERS = 64 * 1024

_encode = msgspec.json.Encoder().encode


def is_long(record: Any) -> bool:
    """Whether encoding a record takes long: JSON in it is copied, texts have to be escaped."""
    if isinstance(record, Message):
        return len(record.content) > INLINE_BYTES
    return isinstance(record, Messages) and sum(len(it.content) for it in record.messages) > INLINE_BYTES


def is_larger(record: Any, size: int) -> bool:
    """Whether the JSON of a record has more than `size` bytes; it is encoded only if none of its texts has."""
    fields = (getattr(record, name) for name in record.__struct_fields__)
    return any(_length(field) > size for field in fields) or len(_encode(record)) > size


def _length(field: Any) -> int:
    if isinstance(field, str):
        return len(field)
    return memoryview(field).nbytes if isinstance(field, Raw) else 0


def encode_long(record: Any) -> bytes:
    """The JSON of a record that `is_long`."""
    if isinstance(record, Messages):
        record = msgspec.structs.replace(record, messages=[_in_pieces(message) for message in record.messages])
    else:
        record = _in_pieces(record)
    return _encode(record)


def encode_text(text: str) -> Raw:
    """The JSON of a text, made in pieces."""
    pieces = (_encode(text[start : start + _PIECE_CHARACTERS]) for start in range(0, len(text), _PIECE_CHARACTERS))
    return Raw(b'"' + b"".join(piece[1:-1] for piece in pieces) + b'"')


def _in_pieces(message: Message) -> Message:
    return msgspec.structs.replace(message, content=encode_text(message.content))
