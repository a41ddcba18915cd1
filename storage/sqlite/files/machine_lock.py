"""A lock on a database that any number of processes of one machine may share, but no process of another machine.

It is a shared lock on one byte of a file beside the database, whose offset identifies the machine; a process that finds
another machine's byte locked gives up. The kernel releases it when a process ends in any way.
"""

import fcntl
import hashlib
import os
import platform
import struct
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import getnode

from ...model.database_errors import DatabaseFileShared, DatabaseUnusable
from .file_system import MOUNTS, shared_file_system

BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
_PLACES = 2**30
_OWN_MODE = 0o600

# Linux has locks that belong to an open file, so that closing another descriptor does not release them.
_IS_LINUX = sys.platform == "linux"
_FLOCK = struct.Struct("hhqqi4x" if _IS_LINUX else "qqihh")
_SET = getattr(fcntl, "F_OFD_SETLK", fcntl.F_SETLK)
_GET = getattr(fcntl, "F_OFD_GETLK", fcntl.F_GETLK)


class MachineLock:
    """The lock of this process; `file` is None on a local file system, which needs none."""

    def __init__(self, file: int | None) -> None:
        self._file = file

    def release(self) -> None:
        """Release the lock, so that another machine can use the database."""
        if self._file is not None:
            os.close(self._file)
            self._file = None


def lock_for_this_machine(
    path: Path, *, single_machine: bool | None, mounts: Path = MOUNTS, boot_id: Path = BOOT_ID
) -> MachineLock:
    """Lock the database at `path`, if it is on a shared file system and `single_machine` says that no other uses it.

    If `single_machine` is None, the setting of the last daemon counts. Raises `DatabaseFileShared` without that
    setting, and `DatabaseUnusable` if another machine has the lock, or if the file system has no locks.
    """
    file_system = shared_file_system(path, mounts)
    if file_system is None:
        return MachineLock(None)
    beside = Path(f"{os.path.realpath(path)}-machine")
    if not (beside.exists() if single_machine is None else single_machine):
        raise DatabaseFileShared(path, file_system)
    return _lock(path, beside, file_system, _place(boot_id))


@contextmanager
def locked_for_this_machine(path: Path) -> Iterator[None]:
    """Hold the same lock during a `with`, by the setting of the last daemon."""
    lock = lock_for_this_machine(path, single_machine=None)
    try:
        yield
    finally:
        lock.release()


def _lock(path: Path, beside: Path, file_system: str, place: int) -> MachineLock:
    try:
        beside.parent.mkdir(parents=True, exist_ok=True)
        file = os.open(beside, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, _OWN_MODE)
    except OSError as error:
        raise DatabaseUnusable(f"The lock file {beside} can't be opened: {error}.") from error
    try:
        fcntl.fcntl(file, _SET, _flock(fcntl.F_RDLCK, place, 1))
        is_used = any(_is_locked(file, *others) for others in ((0, place), (place + 1, _PLACES - place)))
    except OSError as error:
        os.close(file)
        raise DatabaseUnusable(
            f"The {file_system} file system of {path} has no locks ({error}), so that a second machine would not be "
            "noticed; keep the database on a disk of this machine, or use PostgreSQL."
        ) from error
    if is_used:
        os.close(file)
        raise DatabaseUnusable(
            f"Another machine uses the database {path}; stop the daemon there. Only processes of one machine can share "
            "a SQLite file; several machines can share a PostgreSQL database."
        )
    return MachineLock(file)


def _is_locked(file: int, start: int, length: int) -> bool:
    """Whether any process holds a lock on some of these bytes."""
    if length == 0:
        return False
    found = fcntl.fcntl(file, _GET, _flock(fcntl.F_WRLCK, start, length))
    kind: int = _FLOCK.unpack(found)[0 if _IS_LINUX else 3]
    return kind != fcntl.F_UNLCK


def _flock(kind: int, start: int, length: int) -> bytes:
    if _IS_LINUX:
        return _FLOCK.pack(kind, os.SEEK_SET, start, length, 0)
    return _FLOCK.pack(start, length, 0, kind, os.SEEK_SET)


def _place(boot_id: Path) -> int:
    """The byte of this machine: the same for all processes of one kernel, even in containers."""
    try:
        name = boot_id.read_text()
    except OSError:
        name = f"{platform.node()} {getnode()}"
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:4]) % _PLACES
