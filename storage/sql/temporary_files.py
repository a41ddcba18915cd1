"""Temporary files of what is too long for memory, in the system's directory for them."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from ..model.errors import StorageUnavailable


@contextmanager
def spool_errors() -> Iterator[None]:
    """Raises `StorageUnavailable` where a temporary file takes no more: its disk may be full."""
    try:
        yield
    except OSError as error:
        raise StorageUnavailable(f"a temporary file can't be written: {error}") from error


# A list of 1,000,000 messages takes some 150 MiB.
MAX_TEMPORARY_BYTES = 1024 * 1024 * 1024


class TemporaryDisk:
    """How much of the disk long lists and imports that are under way may take together, from whichever thread."""

    def __init__(self, most_bytes: int) -> None:
        self.bytes = 0
        self._most_bytes = most_bytes
        self._lock = threading.Lock()

    def take(self, size: int) -> None:
        """Take so much more. Raises `StorageUnavailable` where there is no room for it."""
        with self._lock:
            if self.bytes + size > self._most_bytes:
                raise StorageUnavailable(
                    f"long lists and imports take {self.bytes} bytes of temporary files already, and the limit is "
                    f"{self._most_bytes}; read lists in pages, by `limit`, and send imports in parts"
                )
            self.bytes += size

    def give_back(self, size: int) -> None:
        """Take so much less."""
        with self._lock:
            self.bytes -= size
