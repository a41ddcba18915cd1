"""Those who follow the same: they are woken some at a time, and read once for all of them what they are at."""

import asyncio
from collections.abc import Callable, Coroutine, Hashable, Iterator
from typing import Any

# So many are woken in one turn of the event loop. The next turn begins with what came meanwhile from others: requests,
# and new connections.
WOKEN_AT_ONCE = 16


class Topic:
    """One session, or a workspace, for those who follow it.

    `Answer` is what is read at a position; it is the same for all who are there, until there is a change.
    """

    def __init__(self) -> None:
        self.waiting: set[asyncio.Event] = set()
        self._reads: dict[Hashable, asyncio.Task[Any]] = {}
        self._waking: asyncio.Task[None] | None = None
        self._has_changed = False

    def change(self) -> None:
        """Wake all; what they read from now on is read anew."""
        self._reads.clear()
        self._has_changed = True
        if len(self.waiting) <= WOKEN_AT_ONCE:
            for changed in self.waiting:
                changed.set()
        elif self._waking is None:
            self._waking = asyncio.create_task(self._wake())

    async def read(self, position: Hashable, read: Callable[[], Coroutine[Any, Any, Any]]) -> Any:
        """What is read at a position: by who comes first while many are woken, and by each at any other time."""
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
            # Who was woken last reads, and looks once more for what comes after it.
            await asyncio.sleep(0)
            await asyncio.sleep(0)
        # Not kept for longer: of those who are slow each is somewhere else.
        self._reads.clear()
        self._waking = None


def _slices(events: list[asyncio.Event]) -> Iterator[list[asyncio.Event]]:
    for start in range(0, len(events), WOKEN_AT_ONCE):
        yield events[start : start + WOKEN_AT_ONCE]
