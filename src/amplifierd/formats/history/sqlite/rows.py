"""Rows of a foreign SQLite database, which may have any schema and may be damaged.

What is read takes a time and a space that its size limits: nothing is computed, and no row is read without end.
"""

import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from tempfile import NamedTemporaryFile
from typing import IO, Any

from ..interface import Fault, Object, Step
from ..json_records import MAX_BYTES, decode

SQLITE = b"SQLite format 3\0"

# Tables whose rows are in the file as they are: not computed, and not those of an extension.
_TABLES = """
    SELECT name
    FROM pragma_table_list
    WHERE schema = 'main'
        AND type = 'table'
        AND NOT EXISTS (SELECT 1 FROM pragma_table_xinfo(pragma_table_list.name) WHERE hidden <> 0)
"""
# A row takes at least these bytes: two in the list of its page, its length and its number.
_ROW_BYTES = 4
# Each row is read by this number of statements at most.
_READ_TIMES = 16


class Database:
    """A copy of a database, with the tables that it has."""

    def __init__(self, connection: sqlite3.Connection, size: int) -> None:
        """Find the tables of a database of so many bytes. Raises `sqlite3.DatabaseError`."""
        self._connection = connection
        self._max_rows = size // _ROW_BYTES
        self._left = _READ_TIMES * self._max_rows
        self.tables = {row["name"] for row in self.rows(_TABLES)}
        for table in self.tables:
            self._check_count(table)

    def _check_count(self, table: str) -> None:
        """Refuse a table whose pages lead to each other: it has rows without end, which cannot be sorted."""
        name = table.replace('"', '""')
        statement = f'SELECT 1 FROM "{name}" NOT INDEXED LIMIT 1 OFFSET {self._max_rows}'  # noqa: S608  # it is quoted
        # What is damaged is told when it is read.
        found = None
        with suppress(sqlite3.DatabaseError):
            found = self._connection.execute(statement).fetchone()
        if found:
            raise _too_many()

    def index(self, table: str, *columns: str) -> None:
        """Make an index, if there is such a table; both names are constants."""
        if table in self.tables:
            name = "_".join(("by", table, *columns))
            self._connection.execute(f"CREATE INDEX IF NOT EXISTS {name} ON {table} ({', '.join(columns)})")

    def rows(self, statement: str, *bindings: Any) -> Iterator[Object]:
        """The rows that a statement selects, one after the other."""
        for row in self._connection.execute(statement, bindings):
            self._left -= 1
            if self._left < 0:
                raise _too_many()
            yield {key: row[key] for key in row.keys()}  # noqa: SIM118  # a row iterates over values


def _too_many() -> sqlite3.DatabaseError:
    return sqlite3.DatabaseError("it has more rows than its size allows")


def read_database(source: IO[bytes], read: Callable[[Database], Iterator[Step]]) -> Iterator[Step]:
    """The steps that `read` makes of a database; an error of SQLite becomes a fault."""
    with NamedTemporaryFile(suffix=".db") as copied:
        shutil.copyfileobj(source, copied)
        copied.flush()
        size = copied.tell()
        try:
            with closing(sqlite3.connect(copied.name)) as connection:
                # Of a longer value nothing is read, so that memory stays bounded.
                connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, MAX_BYTES)
                connection.execute("PRAGMA trusted_schema = OFF")
                connection.row_factory = sqlite3.Row
                connection.text_factory = lambda text: text.decode(errors="replace")
                yield from read(Database(connection, size))
        except sqlite3.Error as error:
            yield Fault(kind="not SQLite", line=1, sentence=f"The database cannot be read further: {error}.")


def plain(value: Any) -> Any:
    """The value of a column as a JSON value; bytes become hexadecimal digits."""
    return value.hex() if isinstance(value, bytes) else value


def json_of(value: Any) -> Any:
    """The value of a column that holds JSON; the text itself if it does not."""
    if not isinstance(value, str):
        return plain(value)
    try:
        return decode(value.encode("utf-8", "replace"))[0]
    except ValueError:
        return value
