"""Reads a session from a storage, and writes it in a format, in constant memory."""

from collections import deque
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator, Sequence
from contextlib import aclosing
from functools import partial
from typing import Any, TypeVar

import msgspec
from msgspec import Raw
from msgspec.structs import replace

from ...storage.model.errors import FileNotFound
from ...storage.model.files import FileContent
from ...storage.model.interface import Storage
from ...storage.model.records import ExportLine, Message, Session
from ..interface import Object
from .embedding import EmbeddedFiles, Segment, segments_of
from .interface import ExportFormat, Losses, SessionWriter

# The limit of one message: a file counts each time that the message refers to it.
MAX_EMBEDDED_BYTES = 16 * 1024 * 1024
_FILES = "/files/"
_FILE_URL = b'"/files/'
_PIECE_BYTES = 32 * 1024
_PIECE_LINES = 50

_decode_parts = msgspec.json.Decoder(list[Object]).decode
_encode = msgspec.json.Encoder().encode

# Where the files of a message are found in the export, for each reference to one: at a URL, or in the message itself
# if it is the file; None if it is left out.
Place = Callable[[list[str]], Awaitable[Sequence[str | FileContent | None]]]
# Runs a function that takes long in another thread.
Run = Callable[..., Awaitable[Any]]

_Record = Session | Message
_R = TypeVar("_R", bound=_Record)
_Parts = list[Object]


async def write_session(
    form: ExportFormat, storage: Storage, workspace: str, session_id: str, losses: Losses, place: Place, run: Run
) -> AsyncGenerator[bytes, None]:
    """A session in a format, in blocks; `losses` get its losses in the end.

    Raises `SessionNotFound`, and `FileNotFound` if a file is deleted meanwhile.
    """
    own = Losses()
    writer = form.writer(own)
    size = 0
    text = _Text(writer, partial(_read, storage, workspace, session_id), place, run)
    async with aclosing(text.blocks(own)) as blocks:
        async for block in blocks:
            size += len(block)
            yield block
    yield writer.end(size)
    losses.add(own)


class _Text:
    """What a format writes of a session, which `read` reads in pieces, but for its end."""

    def __init__(
        self,
        writer: SessionWriter,
        read: Callable[[], AsyncGenerator[list[_Record], None]],
        place: Place,
        run: Run,
    ) -> None:
        self._writer = writer
        self._read = read
        self._place = place
        self._run = run

    async def blocks(self, losses: Losses) -> AsyncGenerator[bytes, None]:
        """The text, in blocks."""
        count = 0
        async with aclosing(self._read()) as pieces:
            async for records in pieces:
                count += sum(isinstance(record, Message) for record in records)
                async with aclosing(await self._written(partial(_add, self._writer), records, losses)) as blocks:
                    async for block in blocks:
                        yield block
        yield self._writer.turn()
        if not self._writer.is_read_twice:
            return
        async with aclosing(self._read()) as pieces:
            async for records in pieces:
                # What was appended meanwhile is not in the first part.
                messages = [record for record in records if isinstance(record, Message)][:count]
                count -= len(messages)
                async with aclosing(await self._written(self._writer.add_again, messages, Losses())) as blocks:
                    async for block in blocks:
                        yield block

    async def _written(
        self, write: Callable[[_R], bytes], records: list[_R], losses: Losses
    ) -> AsyncGenerator[bytes, None]:
        """What is written of records, in blocks; the files among them are read then."""
        files = EmbeddedFiles()
        named = {place: text for place, record in enumerate(records) if (text := _parts_with_files(record))}
        parts = await self._run(_decode_all, named) if named else {}
        for each in parts.values():
            await self._place_files(each, files, losses)
        segments = await self._run(_write, write, records, parts)
        return files.embed(segments)

    async def _place_files(self, parts: _Parts, files: EmbeddedFiles, losses: Losses) -> None:
        """Give the files among parts the URLs that they get in the export; to `files` those that are embedded."""
        stored = [part for part in parts if part["type"] == "file" and part["url"].startswith(_FILES)]
        for part, found in zip(stored, await self._place([part["url"] for part in stored]), strict=True):
            if found is None:
                losses.left_out["files"] += 1
            elif isinstance(found, str):
                part["url"] = found
            else:
                part["url"] = files.add(found)


async def _read(storage: Storage, workspace: str, session_id: str) -> AsyncGenerator[list[_Record], None]:
    """The session and its messages, as many at a time as are written in some milliseconds."""
    export = await storage.export_session(workspace, session_id)
    async with aclosing(export.batches) as batches:
        async for lines in batches:
            for records in _pieces(lines):
                yield records


def _pieces(lines: list[ExportLine]) -> Iterator[list[_Record]]:
    records: list[_Record] = []
    size = 0
    for line in lines:
        if isinstance(line.session, Session):
            records.append(line.session)
        elif isinstance(line.message, Message):
            records.append(line.message)
            size += len(line.message.content) + len(bytes(line.message.parts or b""))
        if size >= _PIECE_BYTES or len(records) >= _PIECE_LINES:
            yield records
            records, size = [], 0
    if records:
        yield records


def _parts_with_files(record: _Record) -> bytes:
    """The parts of a message as JSON if they name stored files, else nothing."""
    text = bytes(record.parts or b"") if isinstance(record, Message) else b""
    return text if _FILE_URL in text else b""


def _decode_all(parts: dict[int, bytes]) -> dict[int, _Parts]:
    return {place: _decode_parts(text) for place, text in parts.items()}


def _write(write: Callable[[_R], bytes], records: list[_R], parts: dict[int, _Parts]) -> deque[Segment]:
    """What is written of records, of which those at some places have other parts."""
    placed = [
        replace(record, parts=Raw(_encode(parts[place]))) if place in parts else record
        for place, record in enumerate(records)
    ]
    text = b"".join(map(write, placed))
    # Without files there are no placeholders.
    return segments_of(text) if parts else deque([text])


def _add(writer: SessionWriter, record: _Record) -> bytes:
    return writer.begin(record) if isinstance(record, Session) else writer.add(record)


async def leave_files(urls: list[str]) -> Sequence[str | FileContent | None]:
    """Put no files elsewhere."""
    return [None] * len(urls)


def embed_files(storage: Storage, workspace: str) -> Place:
    """Put files into messages, as `data:` URLs, as long as they are short enough."""

    async def place(urls: list[str]) -> Sequence[str | FileContent | None]:
        found: dict[str, FileContent | None] = {}
        placed: list[FileContent | None] = []
        left = MAX_EMBEDDED_BYTES
        for url in urls:
            if left >= 0 and url not in found:
                found[url] = await _found(storage, workspace, url)
            content = found.get(url)
            left -= 0 if content is None else content.file.size
            placed.append(content if left >= 0 else None)
        return placed

    return place


async def _found(storage: Storage, workspace: str, url: str) -> FileContent | None:
    try:
        return await storage.read_file(workspace, url.removeprefix(_FILES))
    except FileNotFound:
        return None
