"""Upgrades the schema with numbered SQL files; `PRAGMA user_version` has the number of the last one applied."""

import logging
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path

import apsw

from ..model.database_errors import DatabaseOutOfDate, DatabaseUnusable
from ..sql import migrations
from .connection import WriteTransaction, switch_to_wal

logger = logging.getLogger(__name__)

# "ampd" in ASCII identifies files of this program (https://www.sqlite.org/fileformat2.html#application_id).
APPLICATION_ID = 0x616D7064
# The last script that rewrites most of the database.
REWRITTEN = 24


def migrate(connection: apsw.Connection, path: str, *, upgrade: bool) -> None:
    """Apply the scripts that the database lacks, all or none, under its write lock.

    Raises `DatabaseUnusable` if its schema is newer than this program's, or if it is older and `upgrade` is not set,
    another program has the database open, or the disk has too little space.
    """
    scripts = _scripts()
    if (connection.pragma("application_id"), connection.pragma("user_version")) == (APPLICATION_ID, len(scripts)):
        return
    version = refuse_newer(connection, path)
    if version and not upgrade:
        raise DatabaseOutOfDate(version, len(scripts))
    if 0 < version < REWRITTEN:
        _refuse_small_disk(connection, path)
        logger.info("Upgrading the database %s from schema %s to %s, which can take minutes", path, version, latest())
    with (
        _exclusive(connection, path) if version else nullcontext(),
        _without_foreign_keys(connection),
        WriteTransaction(connection),
    ):
        version = refuse_newer(connection, path)
        for script in scripts[version:]:
            connection.execute(script)
        connection.pragma("application_id", APPLICATION_ID)
        connection.pragma("user_version", len(scripts))


def _refuse_small_disk(connection: apsw.Connection, path: str) -> None:
    """Raises `DatabaseUnusable` if the disk has no space for the new tables and the journal of the old ones."""
    needed = 2 * connection.pragma("page_count") * connection.pragma("page_size")
    free = shutil.disk_usage(Path(path).parent).free
    if free < needed:
        raise DatabaseUnusable(
            f"The upgrade of the database {path} to schema {latest()} needs {needed} bytes of free disk space, but "
            f"there are {free}. Free some space, and start again; nothing was changed."
        )


@contextmanager
def _without_foreign_keys(connection: apsw.Connection) -> Iterator[None]:
    """Suspend foreign keys, so that tables can be rebuilt: dropping one would delete the rows that refer to it.

    See https://www.sqlite.org/lang_altertable.html#otheralter
    """
    foreign_keys = connection.pragma("foreign_keys")
    connection.pragma("foreign_keys", False)
    try:
        yield
    finally:
        connection.pragma("foreign_keys", foreign_keys)


@contextmanager
def _exclusive(connection: apsw.Connection, path: str) -> Iterator[None]:
    """Have exclusive use of the file: statements prepared by another program do not fit the new tables.

    A database without a write-ahead log can be locked by one program
    (https://www.sqlite.org/pragma.html#pragma_locking_mode).
    """
    connection.pragma("locking_mode", "exclusive")
    try:
        connection.pragma("journal_mode", "delete")
    except apsw.BusyError:
        connection.close()
        raise DatabaseUnusable(
            f"The database {path} has an older schema, and a program has it open; stop the daemon that serves it, "
            "which cannot use a newer schema, and start again."
        ) from None
    try:
        yield
    finally:
        connection.pragma("locking_mode", "normal")
        switch_to_wal(connection)


def refuse_newer(connection: apsw.Connection, path: str) -> int:
    """The schema of the database. Raises `DatabaseUnusable` if it is newer than this program's."""
    version: int = connection.pragma("user_version")
    migrations.refuse_newer(version, latest(), f"The database {path}")
    return version


def latest() -> int:
    """The schema of this program."""
    return len(_scripts())


def refuse_other_program(connection: apsw.Connection, path: str) -> None:
    """Raises `DatabaseUnusable` if the file belongs to another program; it is not changed."""
    [(application_id, tables)] = connection.execute(_OWNER)
    if tables and application_id != APPLICATION_ID:
        raise DatabaseUnusable(f"The file {path} is another program's SQLite database; name a file of amplifierd's.")


# One statement, so as of one moment: another process may be creating the tables.
_OWNER = """
SELECT application_id, (SELECT count(*) FROM sqlite_schema)
FROM pragma_application_id
"""


def _scripts() -> list[str]:
    return migrations.numbered_scripts(str(__package__))
