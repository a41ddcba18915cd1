"""Reads and changes any table of a database, with the same statements for SQLite and PostgreSQL."""

from collections.abc import Sequence
from typing import Any, Protocol, Self

import apsw
import asyncpg

SQLITE_TABLES = """
SELECT name
FROM pragma_table_list
WHERE schema = 'main'
    AND type = 'table'
    AND name NOT LIKE 'sqlite_%'
ORDER BY name
"""

SQLITE_COLUMNS = """
SELECT name, pk > 0
FROM pragma_table_xinfo(?)
WHERE hidden = 0
"""

POSTGRES_TABLES = """
SELECT tablename
FROM pg_tables
WHERE schemaname = 'amplifierd'
ORDER BY tablename
"""

POSTGRES_COLUMNS = """
SELECT attname, COALESCE(attnum = ANY(indkey), FALSE)
FROM pg_attribute
LEFT JOIN pg_index
    ON indrelid = attrelid
    AND indisprimary
WHERE attrelid = to_regclass($1)
    AND attnum > 0
    AND attgenerated = ''
    AND NOT attisdropped
ORDER BY attnum
"""

Row = tuple[Any, ...]
REFUSED = (apsw.ConstraintError, asyncpg.IntegrityConstraintViolationError)


class AnyDatabase(Protocol):
    """A connection to a database that does not check references between tables."""

    async def run(self, statement: str, *values: Any) -> list[Row]:
        """Run a statement with values for `$1`, `$2` and so on. Returns its rows."""

    async def tables(self) -> list[str]:
        """The names of all tables."""

    async def columns(self, table: str) -> list[Row]:
        """The stored columns of a table, each with whether it is part of the primary key."""

    async def close(self) -> None:
        """Close the connection."""


class AnySQLite:
    """The file of a `sqlite:` URL."""

    def __init__(self, url: str) -> None:
        self._connection = apsw.Connection(url.removeprefix("sqlite:///"))
        self._connection.set_busy_timeout(5_000)
        # No test of damages crashes the machine.
        self._connection.pragma("synchronous", "off")
        self._connection.config(apsw.SQLITE_DBCONFIG_ENABLE_TRIGGER, 0)

    async def run(self, statement: str, *values: Any) -> list[Row]:
        return self._connection.execute(statement.replace("$", "?"), values).fetchall()

    async def tables(self) -> list[str]:
        return [name for (name,) in self._connection.execute(SQLITE_TABLES)]

    async def columns(self, table: str) -> list[Row]:
        return self._connection.execute(SQLITE_COLUMNS, (table,)).fetchall()

    async def close(self) -> None:
        self._connection.close()


class AnyPostgres:
    """The database of a `postgresql:` URL."""

    def __init__(self, connection: "asyncpg.Connection[asyncpg.Record]") -> None:
        self._connection = connection

    @classmethod
    async def open(cls, url: str) -> Self:
        """Connect."""
        settings = {"search_path": "amplifierd", "session_replication_role": "replica"}
        return cls(await asyncpg.connect(url, server_settings=settings))

    async def run(self, statement: str, *values: Any) -> list[Row]:
        return [tuple(row) for row in await self._connection.fetch(statement, *values)]

    async def tables(self) -> list[str]:
        return [name for (name,) in await self.run(POSTGRES_TABLES)]

    async def columns(self, table: str) -> list[Row]:
        return await self.run(POSTGRES_COLUMNS, table)

    async def close(self) -> None:
        await self._connection.close()


async def any_database(url: str) -> AnyDatabase:
    """An open connection to a database of either kind."""
    return AnySQLite(url) if url.startswith("sqlite") else await AnyPostgres.open(url)


# The names below are those of the schema.
# ruff: noqa: S608


def select(table: str, names: Sequence[str]) -> str:
    """The statement that reads columns of all rows."""
    return f"SELECT {', '.join(names)} FROM {table}"


def delete(table: str, names: Sequence[str]) -> str:
    """The statement that deletes the row whose columns have the values; without names it deletes all rows."""
    return f"DELETE FROM {table} WHERE {_matches(names, 1)}"


def update(table: str, name: str, names: Sequence[str]) -> str:
    """The statement that sets a column to the first value, in the row whose columns have the others."""
    return f"UPDATE {table} SET {name} = $1 WHERE {_matches(names, 2)}"


def insert(table: str, names: Sequence[str], source: str | None = None) -> str:
    """The statement that inserts a row of values, or the rows of another table."""
    values = ", ".join(f"${place}" for place, _ in enumerate(names, 1))
    rows = f"VALUES ({values})" if source is None else select(source, names)
    return f"INSERT INTO {table} ({', '.join(names)}) {rows}"


def _matches(names: Sequence[str], first: int) -> str:
    return " AND ".join(["TRUE", *(f"{name} IS NOT DISTINCT FROM ${place}" for place, name in enumerate(names, first))])
