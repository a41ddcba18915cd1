"""Content codings of responses (RFC 9110, sections 8.4 and 12.5.3): zstd (RFC 8878) and gzip (RFC 1952).

A body of more than `MIN_BYTES` is compressed if the client accepts it. A streamed body is only compressed with gzip,
which needs no memory between blocks. The coding depends only on the request and the body, never on load, so that HEAD
and 304 name the same coding as GET. Each coding of a record has its own entity tag (RFC 9110, section 8.8.3.3): `"7"`,
`"7-gzip"`, `"7-zstd"`.
"""

import asyncio
import struct
import zlib
from collections.abc import Callable
from functools import lru_cache
from typing import Any, NamedTuple, Protocol

import zstandard
from werkzeug.http import parse_accept_header

from ..core.executor import INLINE_BYTES, SerialExecutor
from ..core.problems import Headers
from ..core.request_state import Fields
from .record_encoding import is_larger

# A smaller body fits into one packet anyway.
MIN_BYTES = 1024
# The maximum number of long bodies that are compressed at a time, each with up to 3.5 MiB of memory; others wait.
MAX_RUNNING = 8

_PIECE_BYTES = 64 * 1024
# On a page of messages, level 6 takes twice as long for a result that is 15 % smaller.
_GZIP_LEVEL = 3
_ZSTD_LEVEL = 3
_GZIP_WINDOW = 16 + zlib.MAX_WBITS
# The header of a gzip member without a name and a time, and the end of its blocks (RFC 1952, section 2.3; RFC 1951,
# section 3.2.3: an empty last block).
_GZIP_HEADER = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff"
_DEFLATE_END = b"\x03\x00"
_UINT32 = 0xFFFFFFFF
# The lowest quality that means "acceptable" (RFC 9110, section 12.4.2).
_MIN_QUALITY = 0.001


class Compressor(Protocol):
    """Compresses a body in pieces."""

    def compress(self, data: memoryview, /) -> bytes:
        """Add a piece. Returns the compressed bytes so far, perhaps none."""

    def flush(self) -> bytes:
        """End the body. Returns the remaining compressed bytes."""


class Coding(NamedTuple):
    """A content coding; `start` makes a compressor for a body of this number of bytes."""

    name: str
    start: Callable[[int], Compressor]


def _start_zstd(size: int) -> Compressor:
    return zstandard.ZstdCompressor(_ZSTD_LEVEL).compressobj(size)


def _start_gzip(_size: int) -> Compressor:
    return zlib.compressobj(_GZIP_LEVEL, zlib.DEFLATED, _GZIP_WINDOW)


_ZSTD = Coding("zstd", _start_zstd)
_GZIP = Coding("gzip", _start_gzip)
# The first is preferred among equals.
CODINGS = (_ZSTD, _GZIP)


class Compression:
    """Compresses the responses of an application, long ones off the event loop and `MAX_RUNNING` at a time."""

    def __init__(self, executor: SerialExecutor) -> None:
        self._executor = executor
        self._running = asyncio.Semaphore(MAX_RUNNING)

    def validators(self, fields: Fields, headers: Headers, record: Any) -> Headers:
        """The `headers` of a 304 response that takes the place of the JSON of a record."""
        return _validators(headers, _accepted(fields)) if is_larger(record, MIN_BYTES) else headers

    async def compress(self, fields: Fields, headers: Headers, body: bytes) -> tuple[Headers, bytes]:
        """The headers and the body to send for a whole body of more than `MIN_BYTES`."""
        coding = _accepted(fields)
        headers = _coded(headers, coding)
        if coding is None:
            return headers, body
        if len(body) <= INLINE_BYTES:
            return headers, _step(coding.start(len(body)), memoryview(body), last=True)
        async with self._running:
            return headers, await _steps(self._executor, coding.start(len(body)), body)

    def stream(self, fields: Fields) -> "CodedStream":
        """The compressor for a body that is sent in blocks."""
        return CodedStream(self._executor, _GZIP if _is_gzip_accepted(fields) else None)


class CodedStream:
    """Compresses a body block by block, so that the client can read each block when it arrives.

    Each piece is compressed independently of earlier ones, into one gzip member, so that thousands of slow readers do
    not each keep a compressor in memory.
    """

    def __init__(self, executor: SerialExecutor, coding: Coding | None) -> None:
        self._executor = executor
        self._coding = coding
        self._started = False
        self._checksum = 0
        self._size = 0

    def headers(self, headers: Headers) -> Headers:
        """The `headers` to send."""
        return _coded(headers, self._coding)

    async def block(self, data: bytes, *, last: bool = False) -> bytes:
        """The bytes to send for a block."""
        if self._coding is None:
            return data
        parts = [] if self._started else [_GZIP_HEADER]
        self._started = True
        view = memoryview(data)
        for start in range(0, len(data), _PIECE_BYTES):
            piece = view[start : start + _PIECE_BYTES]
            is_short = len(piece) <= INLINE_BYTES
            parts.append(self._deflate(piece) if is_short else await self._executor.run(self._deflate, piece))
        if last:
            parts += [_DEFLATE_END, struct.pack("<LL", self._checksum, self._size & _UINT32)]
        return b"".join(parts)

    def _deflate(self, piece: memoryview) -> bytes:
        self._checksum = zlib.crc32(piece, self._checksum)
        self._size += len(piece)
        compressor = zlib.compressobj(_GZIP_LEVEL, zlib.DEFLATED, -zlib.MAX_WBITS)
        return compressor.compress(piece) + compressor.flush(zlib.Z_FULL_FLUSH)


def accepts(name: str, accept_encoding: str) -> bool:
    """Whether an `Accept-Encoding` header allows a coding, and does not prefer the identity."""
    qualities = _qualities(accept_encoding)
    return _quality(name, qualities) >= max(qualities.get("identity", 0), _MIN_QUALITY)


def decompress(name: str, body: bytes) -> bytes:
    """Decode a whole body that was sent in the coding `name`. Raises KeyError for an unknown coding."""
    decoders: dict[str, Callable[[bytes], bytes]] = {
        _ZSTD.name: lambda data: zstandard.ZstdDecompressor().decompressobj().decompress(data),
        _GZIP.name: lambda data: zlib.decompress(data, _GZIP_WINDOW),
    }
    return decoders[name](body)


def _accepted(fields: Fields) -> Coding | None:
    field = _accept_encoding(fields)
    return _preferred(field) if field else None


def _is_gzip_accepted(fields: Fields) -> bool:
    return accepts(_GZIP.name, _accept_encoding(fields).decode("latin-1"))


def _accept_encoding(fields: Fields) -> bytes:
    return b", ".join(fields.get(b"accept-encoding", ()))


@lru_cache(maxsize=64)
def _preferred(field: bytes) -> Coding | None:
    accept_encoding = field.decode("latin-1")
    allowed = [coding for coding in CODINGS if accepts(coding.name, accept_encoding)]
    qualities = _qualities(accept_encoding)
    return max(allowed, key=lambda coding: _quality(coding.name, qualities), default=None)


def _qualities(accept_encoding: str) -> dict[str, float]:
    """The qualities of codings by name; x-gzip counts as gzip (RFC 9110, section 8.4.1.3)."""
    return {name.lower().removeprefix("x-"): quality for name, quality in parse_accept_header(accept_encoding)}


def _quality(name: str, qualities: dict[str, float]) -> float:
    return qualities.get(name, qualities.get("*", 0))


def _coded(headers: Headers, coding: Coding | None) -> Headers:
    named = [] if coding is None else [(b"content-encoding", coding.name.encode())]
    return [*_validators(headers, coding), *named]


def _validators(headers: Headers, coding: Coding | None) -> Headers:
    """The headers, with `Vary` and the entity tag of the coding."""
    vary, changed = b"Accept-Encoding", []
    for name, value in headers:
        if name == b"vary":
            vary = value + b", " + vary
        elif name == b"etag" and coding is not None:
            changed.append((name, b'%b-%b"' % (value[:-1], coding.name.encode())))
        else:
            changed.append((name, value))
    return [*changed, (b"vary", vary)]


async def _steps(executor: SerialExecutor, compressor: Compressor, data: bytes) -> bytes:
    """Compress in pieces, so that the executor can run other tasks between two of them."""
    view, done = memoryview(data), []
    for start in range(0, len(view), _PIECE_BYTES):
        piece, is_last = view[start : start + _PIECE_BYTES], start + _PIECE_BYTES >= len(view)
        done.append(await executor.run(_step, compressor, piece, last=is_last))
    return b"".join(done)


def _step(compressor: Compressor, piece: memoryview, *, last: bool) -> bytes:
    text = compressor.compress(piece)
    return text + compressor.flush() if last else text
