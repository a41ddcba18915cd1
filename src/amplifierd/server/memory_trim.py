"""Returns memory that large requests have freed to the system.

The C library keeps freed memory below its highest block for the life of the process (malloc_trim(3)): eight requests of
8 MiB left 150 MiB. A block above a threshold has its own mapping, which ends with the block; but the threshold grows to
the size of the largest block freed so far, up to 32 MiB, unless it is set (mallopt(3)). If it is set, the library also
returns more than 128 KiB at the end of the heap whenever a block there is freed, and requests them again for the next
block: a transcript of 140 KB took 250 us instead of 50. So both thresholds are set, and a thread trims the heap.
"""

import ctypes
import mmap
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

# Large enough that bodies of usual sizes need no mapping.
LARGE_BLOCK_BYTES = 1024 * 1024
_M_TRIM_THRESHOLD = -1
_M_MMAP_THRESHOLD = -3
# How much freed memory may be kept: trimming it would take more time than it is worth.
KEPT_BYTES = 16 * 1024 * 1024
EVERY_SECONDS = 1.0
# Trims that returned nothing become less frequent: the memory is in use.
MAX_SECONDS = 8.0
_WORTH_BYTES = 1024 * 1024


@contextmanager
def memory_trimmed() -> Iterator[None]:
    """Return large blocks when they are freed, and the rest by a thread within seconds; only on Linux with glibc."""
    library = ctypes.CDLL(None) if sys.platform == "linux" else None
    trim: Callable[[int], int] | None = getattr(library, "malloc_trim", None)
    if library is None or trim is None:
        yield
        return
    library.mallopt(_M_MMAP_THRESHOLD, LARGE_BLOCK_BYTES)
    library.mallopt(_M_TRIM_THRESHOLD, KEPT_BYTES)
    ended = threading.Event()
    thread = threading.Thread(target=_trim_regularly, args=(trim, ended), name="amplifierd-memory", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def _trim_regularly(trim: Callable[[int], int], ended: threading.Event) -> None:
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
