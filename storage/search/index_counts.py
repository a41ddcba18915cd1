"""How far the search index of each workspace is: counted once for all who ask at about the same time."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress

from ..model.errors import StorageUnavailable
from ..model.queries import IndexProgress

# A count is as old as that, or as ten times the time that it took.
COUNTED_SECONDS = 1.0
REST = 10
# Who asks does not wait longer for a database that does not answer.
WAIT_SECONDS = 1.0
MAX_COUNTED = 10_000

Count = Callable[[str], Awaitable[IndexProgress]]


class IndexCounts:
    """The last counts; `count` makes one for a workspace."""

    def __init__(self, count: Count) -> None:
        self._count = count
        self._counted: dict[str, IndexProgress] = {}
        self._valid_until: dict[str, float] = {}
        self._counting: dict[str, asyncio.Task[None]] = {}

    async def close(self) -> None:
        """Stop counting."""
        for task in [*self._counting.values()]:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    async def of(self, workspace: str) -> IndexProgress:
        """A recent count, or an earlier one if the database does not answer.

        Raises `StorageUnavailable` if there is none.
        """
        if workspace not in self._counting and time.monotonic() >= self._valid_until.get(workspace, 0):
            self._counting[workspace] = asyncio.create_task(self._renew(workspace))
        if workspace in self._counting:
            await asyncio.wait([self._counting[workspace]], timeout=WAIT_SECONDS)
        counted = self._counted.get(workspace)
        if counted is None:
            raise StorageUnavailable("it has not told how far the search index is")
        return counted

    async def _renew(self, workspace: str) -> None:
        began = time.monotonic()
        try:
            with suppress(StorageUnavailable):
                counted = await self._count(workspace)
                if len(self._counted) >= MAX_COUNTED:
                    self._counted.clear()
                    self._valid_until.clear()
                self._counted[workspace] = counted
        finally:
            now = time.monotonic()
            self._valid_until[workspace] = now + max(COUNTED_SECONDS, REST * (now - began))
            del self._counting[workspace]
