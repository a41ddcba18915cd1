"""Rows of a foreign SQLite database, which may have any schema and may be damaged.

Views and generated columns are not evaluated. The size of the file limits the steps of SQLite and the rows and bytes
that it returns, because pages of a hostile file may form a cycle, or many rows may share one value.
"""

import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from tempfile import NamedTemporaryFile
from typing import IO, Any
from uuid import uuid4

from ..interface import Fault, Object, Step
from ..json_records import MAX_BYTES, decode

SQLITE = b"SQLite format 3\0"

# Tables whose rows are stored in the file: no generated columns, no virtual tables.
_TABLES = """
    SELECT name
    FROM pragma_table_list
    WHERE schema = 'main'
        AND type = 'table'
        AND NOT EXISTS (SELECT 1 FROM pragma_table_xinfo(pragma_table_list.name) WHERE hidden <> 0)
"""
# The minimum size of a row: two bytes in the list of its page, its length and its number.
_ROW_BYTES = 4
# Each row is read by this number of statements at most.
_READ_TIMES = 16
# A table has at most this multiple of the file's bytes: rows that are older than a column have its default.
_TABLE_TIMES = 4
# Steps of SQLite's virtual machine. Small rows of sound databases take 2 for each byte.
_STEPS = 100_000
_STEPS_PER_BYTE = 32
_CHECK_STEPS = 1_000


class Database:
    """A copy of a database, with the tables that it has."""

    def __init__(self, connection: sqlite3.Connection, size: int, is_stopped: Callable[[], bool]) -> None:
        """Find the tables of a database of `size` bytes. Reading ends when `is_stopped` returns true.

        Raises `sqlite3.DatabaseError`.
        """
        self._connection = connection
        self._is_stopped = is_stopped
        self._max_rows = size // _ROW_BYTES
        self._rows_left = _READ_TIMES * self._max_rows
        self._max_table_bytes = _TABLE_TIMES * size
        # Many messages may quote the same text.
        self._bytes_left = MAX_BYTES + _READ_TIMES * size
        self._steps_left = _STEPS + _STEPS_PER_BYTE * size
        connection.set_progress_handler(self._has_to_end, _CHECK_STEPS)
        self.tables = {row["name"] for row in self.rows(_TABLES)}
        for table in self.tables:
            self._check_size(table)

    def _has_to_end(self) -> bool:
        self._steps_left -= _CHECK_STEPS
        return self._steps_left < 0 or self._is_stopped()

    def _check_size(self, table: str) -> None:
        """Refuse a table with more rows or bytes than the file allows: sorting it would take too much."""
        name = table.replace('"', '""')
        rows = size = 0
        # Damage is reported when the damaged part is read.
        with suppress(sqlite3.DatabaseError):
            for row in self._execute(f'SELECT * FROM "{name}" NOT INDEXED'):  # noqa: S608  # it is quoted
                rows += 1
                size += _size_of(row)
                if rows > self._max_rows or size > self._max_table_bytes:
                    break
        if rows > self._max_rows or size > self._max_table_bytes or self._steps_left < 0:
            raise _too_much()

    def index(self, table: str, *columns: str) -> None:
        """Create an index if the table exists. `table` and `columns` are constants of this program."""
        if table in self.tables:
            # A random name: the file cannot already contain an index with this name.
            name = f"by_{uuid4().hex}"
            for _ in self._execute(f"CREATE INDEX {name} ON {table} ({', '.join(columns)})"):
                pass

    def rows(self, statement: str, *bindings: Any) -> Iterator[Object]:
        """The rows that a statement selects, one after the other, by the names of their columns in lower case.

        Raises `sqlite3.DatabaseError`.
        """
        for row in self._execute(statement, *bindings):
            self._rows_left -= 1
            self._bytes_left -= _size_of(row)
            if self._rows_left < 0 or self._bytes_left < 0:
                raise _too_much()
            yield {key.lower(): row[key] for key in row.keys()}  # noqa: SIM118  # a row iterates over values

    def _execute(self, statement: str, *bindings: Any) -> Iterator[sqlite3.Row]:
        try:
            yield from self._connection.execute(statement, bindings)
        except OverflowError as error:
            raise sqlite3.DatabaseError("a number has more than 64 bits") from error
        except UnicodeDecodeError as error:
            # Python cannot decode SQLite's message, which quotes the name.
            raise sqlite3.DatabaseError("a name in it is not UTF-8") from error
        except sqlite3.OperationalError:
            if self._steps_left < 0:
                raise _too_much() from None
            raise


def _size_of(row: sqlite3.Row) -> int:
    return sum(len(value) for value in row if isinstance(value, str | bytes))


def _too_much() -> sqlite3.DatabaseError:
    return sqlite3.DatabaseError("it has more than its size allows: it may be damaged")


def read_database(source: IO[bytes], read: Callable[[Database], Iterator[Step]]) -> Iterator[Step]:
    """The steps that `read` makes of a database, until the source is closed. An SQLite error becomes a fault."""
    with NamedTemporaryFile(suffix=".db") as copied:
        shutil.copyfileobj(source, copied)
        copied.flush()
        size = copied.tell()
        try:
            with closing(sqlite3.connect(copied.name)) as connection:
                # SQLite refuses longer values, so that memory stays bounded.
                connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, MAX_BYTES)
                connection.execute("PRAGMA trusted_schema = OFF")
                connection.row_factory = sqlite3.Row
                connection.text_factory = lambda text: text.decode(errors="replace")
                yield from read(Database(connection, size, lambda: source.closed))
        except sqlite3.Error as error:
            yield Fault(kind="not SQLite", line=1, sentence=f"The database cannot be read further: {error}.")


def plain(value: Any) -> Any:
    """The value of a column as a JSON value; bytes become hexadecimal digits."""
    return value.hex() if isinstance(value, bytes) else value


def json_of(value: Any) -> Any:
    """Decode a column with JSON; returns the text itself if it is not JSON."""
    if not isinstance(value, str):
        return plain(value)
    try:
        return decode(value.encode("utf-8", "replace"))[0]
    except ValueError:
        return value
