"""Returns memory that large requests have freed to the system.

The C library keeps freed memory below its highest block as long as the process lives (malloc_trim(3)): eight
requests of 8 MiB left 150 MiB.
"""

import ctypes
import mmap
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

# Freed memory that may be kept: trimming it would cost more time than it saves.
KEPT_BYTES = 16 * 1024 * 1024
EVERY_SECONDS = 1.0
# Trims that returned nothing become less frequent: the memory is in use.
MAX_SECONDS = 8.0
_WORTH_BYTES = 1024 * 1024


@contextmanager
def memory_given_back() -> Iterator[None]:
    """Start a thread that returns memory within seconds after it was freed; only on Linux with glibc."""
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
    """The resident memory of the process (proc(5), statm)."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * mmap.PAGESIZE


def _find_trim() -> Callable[[int], int] | None:
    if sys.platform != "linux":
        return None
    trim: Callable[[int], int] | None = getattr(ctypes.CDLL(None), "malloc_trim", None)
    return trim
