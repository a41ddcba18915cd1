"""Rows of a foreign SQLite database, which may have any schema and may be damaged."""

import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from tempfile import NamedTemporaryFile
from typing import IO, Any

from ..interface import Fault, Object, Step
from ..json_records import MAX_BYTES, decode

SQLITE = b"SQLite format 3\0"


class Database:
    """A copy of a database, with the tables that it has."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        statement = "SELECT name FROM sqlite_schema WHERE type = 'table'"
        self.tables = {row["name"] for row in self.rows(statement)}

    def index(self, table: str, *columns: str) -> None:
        """Make an index, if there is such a table; both names are constants."""
        if table in self.tables:
            name = "_".join(("by", table, *columns))
            self._connection.execute(f"CREATE INDEX IF NOT EXISTS {name} ON {table} ({', '.join(columns)})")

    def rows(self, statement: str, *bindings: Any) -> Iterator[Object]:
        """The rows that a statement selects, one after the other."""
        for row in self._connection.execute(statement, bindings):
            yield {key: row[key] for key in row.keys()}  # noqa: SIM118  # a row iterates over values


def read_database(source: IO[bytes], read: Callable[[Database], Iterator[Step]]) -> Iterator[Step]:
    """The steps that `read` makes of a database; an error of SQLite becomes a fault."""
    with NamedTemporaryFile(suffix=".db") as copied:
        shutil.copyfileobj(source, copied)
        copied.flush()
        try:
            with closing(sqlite3.connect(copied.name)) as connection:
                # Of a longer value nothing is read, so that memory stays bounded.
                connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, MAX_BYTES)
                connection.execute("PRAGMA trusted_schema = OFF")
                connection.row_factory = sqlite3.Row
                connection.text_factory = lambda text: text.decode(errors="replace")
                yield from read(Database(connection))
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
