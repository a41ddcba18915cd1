"""The time limit until a response begins: one timer for all requests, because they have the same limit."""

import asyncio
import time
from collections.abc import Callable
from itertools import takewhile

from ..core.problems import RETRY_AFTER_SECONDS, Problem
from ..core.request_state import RequestState

# The time for a cancelled request to report whether it wrote anything; then the response is sent without this.
UNWINDING_SECONDS = 1.0

_SAFE = ("GET", "HEAD", "OPTIONS")


class Deadlines:
    """Calls `overdue` with each request whose deadline passes, `seconds` after it was last set."""

    def __init__(self, seconds: float, overdue: Callable[[RequestState], None]) -> None:
        self.seconds = seconds
        self._overdue = overdue
        # The first deadline is the next to pass, because one that is set again moves to the end.
        self._due: dict[RequestState, float] = {}
        self._timer: asyncio.TimerHandle | None = None

    def set(self, request_state: RequestState) -> None:
        """Restart the time limit of a request."""
        self._due.pop(request_state, None)
        self._due[request_state] = time.monotonic() + self.seconds
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(self.seconds, self._check)

    def lift(self, request_state: RequestState) -> None:
        """Remove the time limit of a request."""
        self._due.pop(request_state, None)

    def _check(self) -> None:
        now = time.monotonic()
        for request_state, _ in list(takewhile(lambda item: item[1] <= now, self._due.items())):
            del self._due[request_state]
            self._overdue(request_state)
        self._timer = None
        for due in self._due.values():
            self._timer = asyncio.get_running_loop().call_later(due - now, self._check)
            return


def deadline_exceeded(seconds: float, method: str, *, nothing_written: bool) -> Problem:
    """The problem for a request whose deadline has passed; `nothing_written` if that is known."""
    late = f"The response did not begin within {seconds:g} seconds, and the request was aborted"
    if method in _SAFE:
        detail = f"{late}. Request less at a time, or retry later."
    elif nothing_written:
        detail = f"{late}; nothing was written. Retry later."
    else:
        detail = (
            f"{late}. It may have been applied completely, partly or not at all. Retry it with the same "
            "Idempotency-Key; without one, check first what was written."
        )
    return Problem(503, "deadline-exceeded", detail, headers={"Retry-After": str(RETRY_AFTER_SECONDS)})
