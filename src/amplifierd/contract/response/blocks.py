"""Texts that are made and sent in blocks: few blocks at a time, and only as its client reads."""

import asyncio
from collections.abc import AsyncGenerator

from starlette.types import Scope, Send

from ..core.problems import Headers
from .content_coding import CodedStream
from .unsent_data import UnsentBlock, UnsentData

# One is made while others are read; each may be a message of 8 MiB, in several forms.
_AT_A_TIME = 3
_REMEMBERED = 1_000


class Turns:
    """What is held while a large record, or a block, is made: few are at a time, so that they take little memory.

    Those of formats take longest; lines, and whole records, do not wait for them.
    """

    def __init__(self) -> None:
        self.whole, self.lines, self.formats = (asyncio.Semaphore(_AT_A_TIME) for _ in range(3))
        self._large: dict[bytes, None] = {}

    def is_awaited(self, path: bytes) -> bool:
        """Whether a record has to wait for its turn, and is known to be large: it should be read then."""
        return path in self._large and self.whole.locked()

    def remember(self, path: bytes) -> None:
        """Know that the record at `path` is large, for some time."""
        self._large.pop(path, None)
        self._large[path] = None
        if len(self._large) > _REMEMBERED:
            del self._large[next(iter(self._large))]


class CodedBlocks:
    """Blocks as they are sent, each of which is made in its `turn`."""

    def __init__(
        self, blocks: AsyncGenerator[bytes, None], stream: CodedStream, unsent: UnsentData, turn: asyncio.Semaphore
    ) -> None:
        self.stream = stream
        self._blocks = blocks
        self._unsent = unsent
        self._turn = turn

    async def next(self) -> UnsentBlock | None:
        """The next block, which is to be sent or closed; None after the last."""
        async with self._turn:
            block = await anext(self._blocks, None)
            return None if block is None else await self._unsent.hold(await self.stream.block(block))

    async def aclose(self) -> None:
        """End the making of blocks."""
        await self._blocks.aclose()


async def send_blocks(scope: Scope, status: int, headers: Headers, blocks: CodedBlocks, send: Send) -> None:
    """Send a response of blocks."""
    held: UnsentBlock | None = None
    try:
        # Before the status is sent, which may still be that of a problem.
        held = await blocks.next()
        await send({"type": "http.response.start", "status": status, "headers": blocks.stream.headers(headers)})
        if scope["method"] == "HEAD":
            await send({"type": "http.response.body", "body": b""})
            return
        while held is not None:
            await held.send(send, more=True)
            held = await blocks.next()
        await send({"type": "http.response.body", "body": await blocks.stream.block(b"", last=True)})
    finally:
        if held is not None:
            held.close()
        await blocks.aclose()
