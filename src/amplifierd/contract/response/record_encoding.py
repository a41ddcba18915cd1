"""Encodes records with long texts as JSON in pieces, because a single call would hold the GIL for too long."""

from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing, suppress
from typing import Any

import msgspec
from msgspec import Raw, UnsetType

from ...storage.model.records import Export, ExportLine, Message, Messages, Session
from ..core.executor import INLINE_BYTES, SerialExecutor

_PIECE_CHARACTERS = 64 * 1024
# Encoding a text of this length takes at most 1.5 ms, if each character is escaped.
_SHORT_CHARACTERS = 128 * 1024
# The approximate size of a line without text.
_LINE_BYTES = 200

_encode = msgspec.json.Encoder().encode
_encode_lines = msgspec.json.Encoder().encode_lines


def is_long(record: Any) -> bool:
    """Whether encoding a record takes long, because a text in it must be escaped; JSON in it is only copied."""
    if isinstance(record, Message):
        return len(record.content) > _SHORT_CHARACTERS
    return isinstance(record, Messages) and sum(len(each.content) for each in record.messages) > _SHORT_CHARACTERS


def is_larger(record: Any, size: int) -> bool:
    """Whether the JSON of a record has more than `size` bytes. It is encoded only if no single field is that long."""
    fields = (getattr(record, name) for name in record.__struct_fields__)
    return any(length_of(field) > size for field in fields) or len(_encode(record)) > size


def length_of(field: Any) -> int:
    """The length of a text in characters, or of JSON in bytes; 0 for any other value."""
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
    """The JSON of a text, encoded in pieces."""
    pieces = (_encode(text[start : start + _PIECE_CHARACTERS]) for start in range(0, len(text), _PIECE_CHARACTERS))
    return Raw(b'"' + b"".join(piece[1:-1] for piece in pieces) + b'"')


async def encoded_lines(export: Export, executor: SerialExecutor) -> AsyncGenerator[bytes, None]:
    """The lines of an export, in blocks. Between two of them, none of its records is in memory."""
    async with aclosing(export.batches) as batches:
        # Not in a variable, which would keep the block in memory until the client has read it.
        with suppress(StopAsyncIteration):
            while True:
                yield await _next_lines(batches, executor)


async def _next_lines(batches: AsyncGenerator[list[ExportLine], None], executor: SerialExecutor) -> bytes:
    lines = await anext(batches)
    if sum(map(_size_of, lines)) <= INLINE_BYTES:
        return _encode_lines(lines)
    return b"".join([await executor.run(_encode_all, piece) for piece in _pieces(lines)])


def _pieces(lines: list[ExportLine]) -> Iterator[list[ExportLine]]:
    """The lines in pieces that are encoded in a few milliseconds; the executor can run other tasks in between."""
    piece: list[ExportLine] = []
    size = 0
    for line in lines:
        piece.append(line)
        size += _size_of(line)
        if size > _PIECE_CHARACTERS:
            yield piece
            piece, size = [], 0
    yield piece


def _size_of(line: ExportLine) -> int:
    """The approximate number of characters to encode."""
    message, session, chunk = line.message, line.session, line.chunk
    if isinstance(message, Message):
        return _LINE_BYTES + len(message.content) + length_of(message.parts)
    if isinstance(session, Session):
        return length_of(session.context)
    return _LINE_BYTES if isinstance(chunk, UnsetType) else len(chunk.data)


def _encode_all(lines: list[ExportLine]) -> bytes:
    return _encode_lines([_line_in_pieces(line) for line in lines])


def _line_in_pieces(line: ExportLine) -> ExportLine:
    message = line.message
    if not isinstance(message, Message) or len(message.content) <= _PIECE_CHARACTERS:
        return line
    return ExportLine(message=_in_pieces(message))


def _in_pieces(message: Message) -> Message:
    return msgspec.structs.replace(message, content=encode_text(message.content))
