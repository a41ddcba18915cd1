"""Responses in blocks: each is made once the client has read the one before it."""

from collections.abc import Awaitable, Callable

from starlette.types import Scope, Send

from ...storage.model.records import Blocks
from ..core.problems import Headers
from ..core.request_state import caller_of, check_connected
from .content_coding import CodedStream
from .large_responses import CallerTurns
from .unsent_data import UnsentBlock, UnsentData

# Writes a block in the form in which it is sent.
Write = Callable[[bytes], Awaitable[bytes]]


async def _unchanged(block: bytes) -> bytes:
    return block


class CodedBlocks:
    """Blocks as they are sent, each written by `write`, and after the last of them `end`; for HEAD there are none.

    `limit` limits how many are made at a time.
    """

    def __init__(
        self,
        scope: Scope,
        blocks: Blocks,
        stream: CodedStream,
        unsent: UnsentData,
        limit: CallerTurns,
        write: Write = _unchanged,
        end: bytes = b"",
    ) -> None:
        self._scope = scope
        self._caller = caller_of(scope)
        self._is_head = scope["method"] == "HEAD"
        self._blocks = blocks
        self._stream = stream
        self._unsent = unsent
        self._limit = limit
        self._write = write
        self._end = end

    async def first(self) -> UnsentBlock | None:
        """The first block, which is to be sent or closed; None if there is none, or it is not sent.

        Raises the problem of a text that cannot be made; there are no more blocks then.
        """
        try:
            async with self._limit.place(self._caller):
                check_connected(self._scope)
                block = await anext(aiter(self._blocks), None)
                return None if block is None else await self.hold(await self._write(block))
        except BaseException:
            await self.aclose()
            raise

    async def hold(self, block: bytes) -> UnsentBlock | None:
        """A written block that comes before the others, to be sent or closed; None if it is not sent."""
        return None if self._is_head else await self._unsent.hold(await self._stream.block(block))

    async def send(self, status: int, headers: Headers, held: UnsentBlock | None, send: Send) -> None:
        """Send a response of these blocks, the first of which is `held`, and end the making of blocks."""
        try:
            await send({"type": "http.response.start", "status": status, "headers": self._stream.headers(headers)})
            while held is not None:
                await held.send(send, more=True)
                held = await self._following()
            last = b"" if self._is_head else await self._stream.block(self._end, last=True)
            await send({"type": "http.response.body", "body": last})
        finally:
            if held is not None:
                held.close()
            await self.aclose()

    async def aclose(self) -> None:
        """End the making of blocks."""
        await self._blocks.aclose()

    async def _following(self) -> UnsentBlock | None:
        async with self._limit.place(self._caller):
            block = await anext(aiter(self._blocks), None)
            if block is None:
                return None
            return await self._unsent.hold_next(await self._stream.block(await self._write(block)))
