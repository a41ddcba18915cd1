"""Readers of the same topic: they are woken some at a time, and one read at a position serves all of them."""

import asyncio
from collections.abc import Callable, Coroutine, Hashable, Iterator
from typing import Any

# The number that is woken in one iteration of the event loop. The next iteration begins with what has arrived
# meanwhile: requests, and new connections.
WOKEN_AT_ONCE = 16


class Topic:
    """One session, or a workspace, and its readers.

    `Answer` is the result of a read at a position; it is the same for all readers there, until there is a change.
    """

    def __init__(self) -> None:
        self.waiting: set[asyncio.Event] = set()
        self._reads: dict[Hashable, asyncio.Task[Any]] = {}
        self._waking: asyncio.Task[None] | None = None
        self._has_changed = False

    def change(self) -> None:
        """Wake all readers; earlier results are not used again."""
        self._reads.clear()
        self._has_changed = True
        if len(self.waiting) <= WOKEN_AT_ONCE:
            for changed in self.waiting:
                changed.set()
        elif self._waking is None:
            self._waking = asyncio.create_task(self._wake())

    async def read(self, position: Hashable, read: Callable[[], Coroutine[Any, Any, Any]]) -> Any:
        """Read at a position: the first of many woken readers reads for all; at other times each reads itself."""
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
            # The reader that was woken last reads, and checks once more for later events.
            await asyncio.sleep(0)
            await asyncio.sleep(0)
        # Not kept longer: slow readers are all at different positions.
        self._reads.clear()
        self._waking = None


def _slices(events: list[asyncio.Event]) -> Iterator[list[asyncio.Event]]:
    for start in range(0, len(events), WOKEN_AT_ONCE):
        yield events[start : start + WOKEN_AT_ONCE]
