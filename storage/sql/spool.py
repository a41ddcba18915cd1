"""Long lists on their way: what does not fit into the first block waits in a temporary file.

However slow its reader is, it holds no connection, and no moment that the database would have to keep.
"""

import asyncio
from collections.abc import AsyncIterator, Iterable
from tempfile import SpooledTemporaryFile

from ..model.records import Listing
from .temporary_files import TemporaryDisk, spool_errors

FIRST_BLOCK_BYTES = 64 * 1024
BLOCK_BYTES = 256 * 1024
# A waiting list has so much of it in memory at most; the rest is in the temporary file.
SPOOL_MEMORY_BYTES = 2 * 1024 * 1024


class Spool:
    """The blocks of a list after its first: they are all added, then read by whoever iterates it, or closes it.

    They are on `disk` until then.
    """

    def __init__(self, disk: TemporaryDisk) -> None:
        self._disk = disk
        self._taken = 0
        self._file = SpooledTemporaryFile[bytes](max_size=SPOOL_MEMORY_BYTES)  # its reader closes it
        self._lengths: list[int] = []

    def add(self, block: bytes) -> None:
        """Take a block in, with the comma before it. Raises `StorageUnavailable` where there is no room for it."""
        self._disk.take(len(block) + 1)
        self._taken += len(block) + 1
        with spool_errors():
            self._lengths.append(self._file.write(b"," + block))

    def add_all(self, blocks: Iterable[bytes]) -> None:
        """Take blocks in, but for empty ones, and make ready to be read."""
        for block in blocks:
            if block:
                self.add(block)
        self.finish()

    def finish(self) -> "Spool":
        """Make ready to be read."""
        with spool_errors():
            self._file.seek(0)
        self._lengths.reverse()
        return self

    def __aiter__(self) -> "Spool":
        return self

    async def __anext__(self) -> bytes:
        if not self._lengths:
            await self.aclose()
            raise StopAsyncIteration
        # Writing it in another form takes its time, and a reader that is fast enough would leave none to others.
        await asyncio.sleep(0)
        return self._file.read(self._lengths.pop())

    async def aclose(self) -> None:
        """Let go of the file."""
        self._file.close()
        self._disk.give_back(self._taken)
        self._taken = 0


async def listing(records: AsyncIterator[bytes], disk: TemporaryDisk) -> Listing:
    """All of these records: in one block where they are few, else in a first one and those that wait."""
    spool = Spool(disk)
    try:
        return await _listing(records, spool)
    except BaseException:
        await spool.aclose()
        raise


async def _listing(records: AsyncIterator[bytes], spool: Spool) -> Listing:
    is_long = False
    first = b""
    taken: list[bytes] = []
    size = 0
    async for record in records:
        taken.append(record)
        size += len(record)
        if not is_long and size >= FIRST_BLOCK_BYTES:
            first, is_long = b",".join(taken), True
            taken, size = [], 0
        elif is_long and size >= BLOCK_BYTES:
            spool.add(b",".join(taken))
            taken, size = [], 0
    if not is_long:
        await spool.aclose()
        return Listing(b",".join(taken))
    if taken:
        spool.add(b",".join(taken))
    return Listing(first, spool.finish())
