"""Counts the messages that wait for background work, once for all callers at about the same time."""

import time
from collections.abc import Awaitable, Callable

from ...model.database_errors import DatabaseDamaged
from ...model.errors import StorageUnavailable
from ..concurrency_limit import SharedTask

# A count is valid for this time, or for REST times the time that it took, if that is longer.
COUNTED_SECONDS = 1.0
REST = 10
# The maximum time that a request waits for a database that does not respond.
WAIT_SECONDS = 1.0


class WaitingCount:
    """The last result of `count`, renewed when it is too old."""

    def __init__(self, count: Callable[[], Awaitable[int]]) -> None:
        self._count = count
        self._counted: int | None = None
        self._valid_until = 0.0
        self._counting = SharedTask(self._renew)

    async def close(self) -> None:
        """Cancel a running count."""
        await self._counting.close()

    async def get(self) -> int | None:
        """A recent count; None if the database does not respond within WAIT_SECONDS, or fails."""
        is_old = time.monotonic() >= self._valid_until
        return None if is_old and not await self._counting.run(WAIT_SECONDS) else self._counted

    async def _renew(self) -> None:
        began = time.monotonic()
        try:
            self._counted = await self._count()
        except (StorageUnavailable, DatabaseDamaged):
            self._counted = None
        finally:
            now = time.monotonic()
            self._valid_until = now + max(COUNTED_SECONDS, REST * (now - began))
