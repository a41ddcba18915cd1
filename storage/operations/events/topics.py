"""Readers of the same topic: they are woken in groups, and one read at a position serves all of them."""

import asyncio
from collections.abc import Callable, Coroutine, Hashable, Iterator
from typing import Any

# The number of readers that are woken in one iteration of the event loop. The next iteration begins with the requests
# and connections that have arrived meanwhile.
WOKEN_AT_ONCE = 16


# The number of readers far behind that read in one iteration.
REPLAYED_AT_ONCE = 4


class Replay:
    """A reader with many events to read, which takes turns with others like it.

    Each read on the event loop takes about a millisecond, and what was read may be a message of 8 MiB.
    """

    def __init__(self, turns: asyncio.Semaphore) -> None:
        self._turns = turns
        self._has_turn = False

    async def read(self, read: Callable[[], Coroutine[Any, Any, Any]]) -> Any:
        """The result of `read` in a turn, which lasts until `end_turn`."""
        await self._turns.acquire()
        self._has_turn = True
        # The reader before it has read in this iteration.
        await asyncio.sleep(0)
        return await read()

    def end_turn(self) -> None:
        """Let another reader read, because what was read is no longer needed."""
        if self._has_turn:
            self._has_turn = False
            self._turns.release()


class Topic:
    """A session or a workspace, and its readers.

    `waiting` has an event for each reader, which a change sets.
    """

    def __init__(self) -> None:
        self.waiting: set[asyncio.Event] = set()
        self._reads: dict[Hashable, asyncio.Task[Any]] = {}
        self._waking: asyncio.Task[None] | None = None
        self._has_changed = False

    def change(self) -> None:
        """Wake all readers, and discard the results of earlier reads."""
        self._reads.clear()
        self._has_changed = True
        if len(self.waiting) <= WOKEN_AT_ONCE:
            for changed in self.waiting:
                changed.set()
        elif self._waking is None:
            self._waking = asyncio.create_task(self._wake())

    async def read(self, position: Hashable, read: Callable[[], Coroutine[Any, Any, Any]]) -> Any:
        """The result of `read` at a position. While many readers are woken, the first one there reads for all."""
        if self._waking is None:
            return await read()
        reading = self._reads.get(position)
        if reading is None:
            reading = self._reads[position] = asyncio.create_task(read())
        return reading.result() if reading.done() else await asyncio.shield(reading)

    async def _wake(self) -> None:
        while self._has_changed:
            self._has_changed = False
            for some in _slices(list(self.waiting)):
                for changed in some:
                    changed.set()
                await asyncio.sleep(0)
            # The readers that were woken last read in these iterations, and check for later events.
            await asyncio.sleep(0)
            await asyncio.sleep(0)
        # Slow readers are at different positions, so that these results are useless to them.
        self._reads.clear()
        self._waking = None


def _slices(events: list[asyncio.Event]) -> Iterator[list[asyncio.Event]]:
    for start in range(0, len(events), WOKEN_AT_ONCE):
        yield events[start : start + WOKEN_AT_ONCE]
