"""Copies a database file as of one moment, checks the copy, and moves it to its place."""

from pathlib import Path

import apsw

from ...model.backend import refuse_itself
from ...model.database_errors import DatabaseDamaged, DatabaseMissing, DatabaseUnusable, FileExists, MaintenanceRefused
from ...model.maintenance import Contents, Progress, Restored
from ...sql.statements.integrity import CONTENTS
from ..files.database_files import close_log, exclusive_use, part_file, replace_file
from ..opening import open_to_read
from .compaction import merge_index
from .integrity import faults

# Progress is reported after this number of steps of SQLite's virtual machine.
STEPS_AT_ONCE = 50_000


def back_up(source: Path, file: Path, *, replace: bool, progress: Progress) -> Contents:
    """See `Maintenance.back_up`."""
    connection = open_to_read(source)
    try:
        refuse_itself(source, file)
        if file.exists():
            _refuse_existing(file, replace=replace)
            with exclusive_use(file):
                pass
        with part_file(file) as part:
            copied = _copy(connection, part, progress)
            replace_file(part, file, keep=False)
            return copied
    except (OSError, apsw.Error) as error:
        raise _cannot_write(file, error) from error
    finally:
        connection.close()


def restore(file: Path, target: Path, *, replace: bool, progress: Progress) -> Restored:
    """See `Maintenance.restore`."""
    connection = _open_backup(file)
    try:
        refuse_itself(target, file)
        if target.exists():
            _refuse_existing(target, replace=replace)
            close_log(target)
        target.parent.mkdir(parents=True, exist_ok=True)
        with part_file(target) as part:
            copied = _copy(connection, part, progress)
            return Restored(copied, replace_file(part, target, keep=True))
    except (OSError, apsw.Error) as error:
        raise _cannot_write(target, error) from error
    finally:
        connection.close()


def contents(connection: apsw.Connection) -> Contents:
    """Count the contents of a database."""
    [(sessions, messages)] = connection.execute(CONTENTS)
    return Contents(sessions, messages)


def _open_backup(file: Path) -> apsw.Connection:
    if not file.exists():
        raise MaintenanceRefused(f"There is no backup at {file}.")
    try:
        return open_to_read(file)
    except DatabaseMissing as error:
        # The advice for a missing database is not for a backup.
        raise MaintenanceRefused(f"{error}.") from error


def _copy(source: apsw.Connection, part: Path, progress: Progress) -> Contents:
    """Copy a database as of one moment, without free pages (https://www.sqlite.org/lang_vacuum.html)."""
    # Damage in the last page of a long text would not be found in the copy.
    found = faults(source, is_quick=True)
    if found:
        raise DatabaseDamaged(f"SQLite says of {source.filename}: {'; '.join(found)}")
    pages = source.pragma("page_count") - source.pragma("freelist_count")
    page_size = source.pragma("page_size")

    def show() -> bool:
        progress(min(part.stat().st_size // page_size, pages), pages)
        return False

    # VACUUM INTO counts as a write, but only reads the source.
    source.pragma("query_only", False)
    source.set_progress_handler(show, STEPS_AT_ONCE)
    try:
        source.execute("VACUUM INTO ?", (str(part),))
    except apsw.CorruptError as error:
        raise DatabaseDamaged(f"SQLite says of a copy of {source.filename}: {error}") from error
    finally:
        source.set_progress_handler(None)
    progress(pages, pages)
    return _settle(part, source.filename)


def _settle(part: Path, source: str) -> Contents:
    """Make the copy a single file, check it, and count its contents."""
    copy = apsw.Connection(str(part))
    try:
        copy.pragma("journal_mode", "delete")
        found = faults(copy)
        if found:
            raise DatabaseDamaged(f"SQLite says of a copy of {source}: {'; '.join(found)}")
        if merge_index(copy):
            copy.execute("VACUUM")
        return contents(copy)
    finally:
        copy.close()


def _refuse_existing(file: Path, *, replace: bool) -> None:
    if not replace:
        raise FileExists(file)
    if not file.is_file():
        raise MaintenanceRefused(f"{file} is not a regular file; name another.")


def _cannot_write(file: Path, error: Exception) -> DatabaseUnusable | DatabaseDamaged:
    if isinstance(error, apsw.CorruptError):
        return DatabaseDamaged(str(error))
    return DatabaseUnusable(
        f"{file} can't be written: {error}. "
        "Check the path, the permissions of its directory, and the space on the disk."
    )
