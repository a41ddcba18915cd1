"""Reading: points on the event loop, lists block by block from connections of their own.

A list's statement stays open between its blocks, so the list is from one moment however long its reader takes.
"""

import asyncio
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import apsw

from ..errors import StorageUnavailable
from ..records import Listing
from .connection import away_is_unavailable, connect_reader

Bindings = dict[str, str | int]
# The tables are STRICT: what a column holds is known from its statement.
Row = tuple[Any, ...]

# A point read happens on the event loop, which a lock must not hold up.
POINT_BUSY_TIMEOUT_MS = 100
FIRST_BLOCK_BYTES = 64 * 1024
BLOCK_BYTES = 256 * 1024
MOST_OPEN_LISTS = 256


class Readers:
    """The connections that read from the file at `path`."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._point = connect_reader(path, busy_timeout_ms=POINT_BUSY_TIMEOUT_MS)
        self._idle: list[apsw.Connection] = []
        self._open: set[OpenList] = set()
        self._threads = ThreadPoolExecutor(max_workers=4, thread_name_prefix="amplifierd-reader")

    async def close(self) -> None:
        """Let go of every connection; a list that is still open ends here."""
        for open_list in list(self._open):
            await open_list.aclose()
        self._threads.shutdown()
        for connection in [self._point, *self._idle]:
            connection.close()

    def row(self, statement: str, bindings: Bindings) -> Row | None:
        """The one row of a point read, on the event loop; None where there is none."""
        with away_is_unavailable():
            return self._point.execute(statement, bindings).fetchone()

    def rows(self, statement: str, bindings: Bindings) -> list[Row]:
        """The rows of a short list, on the event loop."""
        with away_is_unavailable():
            return self._point.execute(statement, bindings).fetchall()

    def listing(self, statement: str, bindings: Bindings) -> Listing:
        """The rows of `statement`, each one BLOB, as a listing whose first block is read on the event loop."""
        if len(self._open) >= MOST_OPEN_LISTS:
            raise StorageUnavailable(f"{MOST_OPEN_LISTS} lists are being read already")
        with away_is_unavailable():
            connection = self._idle.pop() if self._idle else connect_reader(self._path)
            try:
                blocks = _blocks(connection.execute(statement, bindings))
                first = next(blocks)
            except apsw.Error:
                connection.close()
                raise
        if len(first) < FIRST_BLOCK_BYTES:
            self._idle.append(connection)
            return Listing(first)

        def release() -> None:
            self._open.discard(rest)
            self._idle.append(connection)

        rest = OpenList(blocks, self._threads, release)
        self._open.add(rest)
        return Listing(first, rest)


class OpenList:
    """The blocks of a list after its first, each read in a thread; closing it, or its end, calls `release` once."""

    def __init__(
        self, blocks: Generator[bytes, None, None], threads: ThreadPoolExecutor, release: Callable[[], None]
    ) -> None:
        self._blocks = blocks
        self._threads = threads
        self._release: Callable[[], None] | None = release
        self._reading: asyncio.Future[bytes | None] | None = None

    def __aiter__(self) -> "OpenList":
        return self

    async def __anext__(self) -> bytes:
        self._reading = asyncio.get_running_loop().run_in_executor(self._threads, next, self._blocks, None)
        with away_is_unavailable():
            block = await asyncio.shield(self._reading)
        if not block:
            await self.aclose()
            raise StopAsyncIteration
        return b"," + block

    async def aclose(self) -> None:
        """End the statement; where a thread still reads for a request that was cancelled, once that is done."""
        if self._release is None:
            return
        release, self._release = self._release, None
        if self._reading is not None:
            await asyncio.wait([self._reading])
        self._blocks.close()
        release()


def _blocks(rows: Iterable[Row]) -> Generator[bytes, None, None]:
    """Rows joined by commas: a first block, then greater ones; the last is shorter than its size, perhaps empty."""
    taken: list[bytes] = []
    length, size = 0, FIRST_BLOCK_BYTES
    for row, *_ in rows:
        taken.append(row)
        length += len(row)
        if length >= size:
            yield b",".join(taken)
            taken = []
            length, size = 0, BLOCK_BYTES
    yield b",".join(taken)
