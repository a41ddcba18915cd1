"""Opens the file; refuses a damaged file, or one of another program, with a sentence that says what to do."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import apsw

from ..model.backend import refuse_absent
from ..model.database_errors import (
    DatabaseFileDamaged,
    DatabaseFileInvalid,
    DatabaseMissing,
    DatabaseOutOfDate,
    DatabaseUnusable,
)
from .connection import FileMoved, check_not_replaced, connect_reader, connect_writer, switch_to_wal
from .files.database_files import OWN_MODE
from .files.reserve import Reserve
from .migrations import latest, migrate, refuse_newer, refuse_other_program

_TABLES = """
SELECT name
FROM pragma_table_list
WHERE schema = 'main'
    AND type = 'table'
"""


def open_database(path: str, *, upgrade: bool, create: bool, may_be_damaged: bool = False) -> apsw.Connection:
    """A connection for writes, to a database with this program's schema.

    A missing database is created if `create` is set; an older one is upgraded if `upgrade` is set.
    Raises `DatabaseUnusable`, also for a table that can't be read, unless it `may_be_damaged`.
    """
    with _explain_errors(path, "for writing"):
        if create:
            _make_room(Path(path))
        else:
            refuse_absent(Path(path))
        if not create and Path(path).stat().st_size == 0:
            # Configuring a connection for writes would write the first page.
            raise _empty(path)
        connection = connect_writer(path)
        try:
            # Nothing is written before these checks, so that a damaged file stays unchanged for attempts to rescue it.
            refuse_other_program(connection, path)
            if not create:
                _refuse_empty(connection, path)
            if not may_be_damaged:
                _read_tables(connection)
            switch_to_wal(connection)
            _refuse_replaced(connection, path)
            migrate(connection, path, upgrade=upgrade)
            # The statement journal: in a file it takes a sixth of the time of a create. Set after `migrate`, whose
            # journal may not fit in memory.
            connection.pragma("temp_store", "memory")
        except BaseException:
            connection.close()
            raise
    return connection


def open_to_read(path: Path) -> apsw.Connection:
    """A connection for reads of an existing database, with the schema of this program or an older one.

    Raises `DatabaseUnusable`.
    """
    return Reserve(path).open(partial(_open_to_read, path))


def _open_to_read(path: Path) -> apsw.Connection:
    refuse_absent(path)
    with _explain_errors(str(path), "for reading"):
        connection = connect_reader(str(path))
        refuse_other_program(connection, str(path))
        _refuse_empty(connection, str(path))
    return connection


def open_current(path: Path) -> apsw.Connection:
    """A connection for reads of an existing database with the schema of this program. Raises `DatabaseUnusable`."""
    connection = open_to_read(path)
    version = refuse_newer(connection, str(path))
    if version < latest():
        connection.close()
        raise DatabaseOutOfDate(version, latest())
    return connection


def _refuse_empty(connection: apsw.Connection, path: str) -> None:
    if refuse_newer(connection, path) == 0:
        connection.close()
        raise _empty(path)


def _empty(path: str) -> DatabaseMissing:
    return DatabaseMissing(f"The file {path} is empty: no amplifierd has used it yet")


def _make_room(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.exists():
        # Whoever can read the file sees everything, so only its owner may read it and the files that SQLite adds to it.
        path.touch(OWN_MODE)


@contextmanager
def _explain_errors(path: str, purpose: str) -> Iterator[None]:
    try:
        yield
    except apsw.NotADBError as error:
        raise DatabaseFileInvalid(path) from error
    except apsw.CorruptError as error:
        raise DatabaseFileDamaged(path, str(error)) from error
    except (apsw.BusyError, apsw.LockedError) as error:
        raise DatabaseUnusable(
            f"Another program has locked the database {path}, and may be upgrading it; wait, and start again."
        ) from error
    except (OSError, apsw.Error) as error:
        raise DatabaseUnusable(
            f"The database {path} can't be opened {purpose}: {error}. "
            "Check the path, the permissions of the file and its directory, and the space on the disk."
        ) from error


def _read_tables(connection: apsw.Connection) -> None:
    """Read the first pages of each table, to report damage there once instead of in every request."""
    # As of one moment: another process may be creating the tables.
    with connection:
        for (table,) in connection.execute(_TABLES).fetchall():
            read_first(connection, table)


def read_first(connection: apsw.Connection, table: object) -> None:
    """Read the first row of a table. Raises `apsw.CorruptError`."""
    # All columns, so that no index is read instead. The row is not decoded.
    connection.execute(f'SELECT * FROM "{table}" NOT INDEXED LIMIT 1').close()  # noqa: S608  # of the schema


def _refuse_replaced(connection: apsw.Connection, path: str) -> None:
    # If it waited for the lock of `amplifierd restore`, this connection has the previous database open. From here on
    # nobody can replace the file, because this connection's lock marks it as in use.
    try:
        check_not_replaced(connection)
    except FileMoved:
        raise DatabaseUnusable(f"The database {path} was replaced while it was being opened; start again.") from None
