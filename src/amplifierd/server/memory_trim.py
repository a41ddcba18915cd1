"""Returns memory that large requests have freed to the system.

The C library keeps freed memory below its highest block as long as the process lives (malloc_trim(3)): eight
requests of 8 MiB left 150 MiB. A block above a threshold has a mapping of its own, which ends with the block; but the
threshold becomes the size of the largest block freed so far, up to 32 MiB, unless it is set (mallopt(3)). Then it also
returns more than 128 KiB at the end of the heap with each block that is freed there, and gets them again for the next:
a transcript of 140 KB took 250 us in place of 50. So it keeps them until they are returned together.
"""

import ctypes
import mmap
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

# Large enough that bodies of usual sizes do not pay for a mapping.
LARGE_BLOCK_BYTES = 1024 * 1024
_M_TRIM_THRESHOLD = -1
_M_MMAP_THRESHOLD = -3
# Freed memory that may be kept: trimming it would cost more time than it saves.
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
