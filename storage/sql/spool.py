"""Keeps long lists for slow clients: all blocks after the first are in a temporary file.

So a slow client holds neither a connection nor a snapshot of the database.
"""

import asyncio
from collections.abc import AsyncIterator, Iterable
from tempfile import SpooledTemporaryFile

from ..model.records import Listing
from .temporary_files import TemporaryDisk, spool_errors

FIRST_BLOCK_BYTES = 64 * 1024
BLOCK_BYTES = 256 * 1024
# The limit of a list in memory, in bytes; the rest is in the temporary file.
SPOOL_MEMORY_BYTES = 2 * 1024 * 1024
# If lists, imports and uploads together take more than this, none of these lists is kept in memory.
SPOOLS_MEMORY_BYTES = 64 * 1024 * 1024


class Spool:
    """The blocks of a list after the first. All are added, then its owner reads or closes it.

    The blocks are on `disk` until then.
    """

    def __init__(self, disk: TemporaryDisk) -> None:
        self._disk = disk
        self._taken = 0
        self._file = SpooledTemporaryFile[bytes](max_size=SPOOL_MEMORY_BYTES)  # its reader closes it
        self._lengths: list[int] = []

    def add(self, block: bytes) -> None:
        """Add a block, with the comma before it. Raises `StorageUnavailable` if the disk has no room for it."""
        self._disk.take(len(block) + 1)
        self._taken += len(block) + 1
        with spool_errors():
            if self._disk.bytes > SPOOLS_MEMORY_BYTES:
                self._file.rollover()
            self._lengths.append(self._file.write(b"," + block))

    def add_all(self, blocks: Iterable[bytes]) -> None:
        """Add blocks, except empty ones, and make them readable."""
        for block in blocks:
            if block:
                self.add(block)
        self.finish()

    def finish(self) -> "Spool":
        """Make the blocks readable."""
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
        # Encoding a block takes time: without a pause, a fast client would starve other requests.
        await asyncio.sleep(0)
        return self._file.read(self._lengths.pop())

    async def aclose(self) -> None:
        """Delete the file."""
        self._file.close()
        self._disk.release(self._taken)
        self._taken = 0


async def listing(records: AsyncIterator[bytes], disk: TemporaryDisk) -> Listing:
    """A listing of all records: in one block if they are few, else in a first block and a spool."""
    spool = Spool(disk)
    try:
        return await _collect(records, spool)
    except BaseException:
        await spool.aclose()
        raise


async def _collect(records: AsyncIterator[bytes], spool: Spool) -> Listing:
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
