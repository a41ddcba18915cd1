"""Gives memory that large requests have left free back to the system.

The C library keeps what is freed below its highest block for as long as the process lives (malloc_trim(3)): eight
requests of 8 MiB left 150 MiB.
"""

import ctypes
import mmap
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

# What is kept is worth less than the time that it would take to get it again.
KEPT_BYTES = 16 * 1024 * 1024
EVERY_SECONDS = 1.0
# Trims that gave nothing back become rarer: memory is in use then.
MAX_SECONDS = 8.0
_WORTH_BYTES = 1024 * 1024


@contextmanager
def memory_given_back() -> Iterator[None]:
    """Give memory back within a few seconds after it was freed, from a thread; on Linux with glibc, else nothing."""
    trim = _find_trim()
    if trim is None:
        yield
        return
    ended = threading.Event()
    thread = threading.Thread(target=_give_back, args=(trim, ended), name="amplifierd-memory", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def _give_back(trim: Callable[[int], int], ended: threading.Event) -> None:
    lowest = resident_bytes()
    seconds = EVERY_SECONDS
    while not ended.wait(seconds):
        before = resident_bytes()
        if before <= lowest + KEPT_BYTES:
            lowest = min(lowest, before)
            seconds = EVERY_SECONDS
            continue
        trim(0)
        after = resident_bytes()
        seconds = EVERY_SECONDS if before - after > _WORTH_BYTES else min(2 * seconds, MAX_SECONDS)


def resident_bytes() -> int:
    """How much of the process is in memory (proc(5), statm)."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * mmap.PAGESIZE


def _find_trim() -> Callable[[int], int] | None:
    if sys.platform != "linux":
        return None
    trim: Callable[[int], int] | None = getattr(ctypes.CDLL(None), "malloc_trim", None)
    return trim
