"""A limit on what is done at a time, lower than what it is done with, so that others need not wait for it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from ..model.errors import StorageUnavailable

WAIT_SECONDS = 5.0


class ConcurrencyLimit:
    """At most `most` at a time; the others wait for their turn."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._free = asyncio.Semaphore(most)

    @asynccontextmanager
    async def slot(self) -> AsyncIterator[None]:
        """A turn. Raises `StorageUnavailable` if none comes in time."""
        try:
            async with asyncio.timeout(WAIT_SECONDS):
                await self._free.acquire()
        except TimeoutError:
            raise StorageUnavailable(f"{self._most} searches are running already") from None
        try:
            yield
        finally:
            self._free.release()
