"""Makes large databases: multiplies one session and one message of the storage with SQL."""

import asyncio
import os
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import apsw
from msgspec import Raw

from amplifierd.storage import open_storage
from amplifierd.storage.model.records import NewMessage, NewSession
from amplifierd.storage.values.clock import text_of
from amplifierd.storage.values.uuid7 import new_session_id

_WORKSPACE = "default"
_FIRST = datetime(2025, 1, 1, tzinfo=UTC)
_BETWEEN_SESSIONS = timedelta(milliseconds=1)

# The columns that differ from the multiplied row, by table. All other columns are copied.
_REPLACED: Mapping[str, Mapping[str, str]] = {
    "session": {
        "id": "made.id",
        "created_at": "made.moment",
        "updated_at": "made.moment",
        "started_at": "made.moment",
        "message_count": "made.messages",
        "version": "made.messages + 1",
        "changed_version": "MIN(made.messages, 1) + 1",
        "changed_sequence": "MIN(made.messages, 1)",
        "last_message": "iif(made.messages = 0, NULL, seed.last_message)",
        "revision": "made.n",
        "created_revision": "made.n",
    },
    "session_number": {
        "number": "made.n",
        "session_id": "made.id",
        "indexed_sequence": "0",
    },
    # The rest of the record is NULL: it has only the sequence, which the place contains.
    "message_row": {
        "place": "(made.n << 31) + number.n",
    },
}


_COUNT_SESSIONS = """
UPDATE directory_use
SET session_count = (SELECT COUNT(*) FROM session)
"""

# The daemon indexes all of them when it is idle.
_FORGET_WORDS = """
DELETE FROM search;
DELETE FROM search_progress
"""


def fill(database: Path, lengths: Sequence[int]) -> list[str]:
    """Make `database`, which is not there yet, with a session of each of these numbers of messages; their ids.

    Each session is a millisecond younger than the one before it, from 2025 on. What is written is on disk.
    """
    asyncio.run(_make_seed(database))
    connection = apsw.Connection(str(database))
    # A lost database can be made again.
    connection.pragma("journal_mode", "off")
    connection.pragma("synchronous", "off")
    connection.execute("BEGIN EXCLUSIVE")
    _plan(connection, lengths)
    for table, replaced in _REPLACED.items():
        _multiply(connection, table, replaced)
    connection.execute(_COUNT_SESSIONS)
    connection.execute(_FORGET_WORDS)
    connection.execute("COMMIT")
    ids = [session_id for (session_id,) in connection.execute("SELECT id FROM made ORDER BY n")]
    connection.close()
    _sync(database)
    return ids


def moment_of(number: int) -> str:
    """The time of a session by its number, from 1."""
    return text_of(_FIRST + number * _BETWEEN_SESSIONS)


async def _make_seed(database: Path) -> None:
    async with open_storage(f"sqlite:///{database}") as storage:
        session = await storage.create_session(_WORKSPACE, NewSession(context=Raw(b'{"task":"growth"}')))
        content = "The quick brown fox jumps over the lazy dog. " * 2
        await storage.append_message(_WORKSPACE, session.id, NewMessage(content=content[:80]))


def _plan(connection: apsw.Connection, lengths: Sequence[int]) -> None:
    connection.execute("CREATE TEMP TABLE made (n INTEGER PRIMARY KEY, id TEXT, moment TEXT, messages INTEGER)")
    connection.executemany("INSERT INTO made VALUES (?, ?, ?, ?)", _made(lengths))
    connection.execute("CREATE TEMP TABLE number (n INTEGER PRIMARY KEY)")
    connection.execute(_NUMBERS, {"most": max(lengths)})


_NUMBERS = """
WITH RECURSIVE counted (n) AS (
    SELECT 1
    UNION ALL
    SELECT n + 1
    FROM counted
    WHERE n < :most
)
INSERT INTO number
SELECT n
FROM counted
"""


def _made(lengths: Sequence[int]) -> Iterator[tuple[int, str, str, int]]:
    for number, messages in enumerate(lengths, 1):
        moment = moment_of(number)
        yield number, new_session_id(moment), moment, messages


def _multiply(connection: apsw.Connection, table: str, replaced: Mapping[str, str]) -> None:
    """Replace the only row of a table with a row for each session, or for each message."""
    # These do not include generated columns.
    columns = [name for (name,) in connection.execute("SELECT name FROM pragma_table_info(?)", (table,))]
    expressions = [replaced.get(name, f"seed.{name}") for name in columns]
    messages = "CROSS JOIN number ON number.n <= made.messages" if table == "message_row" else ""
    connection.execute(f"CREATE TEMP TABLE seed AS SELECT * FROM {table}")  # noqa: S608  # names of the schema
    connection.execute(f"DELETE FROM {table}")  # noqa: S608
    connection.execute(
        f"""
INSERT INTO main.{table} ({", ".join(columns)})
SELECT {", ".join(expressions)}
FROM made
CROSS JOIN seed
{messages}
ORDER BY made.n
"""  # noqa: S608
    )
    connection.execute("DROP TABLE seed")


def _sync(database: Path) -> None:
    # Pending writes of the kernel would slow the daemon during the measurement.
    with database.open("rb") as file:
        os.fsync(file.fileno())
