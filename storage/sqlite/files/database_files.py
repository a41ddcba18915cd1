"""Replaces database files: a new file appears as a whole, and never with the log of another."""

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import apsw

from ...model.database_errors import MaintenanceRefused

# The files that SQLite keeps beside a database: https://www.sqlite.org/tempfiles.html
_WAL = "-wal"
_LOGS = (_WAL, "-journal")
_BESIDE = (*_LOGS, "-shm")
# The permissions of a new database: only its owner may read it.
OWN_MODE = 0o600


@contextmanager
def part_file(target: Path) -> Iterator[Path]:
    """An empty file beside `target` that will replace it; it is deleted at the end if it was not used."""
    part = target.with_name(f".{target.name}.{uuid4().hex}.part")
    part.touch(OWN_MODE)
    try:
        yield part
    finally:
        for suffix in ("", *_BESIDE):
            _beside(part, suffix).unlink(missing_ok=True)


def replace_file(part: Path, target: Path, *, keep: bool) -> Path | None:
    """Replace `target` by the file `part`, on disk when it returns.

    With `keep` the previous file stays under another name, which is returned; otherwise None. Raises
    `MaintenanceRefused` if a program has the previous file open.
    """
    _sync(part)
    kept = None
    if target.exists():
        take_over(part, target)
        with exclusive_use(target):
            kept = _keep(target) if keep else None
            _forget_logs(target)
            part.replace(target)
    else:
        # A log that is left here belongs to an earlier database; SQLite would apply it to the new one.
        _forget_logs(target)
        part.replace(target)
    _sync(target.parent)
    return kept


def close_log(target: Path) -> None:
    """Move the log of a database into it, as far as it is readable. Raises `MaintenanceRefused` if it is in use."""
    with suppress(apsw.CorruptError, apsw.NotADBError):  # a damaged database is kept unchanged beside the new one
        connection = apsw.Connection(str(target), flags=apsw.SQLITE_OPEN_READWRITE)
        try:
            connection.pragma("locking_mode", "exclusive")
            connection.execute("SELECT COUNT(*) FROM sqlite_schema").fetchall()
        except apsw.BusyError as error:
            raise in_use(target) from error
        finally:
            connection.close()


@contextmanager
def exclusive_use(target: Path) -> Iterator[None]:
    """Have exclusive use of a file with SQLite's own locks, whatever is in it. Raises `MaintenanceRefused`.

    A program that has it open with a write-ahead log always holds a lock, even while idle
    (https://www.sqlite.org/lockingv3.html).
    """
    file = apsw.VFSFile("", str(target), [apsw.SQLITE_OPEN_MAIN_DB | apsw.SQLITE_OPEN_READWRITE, 0])
    try:
        try:
            file.xLock(apsw.SQLITE_LOCK_SHARED)
            file.xLock(apsw.SQLITE_LOCK_EXCLUSIVE)
        except apsw.BusyError as error:
            raise in_use(target) from error
        yield
        file.xUnlock(apsw.SQLITE_LOCK_NONE)
    finally:
        file.xClose()


def log_of(database: Path) -> Path:
    """The write-ahead log of a database, which may not exist. It is beside the file that a link leads to."""
    return _beside(database.resolve(), _WAL)


def log_bytes(database: Path) -> int:
    """The size of the write-ahead log of a database; 0 if there is none."""
    log = log_of(database)
    return log.stat().st_size if log.exists() else 0


def take_over(file: Path | int, other: Path) -> None:
    """Give a file the permissions of another one, which it replaces or belongs to, and its owner if possible."""
    found = other.stat()
    os.chmod(file, stat.S_IMODE(found.st_mode))  # noqa: PTH101  # a `Path` has no descriptor
    if os.name == "posix" and os.geteuid() == 0:
        os.chown(file, found.st_uid, found.st_gid)


def in_use(target: Path) -> MaintenanceRefused:
    """The error for a database that another program has open."""
    return MaintenanceRefused(f"A program has {target} open; stop the daemon that serves it, and try again.")


def _keep(target: Path) -> Path:
    """Give a database and its log a second name, so that the first one is never missing. Returns the new path."""
    kept = target.with_name(f"{target.name}.replaced-{datetime.now(UTC):%Y%m%dT%H%M%S.%fZ}")
    for suffix in ("", *_LOGS):
        if _beside(target, suffix).exists():
            os.link(_beside(target, suffix), _beside(kept, suffix))
    _sync(target.parent)
    return kept


def _forget_logs(target: Path) -> None:
    for suffix in _BESIDE:
        _beside(target, suffix).unlink(missing_ok=True)


def _beside(target: Path, suffix: str) -> Path:
    return target.with_name(target.name + suffix)


def _sync(path: Path) -> None:
    opened = os.open(path, os.O_RDONLY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)
