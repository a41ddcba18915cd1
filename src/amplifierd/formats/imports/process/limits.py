"""The limits of a running conversion: CPU for the members of an archive, disk for the converted form of a file."""

import resource
import time
from contextlib import suppress
from math import ceil

from ....storage.model.files import TemporarySpace
from .protocol import HistoryTooLarge, Task

_MIB = 1024 * 1024


class ArchiveCPU:
    """The CPU limit of an archive: a fixed number of seconds, and some for each member as it is read.

    CPU time that one member does not use is not granted to others: a small archive can have many zero bytes.
    """

    def __init__(self, task: Task) -> None:
        self._per_byte = task.cpu_seconds_per_mib / _MIB
        self._left = float(task.cpu_seconds)
        self._begun = self._own = 0.0

    def allow(self, size: int) -> None:
        """Allow the CPU for a member of `size` bytes, counted from now."""
        now = time.process_time()
        self._left -= max(0, now - self._begun - self._own)
        self._begun, self._own = now, self._per_byte * size
        _, hard = resource.getrlimit(resource.RLIMIT_CPU)
        soft = ceil(now + self._left + self._own)
        # If the limit cannot be changed, it stays.
        with suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_CPU, (soft if hard == resource.RLIM_INFINITY else min(soft, hard), hard))


class ConvertedSpace:
    """Temporary disk for the converted form of a file, at most `most_bytes` of `space`; see `TemporarySpace`."""

    def __init__(self, space: TemporarySpace, most_bytes: int) -> None:
        self.bytes = 0
        self._space = space
        self._most_bytes = most_bytes

    def take(self, size: int) -> None:
        """Reserve bytes. Raises `HistoryTooLarge`, and what `space` raises."""
        if self.bytes + size > self._most_bytes:
            raise HistoryTooLarge(f"What the file becomes has more than {self._most_bytes} bytes, which is the limit")
        self._space.take(size)
        self.bytes += size

    def release(self, size: int) -> None:
        """Release bytes."""
        self._space.release(size)
        self.bytes -= size
