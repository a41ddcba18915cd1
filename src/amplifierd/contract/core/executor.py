"""Work that takes long leaves the event loop: it is done by one thread, one piece after the other.

Most of it is calls of C that hold Python's lock (the GIL) until they end. More threads would not do it faster, and the
event loop would wait for each of them in turn.
"""

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import ParamSpec, TypeVar

# What is made of so many bytes of JSON takes 5 ms at the most, and stays on the event loop.
INLINE_BYTES = 16 * 1024

_LONG_SECONDS = 0.005
_REST_SECONDS = 0.005

P = ParamSpec("P")
T = TypeVar("T")


class SerialExecutor:
    """Runs functions one at a time in a thread of its own, in the order in which they come."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(max_workers=1, thread_name_prefix="amplifierd-cpu")

    async def run(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """What the function returns or raises."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, partial(function, *args, **kwargs))


def rest_after(started: float) -> None:
    """Let the event loop run after a call that began at `started` (`time.perf_counter`) and held the GIL for long.

    Otherwise the next such call begins at the event loop's first system call, which gives the GIL away.
    """
    if time.perf_counter() - started > _LONG_SECONDS:
        time.sleep(_REST_SECONDS)


def in_turn(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """What the function returns, after a rest if it took long."""
    started = time.perf_counter()
    result = function(*args, **kwargs)
    rest_after(started)
    return result
