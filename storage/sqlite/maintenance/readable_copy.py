"""A temporary copy of a damaged file, with new indexes, so that no damaged index hides rows that can be read."""

import os
from collections.abc import Container, Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import apsw

from ...model.database_errors import Skipped
from ..connection import connect_writer
from ..opening import open_to_read, read_first
from .index_rebuild import replace_indexes
from .integrity import faults_of_tables

# The first page of the list of free pages, and their number: https://www.sqlite.org/fileformat2.html#database_header
_FREE_PAGES_AT, _FREE_PAGES_BYTES = 32, 8


@contextmanager
def readable_file(path: Path, skipped: Skipped) -> Iterator[Path]:
    """The file at `path`, or during the `with` a copy of it, if SQLite finds a table or an index damaged.

    The copy is in a folder `amplifierd-PID-…`, so that the owner of a leftover folder can be identified.
    Without space for a copy, it is the file itself. `skipped` is told about each table that is damaged in what is read.
    Raises `DatabaseUnusable`.
    """
    with TemporaryDirectory(prefix=f"amplifierd-{os.getpid()}-") as folder:
        copy = Path(folder, path.name)
        with closing(open_to_read(path)) as source:
            damaged = faults_of_tables(source)
            is_copied = bool(damaged) and _is_copied(source, copy, damaged)
            if not is_copied:
                _tell(source, damaged, skipped)
        if is_copied:
            with closing(open_to_read(copy)) as connection:
                _tell(connection, faults_of_tables(connection), skipped)
        yield copy if is_copied else path


def _is_copied(source: apsw.Connection, target: Path, tables: Container[str]) -> bool:
    """Copy a file as of one moment, and rebuild the indexes of some tables. Returns False if there is no space."""
    try:
        with closing(apsw.Connection(str(target))) as connection, connection.backup("main", source, "main") as copying:
            copying.step()
        with target.open("r+b") as file:
            # A page that is listed as free by mistake must not be overwritten.
            file.seek(_FREE_PAGES_AT)
            file.write(bytes(_FREE_PAGES_BYTES))
        with closing(connect_writer(str(target))) as connection:
            connection.pragma("synchronous", "off")
            replace_indexes(connection, tables)
    except (OSError, apsw.Error):
        target.unlink(missing_ok=True)
        return False
    return True


def _tell(connection: apsw.Connection, damaged: Mapping[str, str], skipped: Skipped) -> None:
    for table, fault in damaged.items():
        try:
            read_first(connection, table)
        except apsw.CorruptError:
            skipped.tell(f"The table {table} can't be read.")
        else:
            skipped.tell(
                f"The table {table} or one of its indexes is damaged ({fault}): rows that can be read may be missing. "
                "Repair the database, then use a new target."
            )
