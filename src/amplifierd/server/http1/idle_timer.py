"""How long a connection waits for its client: one timer, which looks at the time when something is due.

Setting that time costs nothing, so that no request pays for a timer of its own.
"""

import asyncio
from collections.abc import Callable


class IdleTimer:
    """Calls `overdue` once the time `due` has come, that of the loop's clock; None is never.

    What is due is never due sooner than `seconds` after it was set: so often it looks.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, seconds: float, overdue: Callable[[], None]) -> None:
        self.due: float | None = None
        self._loop = loop
        self._seconds = seconds
        self._overdue = overdue
        self._timer = loop.call_later(seconds, self._look)

    def wait(self, seconds: float) -> None:
        """Something is due in so many seconds."""
        self.due = self._loop.time() + seconds

    def end(self) -> None:
        """Look no more."""
        self._timer.cancel()

    def _look(self) -> None:
        now = self._loop.time()
        if self.due is not None and self.due <= now:
            self.due = None
            self._overdue()
        next_look = now + self._seconds
        self._timer = self._loop.call_at(next_look if self.due is None else min(self.due, next_look), self._look)
