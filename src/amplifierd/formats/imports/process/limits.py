"""What a conversion may take as it proceeds: CPU for what was read of an archive, disk for what a file becomes."""

import resource
import time
from contextlib import suppress
from math import ceil

from ....storage.model.files import TemporarySpace
from .protocol import HistoryTooLarge, Task

_MIB = 1024 * 1024


class ArchiveCPU:
    """The CPU for an archive: some seconds once, and some for each member as it is read.

    What one member does not use is not granted to others: a small archive can have many zero bytes.
    """

    def __init__(self, task: Task) -> None:
        self._per_byte = task.cpu_seconds_per_mib / _MIB
        self._left = float(task.cpu_seconds)
        self._begun = self._own = 0.0

    def allow(self, size: int) -> None:
        """Allow the CPU that `size` bytes take from now on."""
        now = time.process_time()
        self._left -= max(0, now - self._begun - self._own)
        self._begun, self._own = now, self._per_byte * size
        _, hard = resource.getrlimit(resource.RLIMIT_CPU)
        soft = ceil(now + self._left + self._own)
        # A limit that cannot be changed stays.
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
