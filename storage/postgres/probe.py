"""A connection for health checks: no other request delays them."""

import asyncio

from ..sql.ports import Row
from .errors import as_storage_error
from .pool import Connection, ConnectionRows, connect

COMMAND_SECONDS = 5


class Probe:
    """Runs statements on a separate connection to `url`, opened when needed, and reopened after it was lost."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._connection: Connection | None = None
        self._turn = asyncio.Lock()

    async def row(self, statement: str) -> Row | None:
        """The first row, None if there is none. Raises `StorageUnavailable`."""
        async with self._turn:
            try:
                if self._connection is None or self._connection.is_closed():
                    self._connection = await connect(self._url, COMMAND_SECONDS)
                return await ConnectionRows(self._connection).row(statement, {})
            except BaseException as error:
                self.close()
                if isinstance(error, Exception):
                    raise as_storage_error(error) from error
                raise

    def close(self) -> None:
        """Close the connection."""
        if self._connection is not None:
            self._connection.terminate()
            self._connection = None
