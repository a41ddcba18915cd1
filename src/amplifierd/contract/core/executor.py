"""Runs long work outside the event loop, in one thread, one function after another.

Most of the work is C calls that hold the GIL until they return. More threads would not be faster, and the event loop
would wait for each of them.
"""

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import ParamSpec, TypeVar

# JSON of at most this size takes at most 5 ms, and is handled on the event loop.
INLINE_BYTES = 16 * 1024

_LONG_SECONDS = 0.005
_REST_SECONDS = 0.005

P = ParamSpec("P")
T = TypeVar("T")


class SerialExecutor:
    """Runs functions one at a time in its own thread, in the order of the calls."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(max_workers=1, thread_name_prefix="amplifierd-cpu")

    async def run(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run the function; return its result or raise its exception."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, partial(function, *args, **kwargs))


def yield_after(started: float) -> None:
    """Give the event loop time after a long call that started at `started` (`time.perf_counter`) and held the GIL.

    Otherwise the next such call starts at the event loop's first system call, which releases the GIL.
    """
    if time.perf_counter() - started > _LONG_SECONDS:
        time.sleep(_REST_SECONDS)


def run_and_yield(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Run the function, then let the event loop run if it took long."""
    started = time.perf_counter()
    result = function(*args, **kwargs)
    yield_after(started)
    return result
