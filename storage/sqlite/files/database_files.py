"""Database files in their places: a new one appears whole, the log of another never meets it."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import apsw

from ...model.database_errors import MaintenanceRefused

# What SQLite keeps beside a database: https://www.sqlite.org/tempfiles.html
_LOGS = ("-wal", "-journal")
_BESIDE = (*_LOGS, "-shm")
# Of a database that is new: nobody but its owner reads it.
OWN_MODE = 0o600


@contextmanager
def part_of(target: Path) -> Iterator[Path]:
    """An empty file beside `target` for what is to become it; what is left there in the end goes."""
    part = target.with_name(f".{target.name}.{uuid4().hex}.part")
    part.touch(OWN_MODE)
    try:
        yield part
    finally:
        for suffix in ("", *_BESIDE):
            _beside(part, suffix).unlink(missing_ok=True)


def put(part: Path, target: Path, *, keep: bool) -> Path | None:
    """Let a file take the place of `target`, on disk when it returns; the name that the other was kept under, if any.

    Raises `MaintenanceRefused` where a program has that open.
    """
    _sync(part)
    kept = None
    if target.exists():
        _take_over(part, target)
        with unused(target):
            kept = _keep(target) if keep else None
            _forget_logs(target)
            part.replace(target)
    else:
        # What is there is the log of a database that is gone; SQLite would take it for the new one's.
        _forget_logs(target)
        part.replace(target)
    _sync(target.parent)
    return kept


def close_log(target: Path) -> None:
    """Move what is in the log of a database that nobody has open into it, as far as it can be read."""
    with suppress(apsw.CorruptError, apsw.NotADBError):  # what is damaged is left to be replaced, and is kept as it is
        connection = apsw.Connection(str(target), flags=apsw.SQLITE_OPEN_READWRITE)
        try:
            connection.pragma("locking_mode", "exclusive")
            connection.execute("SELECT COUNT(*) FROM sqlite_schema").fetchall()
        except apsw.BusyError as error:
            raise in_use(target) from error
        finally:
            connection.close()


@contextmanager
def unused(target: Path) -> Iterator[None]:
    """Have a database for ourselves, by SQLite's own locks, whatever is in it. Raises `MaintenanceRefused`.

    Who has it open with a write-ahead log holds a lock all the time, also while nothing is done
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


def in_use(target: Path) -> MaintenanceRefused:
    """What to say of a database that another program has open."""
    return MaintenanceRefused(f"A program has {target} open; stop the daemon that serves it, and try again.")


def _take_over(part: Path, target: Path) -> None:
    """Give a file the permissions of the one that it replaces, and its owner where that is possible."""
    shutil.copymode(target, part)
    there = target.stat()
    if os.name == "posix" and os.geteuid() == 0:
        os.chown(part, there.st_uid, there.st_gid)


def _keep(target: Path) -> Path:
    """Give a database, with its log, a second name, so that it is never without one."""
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
