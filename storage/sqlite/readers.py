"""Reading: points on the event loop, long lists in a thread.

A list is read at once, in one statement and so from one moment. What does not fit into its first block waits in a
temporary file for its reader: however slow that one is, it holds no connection, and no moment that the write-ahead
log would have to keep.
"""

import asyncio
from collections.abc import Awaitable, Callable, Generator, Iterable
from concurrent.futures import ThreadPoolExecutor
from tempfile import SpooledTemporaryFile
from typing import Any, TypeVar

import apsw

from ..errors import StorageUnavailable
from ..records import Listing
from .connection import as_unavailable, connect_reader

Bindings = dict[str, str | int]
Answer = TypeVar("Answer")
# The tables are STRICT: what a column holds is known from its statement.
Row = tuple[Any, ...]

# A point read happens on the event loop, which a lock must not hold up.
POINT_BUSY_TIMEOUT_MS = 100
FIRST_BLOCK_BYTES = 64 * 1024
BLOCK_BYTES = 256 * 1024
# A waiting list has so much of it in memory at most; the rest is in the temporary file.
SPOOL_MEMORY_BYTES = 2 * 1024 * 1024
MOST_CONNECTIONS = 8
MOST_WAITING = 256


class Readers:
    """The connections that read from the file at `path`."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._point = connect_reader(path, busy_timeout_ms=POINT_BUSY_TIMEOUT_MS)
        self._short = connect_reader(path, busy_timeout_ms=POINT_BUSY_TIMEOUT_MS)
        # SQLite gives up a list that grows longer, or a record that is, as soon as it sees that.
        self._short.limit(apsw.SQLITE_LIMIT_LENGTH, FIRST_BLOCK_BYTES)
        self._idle: list[apsw.Connection] = []
        self._free = asyncio.Semaphore(MOST_CONNECTIONS)
        self._waiting = 0
        self._threads = ThreadPoolExecutor(max_workers=4, thread_name_prefix="amplifierd-reader")

    def close(self) -> None:
        """Let go of every connection."""
        self._threads.shutdown()
        for connection in [self._point, self._short, *self._idle]:
            connection.close()

    def row(self, statement: str, bindings: Bindings) -> Row | None:
        """The one row of a point read, on the event loop; None where there is none."""
        try:
            return self._point.execute(statement, bindings).fetchone()
        except apsw.Error as error:
            raise as_unavailable(error) from error

    def column(self, statement: str, bindings: Bindings) -> list[bytes]:
        """The BLOBs of a short list, on the event loop."""
        try:
            return [blob for (blob,) in self._point.execute(statement, bindings)]
        except apsw.Error as error:
            raise as_unavailable(error) from error

    def block(self, statement: str, bindings: Bindings, most_bytes: int) -> list[Row]:
        """The first rows of a list, on the event loop, until the BLOBs at their ends have so many bytes."""
        try:
            return first_rows(self._point.execute(statement, bindings), most_bytes, lambda row: len(row[-1]))
        except apsw.Error as error:
            raise as_unavailable(error) from error

    def joined(self, statement: str, bindings: Bindings) -> bytes | None:
        """The BLOB of a list that SQLite joins, on the event loop; None where it is too long for that."""
        try:
            [(blob,)] = self._short.execute(statement, bindings)
        except apsw.TooBigError:
            return None
        except apsw.Error as error:
            raise as_unavailable(error) from error
        return blob or b""

    async def work(self, work: Callable[[apsw.Connection], Answer]) -> Answer:
        """What `work` reads, in a thread."""

        async def read(connection: apsw.Connection) -> Answer:
            return await self._in_thread(lambda: work(connection))

        return await self._with_connection(read)

    async def column_of_many(self, statement: str, bindings: Bindings) -> list[bytes]:
        """The BLOBs of a short list for which much is read, in a thread."""
        return await self.work(lambda connection: [blob for (blob,) in connection.execute(statement, bindings)])

    async def listing(self, statement: str, bindings: Bindings, *, searching: bool = False) -> Listing:
        """The rows of `statement`, of a BLOB each; it reads the first block on the event loop.

        Or in a thread, where it is `searching`: much may be read for few rows.
        """
        return await self._with_connection(
            lambda connection: self._read(_blocks(connection.execute(statement, bindings)), searching=searching)
        )

    async def _with_connection(self, read: Callable[[apsw.Connection], Awaitable[Answer]]) -> Answer:
        if self._waiting >= MOST_WAITING:
            raise StorageUnavailable(f"{MOST_WAITING} lists are waiting to be read already")
        self._waiting += 1
        try:
            async with self._free:
                return await self._lend(read)
        except (apsw.Error, OSError) as error:
            raise as_unavailable(error) from error
        finally:
            self._waiting -= 1

    async def _lend(self, read: Callable[[apsw.Connection], Awaitable[Answer]]) -> Answer:
        connection = self._idle.pop() if self._idle else connect_reader(self._path)
        try:
            answer = await read(connection)
        except BaseException:
            connection.close()
            raise
        self._idle.append(connection)
        return answer

    async def _read(self, blocks: Generator[bytes, None, None], *, searching: bool) -> Listing:
        first = await self._in_thread(lambda: next(blocks)) if searching else next(blocks)
        if len(first) < FIRST_BLOCK_BYTES:
            return Listing(first)
        # A request that is given up leaves the thread to its end: the connection is the thread's until then.
        reading = asyncio.get_running_loop().run_in_executor(self._threads, _spool, blocks)
        try:
            return Listing(first, await asyncio.shield(reading))
        except asyncio.CancelledError:
            await (await reading).aclose()
            raise

    async def _in_thread(self, work: Callable[[], Answer]) -> Answer:
        working = asyncio.get_running_loop().run_in_executor(self._threads, work)
        try:
            return await asyncio.shield(working)
        except asyncio.CancelledError:
            # Its connection is the thread's until it is done.
            await working
            raise


def first_rows(rows: apsw.Cursor, most: int, size: Callable[[Row], int]) -> list[Row]:
    """The first rows, until their sizes come to `most`; the others are not read."""
    taken: list[Row] = []
    total = 0
    for row in rows:
        taken.append(row)
        total += size(row)
        if total >= most:
            rows.close()
            break
    return taken


class Spooled:
    """The blocks of a list after its first, as long as they were written."""

    def __init__(self, file: SpooledTemporaryFile[bytes], lengths: list[int]) -> None:
        self._file = file
        self._lengths = iter(lengths)

    def __aiter__(self) -> "Spooled":
        return self

    async def __anext__(self) -> bytes:
        length = next(self._lengths, None)
        if length is None:
            await self.aclose()
            raise StopAsyncIteration
        return self._file.read(length)

    async def aclose(self) -> None:
        """Let go of the file."""
        self._file.close()


def _spool(blocks: Iterable[bytes]) -> Spooled:
    """The blocks in a file, each with the comma before it."""
    file = SpooledTemporaryFile[bytes](max_size=SPOOL_MEMORY_BYTES)  # its reader closes it
    lengths = [file.write(b"," + block) for block in blocks if block]
    file.seek(0)
    return Spooled(file, lengths)


def _blocks(rows: Iterable[Row]) -> Generator[bytes, None, None]:
    """Rows joined by commas: a first block, then greater ones; the last is shorter than its size, perhaps empty."""
    taken: list[bytes] = []
    length, size = 0, FIRST_BLOCK_BYTES
    for (row,) in rows:
        taken.append(row)
        length += len(row)
        if length >= size:
            yield b",".join(taken)
            taken = []
            length, size = 0, BLOCK_BYTES
    yield b",".join(taken)
