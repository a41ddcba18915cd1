"""Limits concurrent operations: to a number at a time, in turns, or to one that is shared by all callers."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

from ..model.errors import StorageUnavailable, WriteCancelled

WAIT_SECONDS = 5.0

Work = Callable[[], Coroutine[Any, Any, None]]


@contextmanager
def before_write() -> Iterator[None]:
    """Surrounds the steps of a write that come before any effect. Raises `WriteCancelled` if they are cancelled."""
    try:
        yield
    except asyncio.CancelledError:
        raise WriteCancelled from None


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
            with before_write():
                async with asyncio.timeout(WAIT_SECONDS):
                    await self._free.acquire()
        except TimeoutError:
            raise StorageUnavailable(
                f"{self._kind} are running already, at most {self._most} at a time", is_busy=True
            ) from None
        try:
            yield
        finally:
            self._free.release()


class Turns:
    """One operation at a time for each key, such as a workspace; further ones wait, in order of arrival."""

    def __init__(self) -> None:
        self._locks: dict[tuple[str, ...], asyncio.Lock] = {}
        self._users: Counter[tuple[str, ...]] = Counter()

    @asynccontextmanager
    async def turn(self, *key: str) -> AsyncIterator[None]:
        """Hold the turn of a key. Raises `WriteCancelled` if cancelled while waiting."""
        with self.lock(*key) as lock:
            with before_write():
                await lock.acquire()
            try:
                yield
            finally:
                lock.release()

    @contextmanager
    def lock(self, *key: str) -> Iterator[asyncio.Lock]:
        """The lock of a key, which is kept while it is in use."""
        self._users[key] += 1
        try:
            yield self._locks.setdefault(key, asyncio.Lock())
        finally:
            self._users[key] -= 1
            if not self._users[key]:
                del self._users[key], self._locks[key]


class FairLimit:
    """At most `most` operations of a kind at a time, and one for each key, such as a workspace: the keys take turns."""

    def __init__(self, most: int, kind: str) -> None:
        self._most = most
        self._kind = kind
        self._free = asyncio.Semaphore(most)
        self._turns = Turns()

    @asynccontextmanager
    async def slot(self, key: str) -> AsyncIterator[None]:
        """Hold the slot of a key.

        Raises `StorageUnavailable` if it is not free within WAIT_SECONDS, `WriteCancelled` if cancelled while waiting.
        """
        with self._turns.lock(key) as turn:
            await self._acquire(turn)
            try:
                yield
            finally:
                self._free.release()
                turn.release()

    async def _acquire(self, turn: asyncio.Lock) -> None:
        try:
            with before_write():
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
