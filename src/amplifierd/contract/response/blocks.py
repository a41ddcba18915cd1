"""Large responses: few are made at a time, and texts in blocks, as their clients read."""

import asyncio
from collections.abc import AsyncGenerator

from starlette.types import Scope, Send

from ..core.problems import Headers
from ..core.request_state import check_connected
from .content_coding import CodedStream
from .unsent_data import UnsentBlock, UnsentData


class CodedBlocks:
    """Blocks as they are sent; the semaphore `limit` limits how many are made at a time."""

    def __init__(
        self,
        scope: Scope,
        blocks: AsyncGenerator[bytes, None],
        stream: CodedStream,
        unsent: UnsentData,
        limit: asyncio.Semaphore,
    ) -> None:
        self._scope = scope
        self.stream = stream
        self._blocks = blocks
        self._unsent = unsent
        self._limit = limit

    async def first(self, *, is_sent: bool) -> UnsentBlock | None:
        """The first block, which is to be sent or closed; None if there is none, or it is not sent.

        Raises the problem of a text that cannot be made.
        """
        async with self._limit:
            check_connected(self._scope)
            block = await anext(self._blocks, None)
            return await self._unsent.hold(await self.stream.block(block)) if is_sent and block is not None else None

    async def following(self) -> UnsentBlock | None:
        """The next block; None after the last. Raises `ClientDisconnect` if there is no room for it."""
        async with self._limit:
            block = await anext(self._blocks, None)
            return None if block is None else await self._unsent.hold_next(await self.stream.block(block))

    async def aclose(self) -> None:
        """End the making of blocks."""
        await self._blocks.aclose()


async def send_blocks(scope: Scope, status: int, headers: Headers, blocks: CodedBlocks, send: Send) -> None:
    """Send a response of blocks."""
    held: UnsentBlock | None = None
    is_head = scope["method"] == "HEAD"
    try:
        # Before the status is sent, which may still be that of a problem.
        held = await blocks.first(is_sent=not is_head)
        await send({"type": "http.response.start", "status": status, "headers": blocks.stream.headers(headers)})
        if is_head:
            await send({"type": "http.response.body", "body": b""})
            return
        while held is not None:
            await held.send(send, more=True)
            held = await blocks.following()
        await send({"type": "http.response.body", "body": await blocks.stream.block(b"", last=True)})
    finally:
        if held is not None:
            held.close()
        await blocks.aclose()
