"""A limit on concurrent operations, lower than that of the resources they use, so that others need not wait."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from ..model.errors import NothingWritten, StorageUnavailable

WAIT_SECONDS = 5.0


class ConcurrencyLimit:
    """At most `most` operations of a kind, such as "searches", at a time; further ones wait."""

    def __init__(self, most: int, kind: str) -> None:
        self._most = most
        self._kind = kind
        self._free = asyncio.Semaphore(most)

    @asynccontextmanager
    async def slot(self) -> AsyncIterator[None]:
        """One of the slots.

        Raises `StorageUnavailable` if none is free in time, and `NothingWritten` if it is cancelled before.
        """
        try:
            async with asyncio.timeout(WAIT_SECONDS):
                await self._free.acquire()
        except TimeoutError:
            raise StorageUnavailable(
                f"{self._kind} are running already, at most {self._most} at a time", is_busy=True
            ) from None
        except asyncio.CancelledError:
            raise NothingWritten from None
        try:
            yield
        finally:
            self._free.release()
