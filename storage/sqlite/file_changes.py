"""Detects changes in the file: changes by this process at once, changes by others ten times a second."""

from collections.abc import Iterable

from ..model.errors import StorageUnavailable
from ..operations.events import change_notifier
from .connection import connect_reader
from .readers import POINT_BUSY_TIMEOUT_MS
from .rows import ConnectionRows
from .statements import SQLiteStatements

POLL_SECONDS = 0.1


class ChangeNotifier(change_notifier.ChangeNotifier):
    """Detects changes in the file at `path`."""

    def __init__(self, path: str) -> None:
        self._connection = connect_reader(path, busy_timeout_ms=POINT_BUSY_TIMEOUT_MS)
        rows = ConnectionRows(self._connection)
        super().__init__(rows, SQLiteStatements(), POLL_SECONDS)
        self._rows = rows
        self._data_version: int | None = None

    async def close(self) -> None:
        await super().close()
        self._connection.close()

    async def _notify(self, workspaces: Iterable[str]) -> None:
        row = await self._rows.one(SQLiteStatements.DATA_VERSION, {})
        workspaces = set(workspaces)
        if row[0] == self._data_version and workspaces <= self._revisions.keys():
            return
        try:
            await super()._notify(workspaces)
        except StorageUnavailable:
            self._data_version = None
            raise
        self._data_version = row[0]
