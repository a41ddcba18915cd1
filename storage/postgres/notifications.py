"""Notifies other nodes of commits, and receives their notifications.

A notification only reports that there is something to read. If one is lost, readers wait until their next poll.
"""

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress

from ..model.errors import StorageUnavailable
from .errors import as_storage_error
from .pool import Connection, connect
from .statements import PostgresStatements

logger = logging.getLogger(__name__)

CHANNEL = "amplifierd"
# Many commits share one notification, because a notification takes a lock that all commits of the server share.
BETWEEN_NOTIFICATIONS_SECONDS = 0.005
PROBE_SECONDS = 5
RETRY_SECONDS = 1


class Notifications:
    """A connection to `url` that calls `heard` when another node has committed."""

    def __init__(self, url: str, heard: Callable[[], None]) -> None:
        self._url = url
        self._heard = heard
        self._to_tell = asyncio.Event()
        self._task = asyncio.create_task(self._run())

    def tell(self) -> None:
        """Notify the others soon."""
        self._to_tell.set()

    async def close(self) -> None:
        """Stop listening."""
        self._task.cancel()
        with suppress(asyncio.CancelledError):
            await self._task

    async def _run(self) -> None:
        while True:
            try:
                await self._listen()
            except Exception as error:
                unavailable = as_storage_error(error)
                if not isinstance(unavailable, StorageUnavailable):
                    raise
                logger.warning("LISTEN connection lost; polling instead: %s", unavailable)
            await asyncio.sleep(RETRY_SECONDS)

    async def _listen(self) -> None:
        connection = await connect(self._url)
        try:
            # Not the process id from the connection's start: a pooler invents that.
            self._own_pid = await connection.fetchval("SELECT pg_backend_pid()")
            await connection.add_listener(CHANNEL, self._hear)
            # Notifications sent meanwhile were lost.
            self._heard()
            while True:
                await self._tell_or_probe(connection)
                await asyncio.sleep(BETWEEN_NOTIFICATIONS_SECONDS)
        finally:
            connection.terminate()

    async def _tell_or_probe(self, connection: Connection) -> None:
        try:
            async with asyncio.timeout(PROBE_SECONDS):
                await self._to_tell.wait()
        except TimeoutError:
            await connection.execute("SELECT 1")
            return
        self._to_tell.clear()
        await connection.execute(PostgresStatements.NOTIFY)

    def _hear(self, _connection: object, sender: int, _channel: str, _payload: object) -> None:
        if sender != self._own_pid:
            self._heard()
