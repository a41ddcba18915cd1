"""Bodies that are files, of any media type and length: passed on as they arrive, in constant memory."""

from collections.abc import AsyncGenerator

from starlette.types import Receive, Scope

from ...storage.model.files import MAX_MEDIA_LENGTH, UNKNOWN_MEDIA, NewFile, is_media_type
from ..core.request_state import request_state_of
from .body import BodyHeaders, check_size, next_part

ANY = "*/*"
# Smaller parts are joined into blocks of this size.
BLOCK_BYTES = 64 * 1024


class FileBody(BodyHeaders):
    """The body of an operation whose handler takes a `NewFile`."""

    def __init__(self, max_bytes: int) -> None:
        super().__init__([ANY], required=False, max_bytes=max_bytes)

    async def read(self, scope: Scope, receive: Receive) -> tuple[NewFile, bytes]:
        """The body, which is read as it arrives. Raises a 413 or 415 problem; its chunks raise 413."""
        content_type = self._check_headers(scope)
        # Generated clients send the range that the contract declares.
        is_known = content_type is not None and b"*" not in content_type
        media = content_type.decode("ascii") if content_type is not None and is_known else UNKNOWN_MEDIA
        return NewFile(self._chunks(receive), media, progressed=request_state_of(scope).progressed), b""

    def _check_content_type(self, scope: Scope, value: bytes) -> None:
        if not is_media_type(value.decode("latin-1")):
            expected = f"a media type of at most {MAX_MEDIA_LENGTH} characters"
            raise self._unsupported_media_type(scope, f"Content-Type {value.decode('latin-1')!r} is not {expected}")

    async def _chunks(self, receive: Receive) -> AsyncGenerator[bytes, None]:
        parts: list[bytes] = []
        size = waiting = 0
        more = True
        while more:
            part, more = await next_part(receive)
            parts.append(part)
            waiting += len(part)
            size += len(part)
            check_size(size, self._max_bytes, "The file")
            if waiting >= BLOCK_BYTES or not more:
                yield b"".join(parts)
                parts, waiting = [], 0
