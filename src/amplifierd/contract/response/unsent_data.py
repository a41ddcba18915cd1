"""What clients have not read yet of their responses, within a limit for all clients together.

Data waits in memory, and in temporary files once that is full. If these have no more room either, the response whose
client has read nothing for the longest time ends: clients that read are served, however many others do not.
"""

import asyncio
from tempfile import TemporaryFile
from typing import IO

from starlette.requests import ClientDisconnect
from starlette.types import Send

from ..core.executor import SerialExecutor
from ..core.problems import Problem, busy

# After this long without reading, the reader of a response in blocks counts as gone, and its connection is aborted.
STALL_SECONDS = 60
# The limits of what waits for all clients together.
MAX_MEMORY_BYTES = 32 * 1024 * 1024
MAX_FILE_BYTES = 512 * 1024 * 1024
# The most that is written of a long block at once. A block of at most this size is not counted.
PIECE_BYTES = 64 * 1024
# A block in memory of at most this size is written at once: each piece would take as long as a short response. After so
# many bytes of a longer one, a fast reader leaves time to other requests.
_UNINTERRUPTED_BYTES = 4 * PIECE_BYTES


class UnsentData:
    """What waits for the clients of an application: at most `memory_bytes` in memory, and `file_bytes` in files."""

    def __init__(self, memory_bytes: int = MAX_MEMORY_BYTES, file_bytes: int = MAX_FILE_BYTES) -> None:
        self._memory_left = memory_bytes
        self._file_bytes = self._files_left = file_bytes
        # In the order in which their clients have last read.
        self._in_files: dict[UnsentBlock, None] = {}
        self._executor = SerialExecutor()
        # One block is written at a time: while others are written, they take room that cannot be given up.
        self._writing = asyncio.Lock()

    async def send(self, send: Send, block: bytes) -> None:
        """Send a block that others follow. Raises `ClientDisconnect` if the client does not read."""
        held = await self.hold_next(block)
        del block
        await held.send(send, more=True)

    async def hold(self, block: bytes, *, is_applied: bool = False) -> "UnsentBlock":
        """Keep a block until it is sent or closed.

        Raises a 503 problem if there is no room. The response to a request that `is_applied` is kept in memory then:
        its client would send it again.
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
        """The client of a block has read."""
        if self._in_files.pop(held, held) is None:
            self._in_files[held] = None

    def release(self, held: "UnsentBlock") -> None:
        """Release the room of a block."""
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
                # The disk has less room than there may be files.
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
    """A block of a response, in memory or in a `file`."""

    def __init__(self, unsent: UnsentData, size: int, block: bytes | None = None) -> None:
        self.size = size
        self.file: IO[bytes] | None = None
        self._unsent = unsent
        self._block = block
        self._stall: asyncio.Timeout | None = None
        self._is_closed = False

    async def send(self, send: Send, *, more: bool, stall_seconds: float | None = STALL_SECONDS) -> None:
        """Send the block, and release it. Raises `ClientDisconnect` if the client reads nothing for `stall_seconds`.

        Without them the limit is that of the HTTP layer, which is longer: a slow network takes data in large pieces.
        """
        try:
            if self._block is not None and PIECE_BYTES < self.size <= _UNINTERRUPTED_BYTES:
                await self._send_at_once(send, self._block, more=more, stall_seconds=stall_seconds)
                return
            for start in range(0, self.size, PIECE_BYTES):
                if start and start % _UNINTERRUPTED_BYTES == 0:
                    await asyncio.sleep(0)
                is_last = start + PIECE_BYTES >= self.size
                await self._send_piece(send, self._piece(start), more=more or not is_last, stall_seconds=stall_seconds)
        finally:
            self.close()

    def give_up(self) -> None:
        """End the response: others need the room."""
        self.close()
        # It may end already, for the same reason.
        if self._stall is not None and not self._stall.expired():
            self._stall.reschedule(asyncio.get_running_loop().time())

    def close(self) -> None:
        """Release the block."""
        if not self._is_closed:
            self._is_closed = True
            self._block = None
            self._unsent.release(self)

    async def _send_at_once(self, send: Send, block: bytes, *, more: bool, stall_seconds: float | None) -> None:
        await send({"type": "http.response.body", "body": block, "more_body": True})
        # The connection keeps what the client has not read; it is counted until this has been sent.
        await self._send_piece(send, b"", more=more, stall_seconds=stall_seconds)

    async def _send_piece(self, send: Send, piece: bytes, *, more: bool, stall_seconds: float | None) -> None:
        try:
            async with asyncio.timeout(stall_seconds) as self._stall:
                await send({"type": "http.response.body", "body": piece, "more_body": more})
        except TimeoutError:
            raise ClientDisconnect from None
        finally:
            self._stall = None
        self._unsent.read_on(self)

    def _piece(self, start: int) -> bytes:
        if self._is_closed:
            raise ClientDisconnect
        if self.file is not None:
            return self.file.read(PIECE_BYTES)
        assert self._block is not None, "A block that is not in a file is in memory until it is closed."
        return self._block[start : start + PIECE_BYTES]


def _written(block: bytes) -> IO[bytes]:
    file = TemporaryFile()  # noqa: SIM115  # its block closes it
    try:
        file.write(block)
        file.seek(0)
    except BaseException:
        file.close()
        raise
    return file
