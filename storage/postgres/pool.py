"""Connections to PostgreSQL: few, shared by all requests, replaced when they are lost."""

import asyncio
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from typing import Any, TypeAlias, cast

import asyncpg
from asyncpg.pool import PoolConnectionProxy

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
COMMAND_SECONDS = 30
# The number of rows of a long list that are in memory at once.
PREFETCHED_ROWS = 100

# Not in the connection's start-up parameters: a pooler refuses those or, worse, ignores them. Foreign tables with the
# same names, including temporary ones, must never be used. Rows hidden by a policy are an error, because hidden keys
# would open the database to everybody. A node that stops in a transaction must not lock a workspace forever. A commit
# is on the disk when it returns, even if the server's own setting would not wait for that.
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

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record] | PoolConnectionProxy[asyncpg.Record]"


async def connect(url: str, command_seconds: float | None = COMMAND_SECONDS) -> Connection:
    """A connection outside the pool; commands time out after `command_seconds`, or never if that is None."""
    connection = await asyncpg.connect(url, timeout=CONNECT_SECONDS, command_timeout=command_seconds)
    try:
        await set_up(connection)
    except BaseException:
        connection.terminate()
        raise
    return connection


async def set_up(connection: Connection) -> None:
    """Set the parameters on which every statement relies, for the lifetime of the connection."""
    await connection.execute(_SET_UP)


async def _leave(_connection: Connection) -> None:
    # asyncpg would reset settings that no statement here changes, with a round trip each time.
    return


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


class Pool(Reader):
    """Lends connections to `url`: at most ten, each to one user at a time."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool
        # asyncpg's own queue lets newcomers overtake waiting requests, for seconds under load.
        self._free = asyncio.Semaphore(MAX_CONNECTIONS)
        self._waiting = 0

    @classmethod
    async def open(cls, url: str) -> "Pool":
        """A pool with a first connection."""
        pool = await asyncpg.create_pool(
            url,
            min_size=1,
            max_size=MAX_CONNECTIONS,
            timeout=CONNECT_SECONDS,
            command_timeout=COMMAND_SECONDS,
            init=set_up,
            reset=_leave,
        )
        return cls(pool)

    async def close(self) -> None:
        """Close every connection when it is returned."""
        await self._pool.close()

    def terminate(self) -> None:
        """Close every connection at once."""
        self._pool.terminate()

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[ConnectionRows]:
        """Borrow a connection. Raises `StorageUnavailable` if none is free in time."""
        if self._waiting >= MAX_WAITING:
            raise StorageUnavailable(f"{MAX_WAITING} requests are waiting for a connection already", is_busy=True)
        self._waiting += 1
        try:
            lent = await self._lend()
        except Exception as error:
            raise as_storage_error(error) from error
        finally:
            self._waiting -= 1
        try:
            yield ConnectionRows(lent)
        except Exception as error:
            unavailable = as_storage_error(error)
            if unavailable is not error:
                # Its server may be stopping, or have become a replica: the next one is a new connection.
                with suppress(asyncpg.InterfaceError):  # it is already closed
                    lent.terminate()
                raise unavailable from error
            raise
        finally:
            await self._give_back(lent)

    async def _give_back(self, lent: "PoolConnectionProxy[asyncpg.Record]") -> None:
        try:
            await self._pool.release(lent, timeout=WAIT_SECONDS)
        except Exception as error:
            unavailable = as_storage_error(error)
            if unavailable is error:
                raise
            # asyncpg has closed it. The work on it is done, or has failed with an error of its own.
            logger.warning("A connection to PostgreSQL was closed, because it could not be given back: %s", unavailable)
        finally:
            self._free.release()

    async def _lend(self) -> "PoolConnectionProxy[asyncpg.Record]":
        async with asyncio.timeout(WAIT_SECONDS):
            await self._free.acquire()
            try:
                return await self._pool.acquire()
            except BaseException:
                self._free.release()
                raise

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
