"""Embeds files in exports: a format writes a placeholder for a file's base64; the file is read when that place is sent.

So a message with large files is written like any other, and only one block of a file is in memory at a time.
"""

import base64
import re
import secrets
from collections import deque
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from hashlib import sha256
from typing import Any, NamedTuple, TypeAlias, cast

import msgspec

from ...storage.model.errors import FileNotFound
from ...storage.model.files import FileContent
from ..export_member import DIGEST_CHARACTERS, canonical, digest_of

_BLOCK_BYTES = 256 * 1024
# The limit of the short files that are read once for all references to them in a text.
_KEPT_BYTES = 256 * 1024
# The limit of the files that are not looked up again.
_KNOWN_FILES = 1_000

_decode_text = msgspec.json.Decoder(str).decode

# Runs a long function in another thread.
Run: TypeAlias = Callable[..., Awaitable[Any]]
# Looks up a file by its id. Raises `FileNotFound`.
Find: TypeAlias = Callable[[str], Awaitable[FileContent]]
# A segment of a text: the text between two placeholders, or the file or digest that replaces a placeholder.
Segment: TypeAlias = "bytes | _File | _Digest"


class _File(NamedTuple):
    """The place of a file."""

    file_id: str


class _Digest(NamedTuple):
    """The place of a digest, and the data to digest."""

    segments: deque[Segment]


class EmbeddedFiles:
    """The files of one export; each replaces its placeholders in the text that a format writes."""

    def __init__(self, find: Find, run: Run) -> None:
        self._find = find
        self._run = run
        # No message contains it, because it cannot be guessed. Like base64, it is the same in JSON and in HTML.
        self._mark = secrets.token_hex(16)
        self._placeholder = re.compile(rf"{self._mark}(?:(?P<digest>begin)|(?P<file>[0-9a-f]{{64}}))?".encode())
        # None for a file that cannot be read.
        self._files: dict[str, FileContent | None] = {}
        self._is_used = False
        self._kept: dict[str, bytes] = {}
        self._left = _KEPT_BYTES

    @property
    def is_full(self) -> bool:
        """Whether short files that are added now may be read twice: the text so far should be embedded first."""
        return self._left < _KEPT_BYTES // 2

    async def add(self, content: FileContent) -> str | None:
        """Add a file. Returns its `data:` URL, with a placeholder for its data; None if the data cannot be read."""
        file = content.file
        if file.id not in self._files:
            self._remember(file.id, content if await self._is_readable(content) else None)
        if self._files[file.id] is None:
            return None
        # It may have been deleted and created again since.
        self._files[file.id] = content
        self._is_used = True
        return f"data:{file.media.partition(';')[0].strip()};base64,{self._mark}{file.id}"

    def digest(self, written: list[Any]) -> str:
        """See `digest_of`; a placeholder for it if the messages have placeholders."""
        text = canonical(written).decode()
        return f"{self._mark}begin{text}{self._mark}end" if self._mark in text else digest_of(written)

    def segments(self, text: bytes) -> deque[Segment]:
        """Divide a text at its placeholders. Raises `ValueError` if a placeholder was changed."""
        if not self._is_used:
            return deque([text])
        segments = deque[Segment]()
        place = 0
        while found := self._placeholder.search(text, place):
            segments.append(text[place : found.start()])
            place = found.end()
            if found["file"] is not None:
                segments.append(_File(found["file"].decode()))
            elif found["digest"] is not None:
                end = text.index(b"%bend" % self._mark.encode(), place)
                # The placeholder is inside a JSON string.
                digested = _decode_text(b'"%b"' % text[place:end])
                segments.append(_Digest(self.segments(digested.encode())))
                place = end + len(self._mark) + len("end")
            else:
                raise ValueError("A format has changed the URL of a file, so that the file cannot be put into it.")
        segments.append(text[place:])
        return segments

    async def embed(self, segments: deque[Segment]) -> AsyncGenerator[bytes, None]:
        """The text of segments with the embedded files, in non-empty blocks; the segments are removed.

        Raises `FileNotFound` if a file is deleted during the export.
        """
        waiting: list[bytes] = []
        size = 0
        async with aclosing(self._text(segments)) as parts:
            async for part in parts:
                waiting.append(part)
                size += len(part)
                # The text may be large, and the client may not read its block.
                del part
                if size >= _BLOCK_BYTES:
                    size = 0
                    yield _drain(waiting)
        if size:
            yield _drain(waiting)
        self._kept.clear()
        self._left = _KEPT_BYTES

    async def _text(self, segments: deque[Segment]) -> AsyncGenerator[bytes, None]:
        while segments:
            if isinstance(segments[0], bytes):
                yield cast("bytes", segments.popleft())
                continue
            segment = segments.popleft()
            if isinstance(segment, _Digest):
                yield await self._digest(segment)
            elif isinstance(segment, _File):
                async with aclosing(self._base64(await self._file(segment.file_id))) as blocks:
                    async for block in blocks:
                        yield block

    async def _digest(self, digested: _Digest) -> bytes:
        digest = sha256()
        async with aclosing(self._text(digested.segments)) as parts:
            async for part in parts:
                if len(part) > 2 * _BLOCK_BYTES:
                    await self._run(digest.update, part)
                else:
                    digest.update(part)
        return digest.hexdigest()[:DIGEST_CHARACTERS].encode()

    async def _file(self, file_id: str) -> FileContent:
        """Look up a file that was added earlier."""
        content = self._files.get(file_id)
        if content is None:
            content = await self._find(file_id)
            self._remember(file_id, content)
        return content

    def _remember(self, file_id: str, content: FileContent | None) -> None:
        if len(self._files) >= _KNOWN_FILES:
            del self._files[next(iter(self._files))]
        self._files[file_id] = content

    async def _is_readable(self, content: FileContent) -> bool:
        """Whether the first bytes of a file can be read; the bytes of a short file are kept."""
        try:
            async with aclosing(self._base64(content)) as blocks:
                await anext(blocks, None)
        except FileNotFound:
            return False
        return True

    async def _base64(self, content: FileContent) -> AsyncGenerator[bytes, None]:
        """The base64 of a file, in blocks."""
        file = content.file
        async with aclosing(_base64_blocks(content)) as blocks:
            if file.id not in self._kept and file.size <= self._left:
                self._kept[file.id] = b"".join([block async for block in blocks])
                self._left -= file.size
            if file.id in self._kept:
                yield self._kept[file.id]
                return
            async for block in blocks:
                yield block


def _drain(parts: list[bytes]) -> bytes:
    """Join the parts into one block and empty the list."""
    block = b"".join(parts)
    parts.clear()
    return block


async def _base64_blocks(content: FileContent) -> AsyncGenerator[bytes, None]:
    """The base64 of a file, in blocks, each of which takes less than a millisecond."""
    if not content.file.size:
        return
    rest = b""
    async with aclosing(content.read(0, content.file.size - 1)) as blocks:
        async for block in blocks:
            data = rest + block
            # Three bytes become four characters.
            end = len(data) - len(data) % 3
            rest = data[end:]
            yield base64.b64encode(data[:end])
    yield base64.b64encode(rest)
