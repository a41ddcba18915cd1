"""Limits concurrent operations: to a number at a time, in turns, or to one that is shared by all callers."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from typing import Any

from ..model.errors import StorageUnavailable, WriteCancelled

WAIT_SECONDS = 5.0
# The size in characters from which writes run one after the other, so that others do not wait for several of them.
LARGE_WRITE = 256 * 1024
# This number of writes may run without reading the size of the stored values that they change.
MAX_UNSIZED = 3

Work = Callable[[], Coroutine[Any, Any, None]]


class ConcurrencyLimit:
    """At most `most` operations of a kind, such as "searches", at a time; further ones wait."""

    def __init__(self, most: int, kind: str) -> None:
        self._most = most
        self._kind = kind
        self._free = asyncio.Semaphore(most)

    @asynccontextmanager
    async def slot(self) -> AsyncIterator[None]:
        """Hold one of the slots.

        Raises `StorageUnavailable` if none is free within WAIT_SECONDS, `WriteCancelled` if cancelled while waiting.
        """
        try:
            async with asyncio.timeout(WAIT_SECONDS):
                await self._free.acquire()
        except TimeoutError:
            raise StorageUnavailable(
                f"{self._kind} are running already, at most {self._most} at a time", is_busy=True
            ) from None
        except asyncio.CancelledError:
            raise WriteCancelled from None
        try:
            yield
        finally:
            self._free.release()


class FairLimit:
    """At most `most` operations of a kind at a time, and one for each key, such as a workspace: the keys take turns."""

    def __init__(self, most: int, kind: str) -> None:
        self._most = most
        self._kind = kind
        self._free = asyncio.Semaphore(most)
        self._turns: dict[str, asyncio.Lock] = {}
        self._users: Counter[str] = Counter()

    @asynccontextmanager
    async def slot(self, key: str) -> AsyncIterator[None]:
        """Hold the slot of a key.

        Raises `StorageUnavailable` if it is not free within WAIT_SECONDS, `WriteCancelled` if cancelled while waiting.
        """
        self._users[key] += 1
        turn = self._turns.setdefault(key, asyncio.Lock())
        try:
            await self._acquire(turn)
            try:
                yield
            finally:
                self._free.release()
                turn.release()
        finally:
            self._users[key] -= 1
            if not self._users[key]:
                del self._users[key], self._turns[key]

    async def _acquire(self, turn: asyncio.Lock) -> None:
        try:
            async with asyncio.timeout(WAIT_SECONDS):
                await turn.acquire()
                try:
                    # At most one operation of each key waits here, in the order of arrival.
                    await self._free.acquire()
                except BaseException:
                    turn.release()
                    raise
        except TimeoutError:
            limit = f"at most {self._most} at a time, and one for each workspace"
            raise StorageUnavailable(f"{self._kind} are running already, {limit}", is_busy=True) from None
        except asyncio.CancelledError:
            raise WriteCancelled from None


class LargeWrites:
    """Lets large writes run one after the other, which also limits the memory for their results."""

    def __init__(self) -> None:
        self._limit = FairLimit(1, "large writes")
        self._running = 0

    def turn(self, workspace: str, size: int) -> AbstractAsyncContextManager[None]:
        """Hold the slot for a write of `size` characters; only a large write waits, as in `FairLimit.slot`."""
        return self._limit.slot(workspace) if size > LARGE_WRITE else nullcontext()

    @asynccontextmanager
    async def turn_of_stored(
        self, workspace: str, size: int, read_size: Callable[[], Awaitable[int]]
    ) -> AsyncIterator[None]:
        """As `turn`, for a write that changes, copies or returns a stored value, whose size `read_size` returns.

        The stored size is read only while more than MAX_UNSIZED such writes are running.
        """
        self._running += 1
        try:
            if size <= LARGE_WRITE and self._running > MAX_UNSIZED:
                size = await read_size()
            async with self.turn(workspace, size):
                yield
        finally:
            self._running -= 1


class SharedTask:
    """Work that is done once for all callers that ask for it while it runs."""

    def __init__(self, work: Work) -> None:
        self._work = work
        self._task: asyncio.Task[None] | None = None

    async def run(self, seconds: float) -> bool:
        """Start the work, or join it. Returns whether it ends within `seconds`. Raises its error."""
        if self._task is None:
            self._task = asyncio.create_task(self._work())
            self._task.add_done_callback(self._end)
        task = self._task
        done, _ = await asyncio.wait([task], timeout=seconds)
        if done:
            await task
        return bool(done)

    async def close(self) -> None:
        """Cancel the work."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])

    def _end(self, _task: asyncio.Task[None]) -> None:
        self._task = None
