"""Disk space that is kept for deletions, in a file beside the database.

SQLite writes each change to its log before it frees a page, so without this space nothing could be deleted on a full
disk. A deletion that finds the disk full gets the space; other writes are refused until the file is whole again.

The state is the size of the file, which all processes see that share the database. Blocks are only appended, so that
the file has no holes, even if two processes change it at the same time.
"""

import errno
import logging
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import RLock

import apsw

from ...model.database_errors import DatabaseUnusable
from .database_files import OWN_MODE, take_over

logger = logging.getLogger(__name__)

# The file is as large as the database, but no larger than a part of the disk, and between these limits. The deletion of
# the longest message takes 8 MiB of the log; about 16 MiB of it may not be in the database yet (see checkpointer.py).
MIN_BYTES = 512 * 1024
MAX_BYTES = 16 * 1024 * 1024
PART_OF_DISK = 16
# With this free space, the disk is not expected to be full when a closed database is opened again.
ROOM_BYTES = 1024 * 1024 * 1024
_BLOCK_BYTES = 64 * 1024

# SQLite's results for a file that can't grow: a full disk, a quota, the shared memory of the log.
_OUT_OF_SPACE = {apsw.SQLITE_FULL, apsw.SQLITE_IOERR_WRITE, apsw.SQLITE_IOERR_SHMSIZE}


class Reserve:
    """The reserve of the database at `path`, for any thread."""

    def __init__(self, path: Path) -> None:
        # Links are followed, as SQLite does for its log.
        self._database = path.resolve()
        self._file = self._database.with_name(f"{self._database.name}-reserve")
        self._wanted = 0
        self._is_possible = True
        self._lock = RLock()

    def exists(self) -> bool:
        """Whether a program has made the file."""
        return self._file.exists()

    def is_whole(self) -> bool:
        """Whether the file has the size of the last `fill`, or can be given it. Before the first `fill` it is whole."""
        return _size(self._file) >= self._wanted or self.fill()

    def fill(self) -> bool:
        """Make the file, as far as the disk has space. Returns whether it is whole.

        If it can't be written for another reason, there is no reserve, and no write is refused for its sake.
        """
        with self._lock:
            try:
                self._wanted = self._useful_bytes() if self._is_possible else 0
                if _size(self._file) < self._wanted:
                    self._grow(self._wanted)
            except OSError as error:
                if error.errno in (errno.ENOSPC, errno.EDQUOT):
                    return False
                self._is_possible = False
                self._wanted = 0
                logger.warning("Without %s, nothing can be deleted on a full disk: %s", self._file, error)
            return True

    def _useful_bytes(self) -> int:
        disk = os.statvfs(self._database)
        part = disk.f_blocks * disk.f_frsize // PART_OF_DISK
        return min(MAX_BYTES, max(MIN_BYTES, min(part, self._database.stat().st_size)))

    @contextmanager
    def released(self) -> Iterator[None]:
        """Give the space back to the file system during a `with`. Then call `fill`, which meanwhile waits."""
        with self._lock:
            with suppress(OSError):
                os.truncate(self._file, 0)
            yield

    def open(self, connect: Callable[[], apsw.Connection]) -> apsw.Connection:
        """Return what `connect` returns. On a full disk it gets the space: SQLite needs some for a closed database."""
        try:
            return connect()
        except DatabaseUnusable as error:
            if not is_out_of_space(error) or not self.exists():
                raise
        try:
            with self.released():
                return connect()
        finally:
            self.fill()

    def close(self) -> None:
        """Remove the file if nobody has the database open; keep it if the disk may be full at the next start."""
        log = self._database.with_name(f"{self._database.name}-wal")
        if not self.exists() or log.exists():
            return
        disk = os.statvfs(self._database.parent)
        if disk.f_bavail * disk.f_frsize < ROOM_BYTES:
            self.fill()
        else:
            self._file.unlink(missing_ok=True)

    def _grow(self, wanted: int) -> None:
        with open(self._file, "ab", buffering=0, opener=_open) as file:
            take_over(self._file, self._database)
            while (missing := wanted - os.fstat(file.fileno()).st_size) > 0:
                # A file system that compresses would store zeros in no space.
                file.write(os.urandom(min(missing, _BLOCK_BYTES)))


def is_out_of_space(error: Exception | None) -> bool:
    """Whether a file can't grow, by an error of SQLite, or by one that was raised from it."""
    cause = error if isinstance(error, apsw.Error) else error and error.__cause__
    # apsw's stubs lack the attribute.
    return getattr(cause, "extendedresult", None) in _OUT_OF_SPACE


def _open(path: str, flags: int) -> int:
    return os.open(path, flags, OWN_MODE)


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0
