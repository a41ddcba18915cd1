"""How long a request may take until its response begins: one timer serves all requests, since all have as long."""

import asyncio
from collections.abc import Callable
from itertools import takewhile

from ..core.problems import RETRY_AFTER_SECONDS, Problem
from ..core.request_state import RequestState

# A request that is cancelled has this long to say whether it wrote anything; then it is answered without that.
UNWINDING_SECONDS = 1.0

_SAFE = ("GET", "HEAD", "OPTIONS")


class Deadlines:
    """Calls `overdue` with each request whose deadline passes, `seconds` after it was last set."""

    def __init__(self, seconds: float, overdue: Callable[[RequestState], None]) -> None:
        self.seconds = seconds
        self._overdue = overdue
        # The next to pass is the first: a deadline that is set again goes to the end.
        self._due: dict[RequestState, float] = {}
        self._timer: asyncio.TimerHandle | None = None

    def set(self, request_state: RequestState) -> None:
        """Give a request all of its time, from now on."""
        loop = asyncio.get_running_loop()
        self._due.pop(request_state, None)
        self._due[request_state] = due = loop.time() + self.seconds
        if self._timer is None:
            self._timer = loop.call_at(due, self._look)

    def lift(self, request_state: RequestState) -> None:
        """Let a request take as long as it does."""
        self._due.pop(request_state, None)

    def _look(self) -> None:
        loop = asyncio.get_running_loop()
        now = loop.time()
        for request_state, _ in list(takewhile(lambda item: item[1] <= now, self._due.items())):
            del self._due[request_state]
            self._overdue(request_state)
        self._timer = None
        for due in self._due.values():
            self._timer = loop.call_at(due, self._look)
            return


def deadline_exceeded(seconds: float, method: str, *, nothing_written: bool) -> Problem:
    """The problem of a request whose deadline has passed; `nothing_written` where that is known."""
    late = f"The response did not begin within {seconds:g} seconds, and the request was given up"
    if method in _SAFE:
        detail = f"{late}. Ask for less at a time, or send it again later."
    elif nothing_written:
        detail = f"{late}; nothing was written. Send it again later."
    else:
        detail = (
            f"{late}. It may have been applied, in whole or in part, or not at all. Send it again with the same "
            "Idempotency-Key; without one, read first what was written."
        )
    return Problem(503, "deadline-exceeded", detail, headers={"Retry-After": str(RETRY_AFTER_SECONDS)})
