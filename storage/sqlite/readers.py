"""Reads single rows on the event loop, and long lists in a thread.

A list is read in one statement, so as of one moment.
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar, TypeVarTuple

import apsw

from ..model.errors import StorageUnavailable
from ..model.records import Listing
from ..sql.ports import LONG_VALUE_BYTES, Bindings, Row
from ..sql.spool import BLOCK_BYTES, FIRST_BLOCK_BYTES, Spool
from ..sql.temporary_files import TemporaryDisk
from .connection import INTERRUPT_SECONDS, as_storage_error, check_not_replaced, connect_reader, shrink
from .rows import ConnectionRows, run_sync

Result = TypeVar("Result")
Arguments = TypeVarTuple("Arguments")

# Single rows are read on the event loop, which a lock must not block.
POINT_BUSY_TIMEOUT_MS = 100
MAX_CONNECTIONS = 8
MAX_WAITING = 256


class Readers:
    """The connections for reads of the file at `path`; long lists wait for their clients on `disk`."""

    def __init__(self, path: str, disk: TemporaryDisk) -> None:
        self._path = path
        self._point = connect_reader(path, busy_timeout_ms=POINT_BUSY_TIMEOUT_MS)
        # SQLite aborts a statement as soon as a list or a record reaches this length.
        self._point.limit(apsw.SQLITE_LIMIT_LENGTH, LONG_VALUE_BYTES)
        self.points = PointRows(self._point, self)
        self._idle: list[apsw.Connection] = []
        self._lent: set[apsw.Connection] = set()
        self._free = asyncio.Semaphore(MAX_CONNECTIONS)
        self._waiting = 0
        self._disk = disk
        self._threads = ThreadPoolExecutor(max_workers=4, thread_name_prefix="amplifierd-reader")

    def close(self) -> None:
        """Close every connection; reads in threads are interrupted."""
        for connection in self._lent:
            connection.interrupt()
        self._threads.shutdown()
        for connection in [self._point, *self._idle]:
            connection.close()

    def check_not_replaced(self) -> None:
        """Raises `FileMoved` if the file was moved, deleted or replaced."""
        check_not_replaced(self._point)

    def joined(self, statement: str, bindings: Bindings) -> bytes | None:
        """Read a list that SQLite joins into one BLOB, on the event loop; None if it is too long, or without a row."""
        try:
            row = self._point.execute(statement, bindings).fetchone()
        except apsw.TooBigError:
            return None
        except apsw.Error as error:
            raise as_storage_error(error) from error
        return None if row is None else row[0]

    async def work(self, work: Callable[[apsw.Connection], Result]) -> Result:
        """Run a read in a thread, on a connection of its own, and return its result."""

        async def read(connection: apsw.Connection) -> Result:
            return await self._in_thread(connection, lambda: work(connection))

        return await self._with_connection(read)

    async def listing(self, statement: str, bindings: Bindings, *, searching: bool = False) -> Listing:
        """The rows of `statement`, each a BLOB; the first block is read on the event loop.

        With `searching` it is read in a thread, too, because the statement may read much for few rows.
        """
        return await self._with_connection(
            lambda connection: self._read(connection, statement, bindings, searching=searching)
        )

    async def _with_connection(self, read: Callable[[apsw.Connection], Awaitable[Result]]) -> Result:
        if self._waiting >= MAX_WAITING:
            raise StorageUnavailable(f"{MAX_WAITING} lists are waiting to be read already")
        self._waiting += 1
        try:
            async with self._free:
                return await self._lend(read)
        except (apsw.Error, OSError) as error:
            raise as_storage_error(error) from error
        finally:
            self._waiting -= 1

    async def _lend(self, read: Callable[[apsw.Connection], Awaitable[Result]]) -> Result:
        connection = self._idle.pop() if self._idle else connect_reader(self._path)
        self._lent.add(connection)
        try:
            result = await read(connection)
        except BaseException:
            connection.close()
            raise
        finally:
            self._lent.discard(connection)
        shrink(connection)
        self._idle.append(connection)
        return result

    async def _read(
        self, connection: apsw.Connection, statement: str, bindings: Bindings, *, searching: bool
    ) -> Listing:
        blocks = _blocks(connection, statement, bindings)
        first = None if searching else _first_if_short(connection, blocks)
        if first is None:
            blocks = _blocks(connection, statement, bindings)
            first = await self._in_thread(connection, lambda: next(blocks))
        if len(first) < FIRST_BLOCK_BYTES:
            return Listing(first)
        spool = Spool(self._disk)
        try:
            await self._in_thread(connection, lambda: spool.add_all(blocks))
        except BaseException:
            await spool.aclose()
            raise
        return Listing(first, spool)

    async def _in_thread(self, connection: apsw.Connection, work: Callable[[], Result]) -> Result:
        running = self._threads.submit(work)
        working = asyncio.wrap_future(running)
        try:
            return await asyncio.shield(working)
        except asyncio.CancelledError:
            # Wait until the thread has finished with the connection, which is soon, or drop work that has not begun.
            while not (running.cancel() or working.done()):
                connection.interrupt()
                await asyncio.wait([working], timeout=INTERRUPT_SECONDS)
            # Nobody needs the error of an interrupted read. A read that never began is cancelled in the next iteration.
            working.add_done_callback(lambda done: done.cancelled() or done.exception())
            raise


class PointRows(ConnectionRows):
    """Runs statements on `connection`, on the event loop; if a value is long, `readers` run them again in a thread."""

    def __init__(self, connection: apsw.Connection, readers: Readers) -> None:
        super().__init__(connection)
        self._readers = readers

    async def row(self, statement: str, bindings: Bindings) -> Row | None:
        try:
            return await super().row(statement, bindings)
        except apsw.TooBigError:
            return await self._again(ConnectionRows.row, statement, bindings)

    async def all(self, statement: str, bindings: Bindings) -> list[Row]:
        try:
            return await super().all(statement, bindings)
        except apsw.TooBigError:
            return await self._again(ConnectionRows.all, statement, bindings)

    async def block(self, statement: str, bindings: Bindings, most_bytes: int) -> list[Row]:
        try:
            return await super().block(statement, bindings, most_bytes)
        except apsw.TooBigError:
            return await self._again(ConnectionRows.block, statement, bindings, most_bytes)

    async def _again(
        self, read: Callable[[ConnectionRows, *Arguments], Coroutine[Any, Any, Result]], *arguments: *Arguments
    ) -> Result:
        return await self._readers.work(lambda connection: run_sync(read(ConnectionRows(connection), *arguments)))


def _first_if_short(connection: apsw.Connection, blocks: Iterator[bytes]) -> bytes | None:
    """The first block; None if a value in it has more than LONG_VALUE_BYTES."""
    most = connection.limit(apsw.SQLITE_LIMIT_LENGTH, -1)
    connection.limit(apsw.SQLITE_LIMIT_LENGTH, LONG_VALUE_BYTES)
    try:
        return next(blocks)
    except apsw.TooBigError:
        return None
    finally:
        connection.limit(apsw.SQLITE_LIMIT_LENGTH, most)


def _blocks(connection: apsw.Connection, statement: str, bindings: Bindings) -> Generator[bytes, None, None]:
    """The rows of a statement, joined by commas: a first block of FIRST_BLOCK_BYTES, then blocks of BLOCK_BYTES.

    The last block is shorter, perhaps empty.
    """
    records: list[bytes] = []
    length, size = 0, FIRST_BLOCK_BYTES
    for (row,) in connection.execute(statement, bindings):
        records.append(row)
        length += len(row)
        if length >= size:
            yield b",".join(records)
            records = []
            length, size = 0, BLOCK_BYTES
    yield b",".join(records)
