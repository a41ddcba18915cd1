"""Counts rows of a table, and finds remains of deleted text in SQLite files and PostgreSQL tables."""

import asyncio
import random
import string
from contextlib import closing
from pathlib import Path

import apsw
import asyncpg

from waits import until


def canary() -> str:
    """A unique word, in lower case like the words of the search index."""
    return "".join(random.choices(string.ascii_lowercase, k=24))  # noqa: S311  # it keeps no secret


def files_with(folder: Path, word: str) -> list[str]:
    """The names of the files below a folder that contain most of a word.

    An index may share the first letters of a word with the word before it.
    """
    sought = word[4:16].encode()
    return sorted(path.name for path in folder.rglob("*") if path.is_file() and sought in _bytes(path))


def tables_with(database: str, word: str) -> list[str]:
    """The names of the tables of a PostgreSQL database that contain a word."""
    return asyncio.run(_tables_with(database, word))


def places_with(database: str, word: str) -> list[str]:
    """Where a database contains a word: SQLite's files, or PostgreSQL's tables."""
    if database.startswith("sqlite"):
        return files_with(Path(database.removeprefix("sqlite:///")).parent, word)
    return tables_with(database, word)


def wait_until_gone(where: Path | str, word: str) -> None:
    """Wait until no file below a folder, or no file or table of a database, contains the word."""

    def found() -> list[str]:
        return files_with(where, word) if isinstance(where, Path) else places_with(where, word)

    until(lambda: not found(), found)


def rows_of(database: str, table: str) -> int:
    """The number of rows of a table. A coroutine has to call this in a thread."""
    if database.startswith("sqlite"):
        with closing(apsw.Connection(database.removeprefix("sqlite:///"))) as connection:
            [(count,)] = connection.execute(f"SELECT COUNT(*) FROM {table}")  # noqa: S608  # a table's name
            return int(count)
    return asyncio.run(_rows_of(database, table))


async def _rows_of(database: str, table: str) -> int:
    connection = await asyncpg.connect(database)
    count: int = await connection.fetchval(f"SELECT COUNT(*) FROM amplifierd.{table}")  # noqa: S608  # a table's name
    await connection.close()
    return count


async def _tables_with(database: str, word: str) -> list[str]:
    connection = await asyncpg.connect(database)
    tables = await connection.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'amplifierd'")
    assert tables, "The schema exists."
    found = [
        str(name)
        for (name,) in tables
        if await connection.fetchval(
            f"SELECT 1 FROM amplifierd.{name} AS row WHERE CAST(row AS TEXT) LIKE ANY ($1) LIMIT 1",  # noqa: S608  # a table
            # As text, binary columns are hexadecimal digits.
            [f"%{word}%", f"%{word.encode().hex()}%"],
        )
    ]
    await connection.close()
    return found


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return b""
