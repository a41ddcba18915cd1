"""Temporary files for data that is too long for memory, in the system's directory for them."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from tempfile import TemporaryFile

from ..model.errors import StorageUnavailable
from ..model.files import TemporarySpace


@contextmanager
def spool_errors() -> Iterator[None]:
    """Raises `StorageUnavailable` if a temporary file cannot be written: its disk may be full."""
    try:
        yield
    except OSError as error:
        raise StorageUnavailable(f"a temporary file can't be written: {error}") from error


# A list of 1,000,000 messages takes some 150 MiB.
MAX_TEMPORARY_BYTES = 1024 * 1024 * 1024


class TemporaryDisk:
    """The limit of disk space for all current long lists, imports and uploads together; thread-safe."""

    def __init__(self, most_bytes: int) -> None:
        self.bytes = 0
        self._most_bytes = most_bytes
        self._lock = threading.Lock()

    def take(self, size: int) -> None:
        """Reserve bytes. Raises `StorageUnavailable` if the limit is exceeded."""
        with self._lock:
            if self.bytes + size > self._most_bytes:
                raise StorageUnavailable(
                    f"long lists, imports and files take {self.bytes} bytes on the disk already, and the limit is "
                    f"{self._most_bytes}; read lists in pages, by `limit`, and send imports and files one by one"
                )
            self.bytes += size

    def release(self, size: int) -> None:
        """Release bytes."""
        with self._lock:
            self.bytes -= size


class Unlimited:
    """No limit, for a command that uses the disk of the user who starts it; see `TemporarySpace`."""

    def take(self, size: int) -> None:
        """Reserve bytes."""

    def release(self, size: int) -> None:
        """Release bytes."""


class LimitedFile:
    """A temporary file, which takes its bytes from `disk` until `close`; `file` is open for reading and writing."""

    def __init__(self, disk: TemporarySpace) -> None:
        self.file = TemporaryFile()  # noqa: SIM115  # `close` closes it
        self._disk = disk
        self._taken = 0

    def write(self, data: bytes) -> None:
        """Write bytes. Raises `StorageUnavailable` if there is no room."""
        self._disk.take(len(data))
        self._taken += len(data)
        with spool_errors():
            self.file.write(data)

    def close(self) -> None:
        """Delete the file."""
        # On a full disk the buffer cannot be written, and does not have to be.
        with suppress(OSError):
            self.file.close()
        self._disk.release(self._taken)
        self._taken = 0
