"""Tells other nodes that something was committed, and hears it from them.

A notification only says that there is something to read. One that is lost delays nobody for longer than followers wait
before they look unasked.
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
# Many commits that come together are told at once: a notification holds a lock that all commits of the server share.
BETWEEN_NOTIFICATIONS_SECONDS = 0.005
PROBE_SECONDS = 5
RETRY_SECONDS = 1


class Notifications:
    """A connection to `url` that `heard` is called from when another node has committed."""

    def __init__(self, url: str, heard: Callable[[], None]) -> None:
        self._url = url
        self._heard = heard
        self._to_tell = asyncio.Event()
        self._task = asyncio.create_task(self._run())

    def tell(self) -> None:
        """Tell the others, soon."""
        self._to_tell.set()

    async def close(self) -> None:
        """Hear nothing any more."""
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
                logger.warning("What other nodes commit is not heard, and looked for unasked: %s", unavailable)
            await asyncio.sleep(RETRY_SECONDS)

    async def _listen(self) -> None:
        connection = await connect(self._url)
        try:
            # Not what the connection was told at its start: a pooler makes that up.
            self._own_pid = await connection.fetchval("SELECT pg_backend_pid()")
            await connection.add_listener(CHANNEL, self._hear)
            # What was told meanwhile was lost.
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
