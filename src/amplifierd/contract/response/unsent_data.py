"""Keeps the data of responses that clients have not read yet, within a limit for all clients together.

Data waits in memory, then in temporary files when the memory limit is reached. If the files reach their limit too, the
response whose client has read nothing for the longest time ends, so that any number of clients that do not read cannot
block those that do.
"""

import asyncio
from tempfile import TemporaryFile
from typing import IO

from starlette.requests import ClientDisconnect
from starlette.types import Send

from ..core.executor import INLINE_BYTES, SerialExecutor
from ..core.problems import Problem, busy

# If the reader of a response in blocks reads nothing for this time, its connection is aborted.
STALL_SECONDS = 60
# The limits of waiting data for all clients together.
MAX_MEMORY_BYTES = 32 * 1024 * 1024
MAX_FILE_BYTES = 512 * 1024 * 1024
# The size of the pieces in which a long block is sent. A block of at most this size is not counted.
PIECE_BYTES = 64 * 1024
# A block in memory of at most this size is sent at once, because each piece would take as long as a short response.
# After this number of bytes of a longer block, other requests get their turn even if the reader is fast.
_UNINTERRUPTED_BYTES = 4 * PIECE_BYTES


class UnsentData:
    """The waiting data for an application's clients: at most `memory_bytes` in memory, and `file_bytes` in files."""

    def __init__(self, memory_bytes: int = MAX_MEMORY_BYTES, file_bytes: int = MAX_FILE_BYTES) -> None:
        self._memory_left = memory_bytes
        self._file_bytes = self._files_left = file_bytes
        # In the order of their clients' last reads.
        self._in_files: dict[UnsentBlock, None] = {}
        self._executor = SerialExecutor()
        # One block is written at a time, because a block that is being written takes space that cannot be freed.
        self._writing = asyncio.Lock()

    async def send(self, send: Send, block: bytes) -> None:
        """Send a block that is not the last. Raises `ClientDisconnect` if the client does not read."""
        held = await self.hold_next(block)
        del block
        await held.send(send, more=True)

    async def hold(self, block: bytes, *, is_applied: bool = False) -> "UnsentBlock":
        """Keep a block until it is sent or closed.

        Raises a 503 problem if there is no room. With `is_applied`, it is then kept in memory instead, because the
        client would repeat a request that was applied.
        """
        size = len(block)
        if size <= PIECE_BYTES:
            return UnsentBlock(self, size, block)
        if size > self._memory_left:
            async with self._writing:
                try:
                    return await self._hold_in_file(UnsentBlock(self, size), block)
                except Problem:
                    if not is_applied:
                        raise
        self._memory_left -= size
        return UnsentBlock(self, size, block)

    async def hold_next(self, block: bytes) -> "UnsentBlock":
        """Keep a block of a response that has begun. Raises `ClientDisconnect` if there is no room."""
        try:
            return await self.hold(block)
        except Problem:
            raise ClientDisconnect from None

    def read_on(self, held: "UnsentBlock") -> None:
        """Record that the client of a block has read."""
        if self._in_files.pop(held, held) is None:
            self._in_files[held] = None

    def release(self, held: "UnsentBlock") -> None:
        """Free the memory or the file of a block."""
        if held.file is not None:
            held.file.close()
            self._in_files.pop(held, None)
            self._files_left += held.size
        elif held.size > PIECE_BYTES:
            self._memory_left += held.size

    async def _hold_in_file(self, held: "UnsentBlock", block: bytes) -> "UnsentBlock":
        while held.file is None:
            self._make_room(held.size)
            try:
                held.file = await self._executor.run(_written, block)
            except OSError as error:
                if not self._in_files:
                    raise busy(f"A temporary file cannot be written: {error}") from error
                # The disk has less space than the limit of the files.
                self._give_up_one()
        self._files_left -= held.size
        self._in_files[held] = None
        return held

    def _make_room(self, size: int) -> None:
        if size > self._file_bytes:
            raise busy("The limits of what clients have not read yet are reached")
        while size > self._files_left:
            self._give_up_one()

    def _give_up_one(self) -> None:
        """End the response whose client has read nothing for the longest time."""
        next(iter(self._in_files)).give_up()


class UnsentBlock:
    """A block of a response, or of several, in memory or in a `file`."""

    def __init__(self, unsent: UnsentData, size: int, block: bytes | None = None) -> None:
        self.size = size
        self.file: IO[bytes] | None = None
        self._unsent = unsent
        self._block = block
        self._owners = 1
        # Those of the responses that are being sent.
        self._stalls: set[asyncio.Timeout] = set()

    async def send(self, send: Send, *, more: bool, stall_seconds: float | None = STALL_SECONDS) -> None:
        """Send the block, and release it. Raises `ClientDisconnect` if the client reads nothing for `stall_seconds`.

        Without that, the longer limit of the HTTP layer applies: a slow network takes data in large pieces.
        """
        try:
            await self.write(send, more=more, stall_seconds=stall_seconds)
        finally:
            self.close()

    async def write(self, send: Send, *, more: bool, stall_seconds: float | None = STALL_SECONDS) -> None:
        """Send the block, and keep it. With `more` to follow, returns once the client has read most of it."""
        if self._block is not None and PIECE_BYTES < self.size <= _UNINTERRUPTED_BYTES:
            await self._send_piece(send, self._block, more=True, stall_seconds=stall_seconds)
            # The connection buffers the block; it is counted until the empty piece after it can be sent.
            await self._send_piece(send, b"", more=more, stall_seconds=stall_seconds)
            return
        await self.write_pieces(send, more=more, stall_seconds=stall_seconds)

    async def write_pieces(self, send: Send, *, more: bool, stall_seconds: float | None = STALL_SECONDS) -> None:
        """Send the block as `write` does; the client has `stall_seconds` for each PIECE_BYTES."""
        for start in range(0, self.size, PIECE_BYTES):
            if start and start % _UNINTERRUPTED_BYTES == 0:
                await asyncio.sleep(0)
            is_last = start + PIECE_BYTES >= self.size
            await self._send_piece(send, self._piece(start), more=more or not is_last, stall_seconds=stall_seconds)
        if more:
            if self.size > INLINE_BYTES:
                # The connection writes at the end of the turn, and is full only then.
                await asyncio.sleep(0)
            await self._send_piece(send, b"", more=True, stall_seconds=stall_seconds)

    def share(self) -> "UnsentBlock | None":
        """Give this block to another response, which is to close it, too; returns None if it is released already."""
        if not self._owners:
            return None
        self._owners += 1
        return self

    def give_up(self) -> None:
        """End the responses with this block, because others need the room."""
        self._release()
        for stall in self._stalls:
            # It may be ending already.
            if not stall.expired():
                stall.reschedule(asyncio.get_running_loop().time())

    def close(self) -> None:
        """Release the block, unless another response has it as well."""
        if self._owners == 1:
            self._release()
        elif self._owners:
            self._owners -= 1

    def _release(self) -> None:
        if self._owners:
            self._owners = 0
            self._block = None
            self._unsent.release(self)

    async def _send_piece(self, send: Send, piece: bytes, *, more: bool, stall_seconds: float | None) -> None:
        stall = asyncio.timeout(stall_seconds)
        self._stalls.add(stall)
        try:
            async with stall:
                await send({"type": "http.response.body", "body": piece, "more_body": more})
        except TimeoutError:
            raise ClientDisconnect from None
        finally:
            self._stalls.discard(stall)
        self._unsent.read_on(self)

    def _piece(self, start: int) -> bytes:
        if not self._owners:
            raise ClientDisconnect
        if self.file is not None:
            self.file.seek(start)
            return self.file.read(PIECE_BYTES)
        assert self._block is not None, "A block that is not in a file is in memory until it is closed."
        return self._block[start : start + PIECE_BYTES]


def _written(block: bytes) -> IO[bytes]:
    file = TemporaryFile()  # noqa: SIM115  # its block closes it
    try:
        file.write(block)
    except BaseException:
        file.close()
        raise
    return file
