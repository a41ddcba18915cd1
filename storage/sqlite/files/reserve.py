"""Disk space that is kept for deletions, in a file beside the database.

SQLite writes each change to its log before it frees a page, so without this space nothing could be deleted on a full
disk. A deletion that finds the disk full gets the space; other writes are refused until the file is whole again.

The state is the size of the file and the lock on it (`flock`), which all threads and processes see that share the
database: a shared lock while somebody uses the space, an exclusive one while somebody fills the file.
"""

import errno
import logging
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from fcntl import LOCK_EX, LOCK_NB, LOCK_SH, flock
from pathlib import Path

import apsw

from ...model.database_errors import DatabaseUnusable
from .database_files import OWN_MODE, log_of, take_over

logger = logging.getLogger(__name__)

# The file is as large as the database, but no larger than a part of the disk, and between these limits. The deletion of
# the longest message takes 8 MiB of the log; about 16 MiB of it may not be in the database yet (see checkpointer.py).
MIN_BYTES = 512 * 1024
MAX_BYTES = 16 * 1024 * 1024
PART_OF_DISK = 8
# With this free space, the disk is not expected to be full when a closed database is opened again.
ROOM_BYTES = 1024 * 1024 * 1024
_BLOCK_BYTES = 64 * 1024
# The file starts with these bytes, so that a file of another program is recognized.
_MARK = b"amplifierd keeps this space for deletions on a full disk\n"
# A database here is in memory, which other programs need more.
_MEMORY = "/dev/shm"  # noqa: S108  # nothing is made in it

# SQLite's results for a file that can't grow: a full disk, a quota, the shared memory of the log.
_OUT_OF_SPACE = {apsw.SQLITE_FULL, apsw.SQLITE_IOERR_WRITE, apsw.SQLITE_IOERR_SHMSIZE}


class Reserve:
    """The reserve of the database at `path`, for any thread. The file is made and removed only if it is `kept`."""

    def __init__(self, path: Path, *, kept: bool = True) -> None:
        # Links are followed, as SQLite does for its log.
        self._database = Path(os.path.realpath(path))
        self._file = self._database.with_name(f"{self._database.name}-reserve")
        self._is_kept = kept and not self._database.is_relative_to(_MEMORY)
        self._wanted = 0
        self._reported: set[int | None] = set()

    def exists(self) -> bool:
        """Whether a program has made the file."""
        return self._file.exists()

    def is_whole(self) -> bool:
        """Whether the file has the size of the last `fill`, or can be given it. Before the first `fill` it is whole."""
        return self._size() >= self._wanted or self.fill()

    def fill(self) -> bool:
        """Make the file, as far as the disk has space. Returns whether it is whole.

        It is not whole while somebody else fills it or uses the space; this does not wait for them. If the file can't
        be written for a reason other than a lack of space, no space is kept until the next call, and writes go on.
        """
        if not (self._is_kept or self.exists()):
            return True
        wanted = 0
        try:
            wanted = self._useful_bytes()
            self._grow(wanted)
        except BlockingIOError:
            return False
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                self._wanted = wanted
                return False
            self._report(error)
            wanted = 0
        self._wanted = wanted
        return True

    def _useful_bytes(self) -> int:
        disk = os.statvfs(self._database)
        part = disk.f_blocks * disk.f_frsize // PART_OF_DISK
        return min(MAX_BYTES, max(MIN_BYTES, min(part, self._database.stat().st_size)))

    @contextmanager
    def released(self) -> Iterator[None]:
        """Give the space back to the file system during a `with`, in which nobody fills the file. Then call `fill`."""
        with ExitStack() as opened:
            with suppress(OSError):
                file = opened.enter_context(self._opened())
                flock(file, LOCK_SH)
                os.ftruncate(file, 0)
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
        try:
            if not self._is_kept or not self.exists() or log_of(self._database).exists():
                return
            disk = os.statvfs(self._database.parent)
            if disk.f_bavail * disk.f_frsize < ROOM_BYTES:
                self.fill()
            else:
                with self._opened():
                    self._file.unlink(missing_ok=True)
        except OSError as error:
            self._report(error)

    @contextmanager
    def _opened(self, flags: int = 0) -> Iterator[int]:
        """The descriptor of the file, also for a lock. Raises `OSError`, also for a file that isn't a reserve."""
        file = os.open(self._file, os.O_RDWR | os.O_APPEND | os.O_NOFOLLOW | flags, OWN_MODE)
        try:
            if not stat.S_ISREG(os.fstat(file).st_mode) or os.pread(file, len(_MARK), 0) not in (b"", _MARK):
                raise FileExistsError(errno.EEXIST, "another program made this file", str(self._file))
            yield file
        finally:
            os.close(file)

    def _grow(self, wanted: int) -> None:
        """Raises `BlockingIOError` if somebody else has the lock."""
        with self._opened(os.O_CREAT) as file:
            if os.fstat(file).st_size >= wanted:
                return
            flock(file, LOCK_EX | LOCK_NB)
            while (missing := wanted - (size := os.fstat(file).st_size)) > 0:
                # A file system that compresses would store zeros in no space.
                block = os.urandom(min(missing, _BLOCK_BYTES))
                if size == 0:
                    take_over(file, self._database)
                    block = _MARK + block[len(_MARK) :]
                os.write(file, block)

    def _size(self) -> int:
        try:
            return self._file.lstat().st_size
        except OSError:
            return 0

    def _report(self, error: OSError) -> None:
        if error.errno not in self._reported:
            self._reported.add(error.errno)
            logger.warning("Without %s, nothing can be deleted on a full disk: %s", self._file, error)


def is_out_of_space(error: Exception | None) -> bool:
    """Whether a file can't grow, by an error of SQLite, or by one that was raised from it."""
    cause = error if isinstance(error, apsw.Error) else error and error.__cause__
    # apsw's stubs lack the attribute.
    return getattr(cause, "extendedresult", None) in _OUT_OF_SPACE
