"""The time limits of a connection, with one timer that checks the deadline when it fires.

Setting the deadline is free, so that no request needs a timer of its own.
"""

import asyncio
from collections.abc import Callable


class IdleTimer:
    """Calls `overdue` when the loop's clock has reached `due`; never if that is None.

    The timer checks every `seconds`, so `due` must be at least that far ahead when it is set.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, seconds: float, overdue: Callable[[], None]) -> None:
        self.due: float | None = None
        self._loop = loop
        self._seconds = seconds
        self._overdue = overdue
        self._timer = loop.call_later(seconds, self._check)

    def wait(self, seconds: float) -> None:
        """Set the deadline to this many seconds from now."""
        self.due = self._loop.time() + seconds

    def end(self) -> None:
        """Stop the timer; there is nothing more to wait for."""
        self._timer.cancel()
        # Break the reference cycle with the connection, so that the garbage collector is not needed.
        del self._overdue

    def _check(self) -> None:
        now = self._loop.time()
        if self.due is not None and self.due <= now:
            self.due = None
            self._overdue()
        next_check = now + self._seconds
        self._timer = self._loop.call_at(next_check if self.due is None else min(self.due, next_check), self._check)
