"""Files in exports: a format writes a placeholder for the base64 of a file, and the file is read when that is sent.

So a message with large files is written as any other, and of a file one block at a time is in memory.
"""

import base64
import re
import secrets
from collections import deque
from collections.abc import AsyncGenerator
from contextlib import aclosing
from hashlib import sha256
from typing import Any, NamedTuple, Union

import msgspec

from ...storage.model.files import FileContent
from ..export_member import DIGEST_CHARACTERS, canonical, digest_of

# No message has it, because nobody can guess it. As base64 is, it is the same in JSON and in HTML.
_MARK = secrets.token_hex(16)
_DIGEST_BEGINS, _DIGEST_ENDS = f"{_MARK}begin", f"{_MARK}end"
_PLACEHOLDER = re.compile(rf"{_MARK}(begin|(?P<file>[0-9a-f]{{64}}))".encode())
_BLOCK_BYTES = 256 * 1024
# The limit of the short files that are read once for all references to them.
_KEPT_BYTES = 256 * 1024

_decode_text = msgspec.json.Decoder(str).decode


def embedded_digest_of(written: list[Any]) -> str:
    """See `digest_of`; a placeholder for it if the messages have placeholders."""
    text = canonical(written).decode()
    return f"{_DIGEST_BEGINS}{text}{_DIGEST_ENDS}" if _MARK in text else digest_of(written)


class _File(NamedTuple):
    """The place of a file."""

    file_id: str


class _Digest(NamedTuple):
    """The place of a digest, and what it is of."""

    segments: deque["Segment"]


# What a text has between its placeholders, or in the place of one.
Segment = Union[bytes, _File, _Digest]  # noqa: UP007  # it refers to itself


def segments_of(text: bytes) -> deque[Segment]:
    """A text, divided at its placeholders."""
    segments = deque[Segment]()
    place = 0
    while found := _PLACEHOLDER.search(text, place):
        segments.append(text[place : found.start()])
        place = found.end()
        if found["file"] is not None:
            segments.append(_File(found["file"].decode()))
            continue
        end = text.index(_DIGEST_ENDS.encode(), place)
        # It is inside a string of JSON.
        digested = _decode_text(b'"%b"' % text[place:end])
        segments.append(_Digest(segments_of(digested.encode())))
        place = end + len(_DIGEST_ENDS)
    segments.append(text[place:])
    return segments


class EmbeddedFiles:
    """Files that are put in place of their placeholders in a text."""

    def __init__(self) -> None:
        self._files: dict[str, FileContent] = {}
        self._kept: dict[str, bytes] = {}
        self._left = _KEPT_BYTES

    def add(self, content: FileContent) -> str:
        """Add a file. Returns its `data:` URL, with a placeholder for its data."""
        self._files[content.file.id] = content
        media = content.file.media.partition(";")[0].strip()
        return f"data:{media};base64,{_MARK}{content.file.id}"

    async def embed(self, segments: deque[Segment]) -> AsyncGenerator[bytes, None]:
        """The text of segments, which are removed, with the files in it, in blocks.

        Raises `FileNotFound` if a file is deleted meanwhile.
        """
        waiting: list[bytes] = []
        size = 0
        async with aclosing(self._text(segments)) as parts:
            async for part in parts:
                waiting.append(part)
                size += len(part)
                if size >= _BLOCK_BYTES:
                    yield b"".join(waiting)
                    waiting, size = [], 0
        yield b"".join(waiting)

    async def _text(self, segments: deque[Segment]) -> AsyncGenerator[bytes, None]:
        while segments:
            segment = segments.popleft()
            if isinstance(segment, bytes):
                yield segment
            elif isinstance(segment, _Digest):
                yield await self._digest(segment)
            else:
                async with aclosing(self._base64(self._files[segment.file_id])) as blocks:
                    async for block in blocks:
                        yield block

    async def _digest(self, digested: _Digest) -> bytes:
        digest = sha256()
        async with aclosing(self._text(digested.segments)) as parts:
            async for part in parts:
                digest.update(part)
        return digest.hexdigest()[:DIGEST_CHARACTERS].encode()

    async def _base64(self, content: FileContent) -> AsyncGenerator[bytes, None]:
        """The base64 of a file, in blocks."""
        file = content.file
        async with aclosing(_base64_blocks(content)) as blocks:
            if file.id not in self._kept and file.size <= self._left:
                self._left -= file.size
                self._kept[file.id] = b"".join([block async for block in blocks])
            if file.id in self._kept:
                yield self._kept[file.id]
                return
            async for block in blocks:
                yield block


async def _base64_blocks(content: FileContent) -> AsyncGenerator[bytes, None]:
    """The base64 of a file, in blocks, each of which takes less than a millisecond."""
    if not content.file.size:
        return
    rest = b""
    async with aclosing(content.read(0, content.file.size - 1)) as blocks:
        async for block in blocks:
            data = rest + block
            # Three bytes are four characters.
            end = len(data) - len(data) % 3
            rest = data[end:]
            yield base64.b64encode(data[:end])
    yield base64.b64encode(rest)
