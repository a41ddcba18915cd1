"""Reads a session from a storage, and writes it in a format, in constant memory."""

import base64
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import aclosing, asynccontextmanager
from functools import partial
from typing import Any, NamedTuple

import msgspec
from msgspec import Raw
from msgspec.structs import replace

from ...storage.model.errors import FileNotFound
from ...storage.model.files import FileContent
from ...storage.model.interface import Storage
from ...storage.model.records import ExportLine, Message, Session
from .interface import ExportFormat, Losses, SessionWriter

# The limit of one message: a file counts each time that the message refers to it.
MAX_EMBEDDED_BYTES = 16 * 1024 * 1024
_FILES = b'"/files/'
_PIECE_BYTES = 32 * 1024
_PIECE_LINES = 50

_decode = msgspec.json.decode
_encode = msgspec.json.Encoder().encode

# Puts the files of a message elsewhere; returns for each reference to one the new URL, or None if it is left out.
Place = Callable[[list[str]], Awaitable[Sequence[str | None]]]
# Runs a function that takes long in another thread.
Run = Callable[..., Awaitable[Any]]
# Makes a block with files, and yields it in blocks of any size.
Hold = Callable[[Callable[[], Awaitable[bytes]]], AsyncGenerator[bytes, None]]


class _Embedded(NamedTuple):
    """The size of a file, and its `data:` URL if it has one."""

    size: int
    url: str | None


_MISSING = _Embedded(0, None)


async def write_session(
    form: ExportFormat,
    storage: Storage,
    workspace: str,
    session_id: str,
    losses: Losses,
    place: Place,
    run: Run,
    hold: Hold,
) -> AsyncGenerator[bytes, None]:
    """A session in a format, in blocks; `losses` get its losses in the end. Raises `SessionNotFound`."""
    own = Losses()
    writer = form.writer(own)
    first = _Reading(storage, workspace, session_id, partial(_written, run, partial(_add, writer), place, own), hold)
    async with aclosing(first.blocks(None)) as blocks:
        async for block in blocks:
            yield block
    yield writer.turn()
    if writer.is_read_twice:
        write = partial(_written, run, partial(_add_again, writer), place, Losses())
        again = _Reading(storage, workspace, session_id, write, hold)
        # What was appended meanwhile is not in the first part.
        async with aclosing(again.blocks(first.count)) as blocks:
            async for block in blocks:
                yield block
    yield writer.end()
    losses.add(own)


class _Reading:
    """Reads a session once; `count` is the number of messages that were read."""

    def __init__(
        self,
        storage: Storage,
        workspace: str,
        session_id: str,
        write: Callable[[list[ExportLine]], Awaitable[bytes]],
        hold: Hold,
    ) -> None:
        self._place = storage, workspace, session_id
        self._write = write
        self._hold = hold
        self.count = 0

    async def blocks(self, most: int | None) -> AsyncGenerator[bytes, None]:
        """What is written of it, up to `most` messages."""
        async with _batches(*self._place) as batches:
            async for lines in batches:
                for some in _pieces(self._counted(lines, most)):
                    if not any(map(_names_files, some)):
                        yield await self._write(some)
                        continue
                    async with aclosing(self._hold(partial(self._write, some))) as held:
                        async for block in held:
                            yield block

    def _counted(self, lines: list[ExportLine], most: int | None) -> list[ExportLine]:
        if most is not None:
            lines = [line for line in lines if isinstance(line.message, Message)][: most - self.count]
        self.count += sum(isinstance(line.message, Message) for line in lines)
        return lines


async def _written(
    run: Run,
    add: Callable[[list[ExportLine]], bytes],
    place: Place,
    losses: Losses,
    lines: list[ExportLine],
) -> bytes:
    """What is written of lines, with their files."""
    placed = [await _placed_line(line, place, losses, run) if _names_files(line) else line for line in lines]
    written: bytes = await run(add, placed)
    return written


@asynccontextmanager
async def _batches(
    storage: Storage, workspace: str, session_id: str
) -> AsyncIterator[AsyncGenerator[list[ExportLine], None]]:
    """The lines of a session, which are closed at once if its reader has gone."""
    export = await storage.export_session(workspace, session_id)
    async with aclosing(export.batches) as batches:
        yield batches


def _pieces(lines: list[ExportLine]) -> Iterator[list[ExportLine]]:
    """Lines, as many at a time as are written in some milliseconds."""
    some: list[ExportLine] = []
    size = 0
    for line in lines:
        if some and _names_files(line):
            # Each of such lines may have files of the limit.
            yield some
            some, size = [], 0
        some.append(line)
        if isinstance(line.message, Message):
            size += len(line.message.content) + len(bytes(line.message.parts or b""))
        if size >= _PIECE_BYTES or len(some) >= _PIECE_LINES or _names_files(line):
            yield some
            some, size = [], 0
    if some:
        yield some


def _add(writer: SessionWriter, lines: list[ExportLine]) -> bytes:
    written = []
    for line in lines:
        if isinstance(line.session, Session):
            written.append(writer.begin(line.session))
        elif isinstance(line.message, Message):
            written.append(writer.add(line.message))
    return b"".join(written)


def _add_again(writer: SessionWriter, lines: list[ExportLine]) -> bytes:
    return b"".join(writer.add_again(line.message) for line in lines if isinstance(line.message, Message))


def _names_files(line: ExportLine) -> bool:
    return isinstance(line.message, Message) and _FILES in bytes(line.message.parts or b"")


async def _placed_line(line: ExportLine, place: Place, losses: Losses, run: Run) -> ExportLine:
    """The line, with the URLs that its files get elsewhere."""
    message = line.message
    assert isinstance(message, Message), "It names files."
    assert isinstance(message.parts, Raw), "It names files."
    parts = await run(_decode, bytes(message.parts))
    stored = [part for part in parts if part["type"] == "file" and part["url"].startswith("/files/")]
    for part, url in zip(stored, await place([part["url"] for part in stored]), strict=True):
        if url is None:
            losses.left_out["files"] += 1
        else:
            part["url"] = url
    return ExportLine(message=replace(message, parts=Raw(await run(_encode, parts))))


async def hold_in_memory(make: Callable[[], Awaitable[bytes]]) -> AsyncGenerator[bytes, None]:
    """Yield a block as it is made."""
    yield await make()


async def leave_files(urls: list[str]) -> Sequence[str | None]:
    """Put no files elsewhere."""
    return [None] * len(urls)


async def read_whole(content: FileContent) -> bytes:
    """The bytes of a file. Raises `FileNotFound`."""
    if content.file.size == 0:
        return b""
    async with aclosing(content.read(0, content.file.size - 1)) as blocks:
        return b"".join([block async for block in blocks])


def embed_files(storage: Storage, workspace: str) -> Place:
    """Put files into messages, as `data:` URLs, as long as they are short enough."""

    async def embed(urls: list[str]) -> Sequence[str | None]:
        found: dict[str, _Embedded] = {}
        placed: list[str | None] = []
        left = MAX_EMBEDDED_BYTES
        for url in urls:
            if left >= 0 and url not in found:
                found[url] = await _embedded(storage, workspace, url, left)
            size, data = found.get(url, _MISSING)
            left -= size
            placed.append(data if left >= 0 else None)
        return placed

    return embed


async def _embedded(storage: Storage, workspace: str, url: str, most: int) -> _Embedded:
    """A file as a `data:` URL, which is not made for over `most` bytes."""
    try:
        content = await storage.read_file(workspace, url.removeprefix("/files/"))
        if content.file.size > most:
            return _Embedded(content.file.size, None)
        data = await read_whole(content)
    except FileNotFound:
        return _MISSING
    media = content.file.media.partition(";")[0].strip()
    return _Embedded(len(data), f"data:{media};base64,{base64.b64encode(data).decode()}")
