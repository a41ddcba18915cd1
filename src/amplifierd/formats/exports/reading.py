"""Reads a session from a storage, and writes it in a format, in constant memory.

The output may wait for a client that does not read. Nothing here keeps a reference to it, or to its records, meanwhile:
lists of records are emptied once they are written, and no variable holds a block.
"""

from collections import deque
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator, Sequence
from contextlib import aclosing, suppress
from functools import partial
from typing import TypeVar

import msgspec
from msgspec import Raw
from msgspec.structs import replace

from ...storage.model.errors import FileNotFound, SessionConflict, StorageUnavailable
from ...storage.model.files import FileContent
from ...storage.model.interface import Storage
from ...storage.model.records import ExportLine, Message, Session
from ..interface import Object
from .embedding import EmbeddedFiles, Run, Segment
from .interface import ExportFormat, Losses, SessionWriter

# The limit of one message: a file counts each time that the message refers to it.
MAX_EMBEDDED_BYTES = 16 * 1024 * 1024
_FILES = "/files/"
_FILE_URL = b'"/files/'
_PIECE_BYTES = 32 * 1024
_PIECE_LINES = 50

_decode_parts = msgspec.json.Decoder(list[Object]).decode
_encode = msgspec.json.Encoder().encode

# Places the files of a message in the export. For each reference: the URL of a file outside of the message, the
# content of a file to embed, or None for a file to leave out.
Place = Callable[[list[str]], Awaitable[Sequence[str | FileContent | None]]]

_Record = Session | Message
_R = TypeVar("_R", bound=_Record)
_Parts = list[Object]


class SessionEdited(SessionConflict):
    """A message of the session `session_id` was edited or deleted between its two readings for an export."""

    def __init__(self, session_id: str) -> None:
        super().__init__(f"A message of session {session_id} was edited during the export; export again")
        self.session_id = session_id


async def write_session(
    form: ExportFormat,
    storage: Storage,
    workspace: str,
    session_id: str,
    losses: Losses,
    place: Place,
    run: Run,
) -> AsyncGenerator[bytes, None]:
    """A session in a format, in blocks; its losses are added to `losses`.

    Raises `SessionNotFound`, also if the session is deleted meanwhile, and `StorageUnavailable`. After the first block
    it may raise `FileNotFound`, if a file is deleted meanwhile or its data is damaged, and `SessionEdited`.
    """
    own = Losses()
    exists = partial(storage.get_session, workspace, session_id)
    text = _Text(form, own, partial(_read, storage, workspace, session_id), exists, place, run)
    try:
        async with aclosing(text.blocks()) as blocks:
            while True:
                yield await anext(blocks)
    except StopAsyncIteration:
        losses.add(own)
    except FileNotFound as error:
        # Files are deleted with their session.
        await exists()
        if text.size:
            raise
        raise StorageUnavailable(f"file {error.file_id} was deleted while session {session_id} was read") from error


class _Text:
    """The text of a session in a format; `read` returns the session in pieces. `size` bytes were written so far."""

    def __init__(
        self,
        form: ExportFormat,
        losses: Losses,
        read: Callable[[], AsyncGenerator[list[_Record], None]],
        exists: Callable[[], Awaitable[Session]],
        place: Place,
        run: Run,
    ) -> None:
        self.size = 0
        self._losses = losses
        self._read = read
        self._exists = exists
        self._place = place
        self._run = run
        # One for the whole export, because a format may write a message some time after it receives it. It has no
        # reference to this object: a cycle would keep a large context in memory until the garbage collector runs.
        self._files = EmbeddedFiles(partial(_find, place), run)
        self._writer = form.writer(losses, self._files.digest)
        self._count = self._versions = 0
        self._lacks_files = False

    async def blocks(self) -> AsyncGenerator[bytes, None]:
        """The text, in blocks."""
        async with aclosing(self._segments()) as written:
            async for segments in written:
                async with aclosing(self._files.embed(segments)) as blocks:
                    with suppress(StopAsyncIteration):
                        while True:
                            yield self._count_bytes(await anext(blocks))

    def _count_bytes(self, block: bytes) -> bytes:
        self.size += len(block)
        return block

    async def _segments(self) -> AsyncGenerator[deque[Segment], None]:
        """The text in pieces; each piece is written after the previous one was sent."""
        async with aclosing(self._read()) as pieces:
            async for records in pieces:
                self._count += len(_messages_in(records))
                self._versions += _versions_of(_messages_in(records))
                async with aclosing(self._write_records(partial(_add, self._writer), records, self._losses)) as written:
                    async for segments in written:
                        yield segments
        yield await self._run(self._write, self._writer.turn)
        if self._writer.is_read_twice:
            async with aclosing(self._read_again()) as again:
                async for messages in again:
                    async with aclosing(
                        self._write_records(self._writer.add_again, messages, Losses())
                    ) as written_again:
                        async for segments in written_again:
                            yield segments
        await self._check_files()
        yield await self._run(self._write, partial(self._writer.end, self.size))

    async def _read_again(self) -> AsyncGenerator[list[Message], None]:
        """The messages of the first reading again, without messages appended since. Raises `SessionEdited`."""
        remaining, versions = self._count, self._versions
        if not remaining:
            return
        async with aclosing(self._read()) as pieces:
            async for records in pieces:
                messages = _messages_in(records)[:remaining]
                records.clear()
                remaining -= len(messages)
                versions -= _versions_of(messages)
                yield messages
                if not remaining:
                    break
        if remaining or versions:
            raise SessionEdited((await self._exists()).id)

    async def _write_records(
        self, write: Callable[[_R], bytes], records: list[_R], losses: Losses
    ) -> AsyncGenerator[deque[Segment], None]:
        """Write records, in pieces; the list is emptied before the last piece is returned."""
        named = {place: text for place, record in enumerate(records) if (text := _parts_with_files(record))}
        parts = await self._run(_decode_all, named) if named else {}
        waiting: list[tuple[_R, _Parts | None]] = []
        left_out = 0
        last = len(records) - 1
        for place in range(len(records)):
            waiting.append((records[place], parts.get(place)))
            left_out += await self._place_files(parts[place]) if place in parts else 0
            if self._files.is_full or place == last:
                await self._count_left_out(left_out, losses)
                segments = await self._run(self._write, partial(_write_all, write, waiting))
                waiting.clear()
                left_out = 0
                if place == last:
                    records.clear()
                yield segments

    async def _count_left_out(self, left_out: int, losses: Losses) -> None:
        if left_out:
            losses.left_out["files"] += left_out
            self._lacks_files = True
        if not self.size:
            await self._check_files()

    async def _check_files(self) -> None:
        """Raises `SessionNotFound` if files may be left out because they were deleted with their session."""
        if self._lacks_files:
            await self._exists()

    def _write(self, write: Callable[[], bytes]) -> deque[Segment]:
        return self._files.segments(write())

    async def _place_files(self, parts: _Parts) -> int:
        """Give the files among parts their URLs in the export. Returns the number of files that are left out."""
        stored = [part for part in parts if part["type"] == "file" and part["url"].startswith(_FILES)]
        left_out = 0
        for part, found in zip(stored, await self._place([part["url"] for part in stored]), strict=True):
            url = await self._files.add(found) if isinstance(found, FileContent) else found
            part["url"] = part["url"] if url is None else url
            left_out += url is None
        return left_out


async def _read(storage: Storage, workspace: str, session_id: str) -> AsyncGenerator[list[_Record], None]:
    """The session and its messages, in batches that take a few milliseconds to write."""
    export = await storage.export_session(workspace, session_id)
    async with aclosing(export.batches) as batches:
        async for lines in batches:
            for records in _pieces(lines):
                yield records


def _pieces(lines: list[ExportLine]) -> Iterator[list[_Record]]:
    """The records in lines, without keeping a reference to them. The consumer empties each list after writing it."""
    records: list[_Record] = []
    size = 0
    lines.reverse()
    while lines:
        size += _move(lines.pop(), records)
        if size >= _PIECE_BYTES or len(records) >= _PIECE_LINES:
            yield records
            records, size = [], 0
    if records:
        yield records


def _move(line: ExportLine, records: list[_Record]) -> int:
    """Add the record in a line, if there is one; the size of a message, or 0."""
    if isinstance(line.session, Session):
        records.append(line.session)
    elif isinstance(line.message, Message):
        records.append(line.message)
        return len(line.message.content) + len(bytes(line.message.parts or b""))
    return 0


def _parts_with_files(record: _Record) -> bytes:
    """The parts of a message as JSON if they name stored files, else nothing."""
    text = bytes(record.parts or b"") if isinstance(record, Message) else b""
    return text if _FILE_URL in text else b""


def _decode_all(parts: dict[int, bytes]) -> dict[int, _Parts]:
    return {place: _decode_parts(text) for place, text in parts.items()}


def _write_all(write: Callable[[_R], bytes], records: list[tuple[_R, _Parts | None]]) -> bytes:
    """Write records; the parts beside a record, if any, replace its own."""
    placed = [record if parts is None else replace(record, parts=Raw(_encode(parts))) for record, parts in records]
    return b"".join(map(write, placed))


def _messages_in(records: list[_Record]) -> list[Message]:
    return [record for record in records if isinstance(record, Message)]


def _versions_of(messages: list[Message]) -> int:
    """The sum of versions, which is larger after each edit."""
    return sum(message.version for message in messages)


def _add(writer: SessionWriter, record: _Record) -> bytes:
    return writer.begin(record) if isinstance(record, Session) else writer.add(record)


async def _find(place: Place, file_id: str) -> FileContent:
    (found,) = await place([_FILES + file_id])
    if not isinstance(found, FileContent):
        raise FileNotFound(file_id)
    return found


async def omit_files(urls: list[str]) -> Sequence[str | FileContent | None]:
    """Leave out all files."""
    return [None] * len(urls)


def embed_files(storage: Storage, workspace: str) -> Place:
    """Embed files in messages, as `data:` URLs, up to the size limit of a message."""

    async def place(urls: list[str]) -> Sequence[str | FileContent | None]:
        found: dict[str, FileContent | None] = {}
        placed: list[FileContent | None] = []
        remaining = MAX_EMBEDDED_BYTES
        for url in urls:
            if remaining >= 0 and url not in found:
                found[url] = await _read_file(storage, workspace, url)
            content = found.get(url)
            remaining -= 0 if content is None else content.file.size
            placed.append(content if remaining >= 0 else None)
        return placed

    return place


async def _read_file(storage: Storage, workspace: str, url: str) -> FileContent | None:
    try:
        return await storage.read_file(workspace, url.removeprefix(_FILES))
    except FileNotFound:
        return None
