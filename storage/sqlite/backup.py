"""Copies of a database file: taken at one moment, checked, then put in their place."""

from pathlib import Path

import apsw

from ..check_statements import CONTENTS
from ..errors import DatabaseDamaged, DatabaseUnusable, MaintenanceRefused
from ..location import refuse_itself
from ..maintenance import Contents, Progress, Restored
from .file_check import faults
from .files import close_log, part_of, put, unused
from .opening import open_to_read

PAGES_AT_ONCE = 1_000


def back_up(source: Path, file: Path, *, replace: bool, progress: Progress) -> Contents:
    """See `Maintenance.back_up`."""
    connection = open_to_read(source)
    try:
        refuse_itself(source, file)
        if file.exists():
            _refuse_existing(file, replace=replace)
            with unused(file):
                pass
        with part_of(file) as part:
            copied = _copy(connection, part, progress)
            put(part, file, keep=False)
            return copied
    except (OSError, apsw.Error) as error:
        raise _cannot_write(file, error) from error
    finally:
        connection.close()


def restore(file: Path, target: Path, *, replace: bool, progress: Progress) -> Restored:
    """See `Maintenance.restore`."""
    connection = open_to_read(file)
    try:
        refuse_itself(target, file)
        if target.exists():
            _refuse_existing(target, replace=replace)
            close_log(target)
        target.parent.mkdir(parents=True, exist_ok=True)
        with part_of(target) as part:
            copied = _copy(connection, part, progress)
            return Restored(copied, put(part, target, keep=True))
    except (OSError, apsw.Error) as error:
        raise _cannot_write(target, error) from error
    finally:
        connection.close()


def contents(connection: apsw.Connection) -> Contents:
    """Count what a database holds."""
    [(sessions, messages)] = connection.execute(CONTENTS)
    return Contents(sessions, messages)


def _copy(source: apsw.Connection, part: Path, progress: Progress) -> Contents:
    copy = apsw.Connection(str(part))
    try:
        # Nobody has a use for a part of it: it is synced when it is whole.
        copy.pragma("synchronous", "off")
        copy.pragma("journal_mode", "off")
        _copy_pages(source, copy, progress)
    finally:
        copy.close()
    return _settle(part, source.filename)


def _copy_pages(source: apsw.Connection, copy: apsw.Connection, progress: Progress) -> None:
    # Without a transaction around them the steps would begin anew with every write of a daemon's.
    source.execute("BEGIN")
    source.execute("SELECT COUNT(*) FROM sqlite_schema").fetchall()
    with copy.backup("main", source, "main") as backup:
        while not backup.done:
            backup.step(PAGES_AT_ONCE)
            progress(backup.page_count - backup.remaining, backup.page_count)
    source.execute("COMMIT")


def _settle(part: Path, source: str) -> Contents:
    """Make the copy a file that needs none beside it, check it, and count what it has."""
    copy = apsw.Connection(str(part))
    try:
        copy.pragma("journal_mode", "delete")
        found = faults(copy)
        if found:
            raise DatabaseDamaged(f"SQLite says of a copy of {source}: {'; '.join(found)}")
        return contents(copy)
    finally:
        copy.close()


def _refuse_existing(file: Path, *, replace: bool) -> None:
    if not replace:
        raise MaintenanceRefused(f"{file} is there already; name another, or replace it with --force.")
    if not file.is_file():
        raise MaintenanceRefused(f"{file} is no file; name another.")


def _cannot_write(file: Path, error: Exception) -> DatabaseUnusable | DatabaseDamaged:
    if isinstance(error, apsw.CorruptError):
        return DatabaseDamaged(str(error))
    return DatabaseUnusable(
        f"{file} can't be written: {error}. "
        "Check the path, the permissions of its directory, and the space on the disk."
    )
