"""Connections to PostgreSQL: few, shared by all requests, replaced when they are lost."""

import asyncio
import logging
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import asynccontextmanager, nullcontext, suppress
from dataclasses import dataclass
from typing import Any, TypeAlias, cast

import asyncpg

from ..model.errors import StorageUnavailable
from ..sql.ports import Bindings, Reader, Row, Rows, take_until_size
from .binding import bound
from .errors import as_storage_error

logger = logging.getLogger(__name__)

SCHEMA = "amplifierd"
MAX_CONNECTIONS = 10
MAX_WAITING = 4_096
# A connection that takes longer counts as failed.
CONNECT_SECONDS = 5
WAIT_SECONDS = 5
ANSWER_SECONDS = 30
# An idle connection may be cut on the way to the server, and a server's process grows with its use.
MAX_IDLE_SECONDS = 300
MAX_LENT = 50_000
# The number of rows of a long list that are in memory at once.
PREFETCHED_ROWS = 100

# Not in the connection's start-up parameters: a pooler refuses those or, worse, ignores them. Tables of others with our
# names, including temporary ones, must never be used. Rows hidden by a policy are an error, because hidden keys would
# open the database to everybody. A node that stops in a transaction must not lock a workspace for ever. A commit is on
# the disk when it returns, even if the server's own setting would not wait for that.
_SET_UP = f"""
SELECT
    set_config('application_name', 'amplifierd', FALSE),
    set_config('search_path', '{SCHEMA}, pg_temp', FALSE),
    set_config('row_security', 'off', FALSE),
    set_config('lock_timeout', '5s', FALSE),
    set_config('idle_in_transaction_session_timeout', '10s', FALSE),
    set_config(
        'synchronous_commit',
        CASE current_setting('synchronous_commit') WHEN 'off' THEN 'on' ELSE current_setting('synchronous_commit') END,
        FALSE
    )
"""

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"


async def connect(url: str, answer_seconds: float | None = ANSWER_SECONDS) -> Connection:
    """A connection of its own; answers time out after `seconds`, never if that is None."""
    connection = await asyncpg.connect(url, timeout=CONNECT_SECONDS, command_timeout=answer_seconds)
    try:
        await set_up(connection)
    except BaseException:
        connection.terminate()
        raise
    return connection


async def set_up(connection: Connection) -> None:
    """Set what every statement here relies on, for the lifetime of the connection."""
    await connection.execute(_SET_UP)


class ConnectionRows(Rows):
    """Runs statements on one connection."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection

    async def row(self, statement: str, bindings: Mapping[str, object]) -> Row | None:
        text, values = bound(statement, bindings)
        # A record behaves like a tuple.
        return cast("Row | None", await self.connection.fetchrow(text, *values))

    async def all(self, statement: str, bindings: Mapping[str, object]) -> list[Row]:
        text, values = bound(statement, bindings)
        return cast("list[Row]", await self.connection.fetch(text, *values))


@dataclass(slots=True)
class _Pooled:
    """A connection of the pool: how often it was lent, and since when nobody has it, by the clock of the event loop."""

    connection: Connection
    lent: int = 0
    idle_since: float = 0.0


class Pool(Reader):
    """Lends connections to `url`: at most ten, each to one user at a time.

    asyncpg's own pool takes half of the time of a short statement, and lets newcomers overtake waiting requests, for
    seconds under load.
    """

    def __init__(self, url: str) -> None:
        self._url = url
        self._free = asyncio.Semaphore(MAX_CONNECTIONS)
        # The one that was used last is the last.
        self._idle: deque[_Pooled] = deque()
        self._lent: dict[int, _Pooled] = {}
        self._closing: set[asyncio.Task[None]] = set()
        self._waiting = 0
        self._is_closed = False

    @classmethod
    async def open(cls, url: str) -> "Pool":
        """A pool with a first connection."""
        pool = cls(url)
        async with pool.connection():
            return pool

    async def close(self) -> None:
        """Close every connection when it is returned."""
        self._is_closed = True
        for _ in range(MAX_CONNECTIONS):
            await self._free.acquire()
        while self._idle:
            self._retire(self._idle.pop())
        if self._closing:
            await asyncio.wait(self._closing)

    def terminate(self) -> None:
        """Close every connection at once."""
        for pooled in [*self._idle, *self._lent.values()]:
            pooled.connection.terminate()

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[ConnectionRows]:
        """Borrow a connection. Raises `StorageUnavailable` if none is free in time."""
        if self._waiting >= MAX_WAITING:
            raise StorageUnavailable(f"{MAX_WAITING} requests are waiting for a connection already", is_busy=True)
        self._waiting += 1
        try:
            pooled = await self._lend()
        except Exception as error:
            raise as_storage_error(error) from error
        finally:
            self._waiting -= 1
        try:
            yield ConnectionRows(pooled.connection)
        except BaseException as error:
            unavailable = as_storage_error(error) if isinstance(error, Exception) else error
            if unavailable is not error:
                # Its server may be stopping, or have become a replica: the next one is a new connection.
                pooled.connection.terminate()
            # It is given back, or closed, even if this request is cancelled.
            await asyncio.shield(self._settle(pooled))
            if unavailable is not error:
                raise unavailable from error
            raise
        else:
            self._give_back(pooled)

    async def _lend(self) -> _Pooled:
        if self._is_closed:
            raise asyncpg.InterfaceError("the pool is closed")
        async with asyncio.timeout(WAIT_SECONDS) if self._free.locked() else nullcontext():
            await self._free.acquire()
        try:
            pooled = self._next_idle() or _Pooled(await connect(self._url))
        except BaseException:
            self._free.release()
            raise
        pooled.lent += 1
        self._lent[id(pooled)] = pooled
        return pooled

    def _next_idle(self) -> _Pooled | None:
        """The idle connection that was used last; those that must not be used again are closed."""
        while self._idle:
            pooled = self._idle.pop()
            if pooled.connection.is_closed():
                continue
            if pooled.lent < MAX_LENT and pooled.idle_since > self._now() - MAX_IDLE_SECONDS:
                return pooled
            self._retire(pooled)
        return None

    async def _settle(self, pooled: _Pooled) -> None:
        """Give a connection back after an error: the driver waits until a cancelled statement has ended."""
        try:
            if not pooled.connection.is_closed():
                async with asyncio.timeout(WAIT_SECONDS):
                    await pooled.connection.execute("SELECT")
        except Exception as error:
            pooled.connection.terminate()
            unavailable = as_storage_error(error)
            if unavailable is error:
                raise
            # The work on it has failed with an error of its own.
            logger.warning("A connection to PostgreSQL was closed, because it could not be given back: %s", unavailable)
        finally:
            self._give_back(pooled)

    def _give_back(self, pooled: _Pooled) -> None:
        del self._lent[id(pooled)]
        connection = pooled.connection
        if not connection.is_closed() and connection.is_in_transaction():
            # Its end was cancelled.
            connection.terminate()
        if not connection.is_closed():
            pooled.idle_since = self._now()
            self._idle.append(pooled)
        self._free.release()
        if self._idle and self._idle[0].idle_since < self._now() - MAX_IDLE_SECONDS:
            self._retire(self._idle.popleft())

    def _retire(self, pooled: _Pooled) -> None:
        """Close a connection that nobody uses."""
        closing = asyncio.ensure_future(_close(pooled.connection))
        self._closing.add(closing)
        closing.add_done_callback(self._closing.discard)

    def _now(self) -> float:
        return asyncio.get_running_loop().time()

    async def row(self, statement: str, bindings: Mapping[str, object]) -> Row | None:
        async with self.connection() as connection:
            return await connection.row(statement, bindings)

    async def all(self, statement: str, bindings: Mapping[str, object]) -> list[Row]:
        async with self.connection() as connection:
            return await connection.all(statement, bindings)

    async def block(self, statement: str, bindings: Bindings, most_bytes: int) -> list[Row]:
        return take_until_size(
            await self.all(statement, bindings | {"bytes": most_bytes}), most_bytes, lambda row: len(row[-1])
        )

    async def column(self, statement: str, bindings: Bindings) -> AsyncGenerator[bytes, None]:
        """The bytes of each row of a long list, as of one moment; its owner must read it to its end, or close it."""
        text, values = bound(statement, bindings)
        async with self.connection() as lent, lent.connection.transaction(readonly=True):
            cursor: Any = lent.connection.cursor(text, *values, prefetch=PREFETCHED_ROWS)
            async for row in cursor:
                yield row[0]


async def _close(connection: Connection) -> None:
    # asyncpg terminates a connection that does not close in time.
    with suppress(Exception):
        await connection.close(timeout=WAIT_SECONDS)
