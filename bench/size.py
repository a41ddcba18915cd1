"""`python -m bench.size`: measures the disk space of messages of each length in both databases, and read times.

It prints two tables: sizes for each byte of text, and the parts of each database that take 15 bytes a message or more.
Sessions have 50 messages, appended to 16 sessions in turn, or to the number in `--at-once`. The set "about 2000" has
messages of 1,000 to 3,000 characters, "talk" is the corpus without the outputs of tools.

AMPLIFIERD_TEST_POSTGRES names a PostgreSQL, if there is one; `python tests/postgres.py` starts one for a command.
"""

import argparse
import asyncio
import os
import random
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import apsw
import asyncpg

from amplifierd.storage import open_storage
from amplifierd.storage.model.database_errors import SearchIndexNotReady
from amplifierd.storage.model.interface import Storage
from amplifierd.storage.model.queries import MessageQuery, SearchQuery
from amplifierd.storage.model.records import NewMessage, NewSession

from .corpus import TOOL_OUTPUT_BYTES, texts, texts_about, texts_of
from .report import log, table

_W = "default"
_LENGTHS = (80, 300, 325, 900, 2_000, 20_000)
# Messages of different lengths, with these means: of one length, they may all just miss a place in a page.
_MEANS = (325, 900, 2_000)
_ABOUT = "about "
_TALK, _CORPUS = "talk", "corpus"
# There are fewer long messages.
_MAX_CHARACTERS = 40_000_000
_OF_A_SESSION = 50
_READS = 2_000
_READ_BYTES = 200_000_000
_BATCH = 16
# The minimum bytes for each message of a part that is listed.
_LEAST_BYTES = 15

_HEAD = (
    "characters",
    "database",
    "text MB",
    "messages / text",
    "without the index / text",
    "with it / text",
    "append us",
    "get us",
    "transcript us",
)

# Tables of SQLite with their indexes; free pages belong to none.
_SQLITE_PARTS = """
SELECT COALESCE((SELECT tbl_name FROM sqlite_schema WHERE sqlite_schema.name = dbstat.name), name), name, SUM(pgsize)
FROM dbstat
GROUP BY name
UNION ALL
SELECT 'free', 'free', freelist_count * page_size
FROM pragma_freelist_count, pragma_page_size
"""

_POSTGRES_PARTS = """
SELECT owner.relname, part.relname, pg_relation_size(part.oid)
FROM pg_class AS owner
CROSS JOIN LATERAL (
    SELECT owner.oid, owner.relname
    UNION ALL
    SELECT indexrelid, CAST(CAST(indexrelid AS REGCLASS) AS TEXT)
    FROM pg_index
    WHERE indrelid = owner.oid
    UNION ALL
    SELECT owner.reltoastrelid, owner.relname || ' TOAST'
    WHERE owner.reltoastrelid <> 0
    UNION ALL
    SELECT indexrelid, owner.relname || ' TOAST index'
    FROM pg_index
    WHERE indrelid = owner.reltoastrelid
) AS part
WHERE owner.relkind = 'r'
    AND owner.relnamespace = CAST('amplifierd' AS REGNAMESPACE)
"""

# A part is its table, its name and its bytes.
_Part = tuple[str, str, int]
_Parts = Callable[[], Awaitable[list[_Part]]]


@dataclass(frozen=True)
class _Result:
    name: str
    database: str
    text_bytes: int
    messages: int
    parts: list[_Part]
    # Microseconds of this process for each.
    times: tuple[float, float, float]

    def row(self) -> tuple[str, ...]:
        messages = self._bytes(lambda owner: owner == "message")
        # Pages are free because the index was merged.
        without = self._bytes(lambda owner: not owner.startswith(("search", "free")))
        shares = (messages, without, self._bytes(lambda _: True))
        return (
            self.name,
            self.database,
            f"{self.text_bytes / 1e6:.1f}",
            *(f"{size / self.text_bytes:.2f}" for size in shares),
            *(f"{microseconds:.0f}" for microseconds in self.times),
        )

    def part_rows(self) -> Iterator[tuple[str, ...]]:
        for _, part, size in sorted(self.parts, key=lambda part: -part[2]):
            if size >= _LEAST_BYTES * self.messages:
                yield self.name, self.database, part, f"{size / self.messages:,.0f}", f"{size / self.text_bytes:.2f}"

    def _bytes(self, chosen: Callable[[str], bool]) -> int:
        return sum(size for owner, _, size in self.parts if chosen(owner))


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m bench.size", description="Measure the size of messages on disk.")
    parser.add_argument("--messages", type=int, default=10_000, help="messages of each length (%(default)s)")
    parser.add_argument("--only", metavar="NAME", help="only this set, such as 325, 'about 325' or talk")
    parser.add_argument("--at-once", type=int, default=16, help="sessions that get messages in turns (%(default)s)")
    options = parser.parse_args()
    of_means = [f"{_ABOUT}{mean}" for mean in _MEANS]
    sets = [each for each in (*map(str, _LENGTHS), *of_means, _TALK, _CORPUS) if options.only in (None, each)]
    measured = [asyncio.run(each) for name in sets for each in _runs(name, options.messages, options.at_once)]
    parts = [row for each in measured for row in each.part_rows()]
    text = table(_HEAD, [each.row() for each in measured])
    more = table(("characters", "database", "part", "bytes a message", "/ text"), parts)
    sys.stdout.write(f"{text}\n\n{more}\n")
    return 0


def _runs(name: str, number: int, at_once: int) -> Iterator[Coroutine[Any, Any, _Result]]:
    contents = _texts(name, number)
    yield _measure(name, "SQLite", contents, at_once, _sqlite())
    server = os.environ.get("AMPLIFIERD_TEST_POSTGRES")
    if server:
        yield _measure(name, "PostgreSQL", contents, at_once, _postgres(server))


def _texts(name: str, number: int) -> list[str]:
    if name == _CORPUS:
        return texts(number)
    if name == _TALK:
        return [text for text in texts(number) if len(text.encode()) < TOOL_OUTPUT_BYTES]
    if name.startswith(_ABOUT):
        return texts_about(int(name.removeprefix(_ABOUT)), number)
    length = int(name)
    return texts_of(length, min(number, _MAX_CHARACTERS // length))


@asynccontextmanager
async def _sqlite() -> AsyncIterator[tuple[str, _Parts]]:
    # On the disk of the checkout: if temporary files are kept in memory, a sync costs nothing.
    with tempfile.TemporaryDirectory(prefix=".data-", dir=Path(__file__).parent) as folder:

        async def parts() -> list[_Part]:
            connection = apsw.Connection(f"{folder}/a.db")
            found: list[_Part] = [
                (str(owner).partition("_")[0], *part) for owner, *part in connection.execute(_SQLITE_PARTS)
            ]
            connection.close()
            return found

        yield f"sqlite:///{folder}/a.db", parts


@asynccontextmanager
async def _postgres(server: str) -> AsyncIterator[tuple[str, _Parts]]:
    name = f"size_{os.getpid()}"
    await _execute(server, f"CREATE DATABASE {name} ENCODING 'UTF8' TEMPLATE template0")
    url = urlunsplit(urlsplit(server)._replace(path=f"/{name}"))

    async def parts() -> list[_Part]:
        await _execute(url, "VACUUM")
        connection = await asyncpg.connect(url)
        found = [(owner, part, size) for owner, part, size in await connection.fetch(_POSTGRES_PARTS)]
        await connection.close()
        return found

    try:
        yield url, parts
    finally:
        await _execute(server, f"DROP DATABASE {name} WITH (FORCE)")


async def _execute(url: str, statement: str) -> None:
    connection = await asyncpg.connect(url)
    await connection.execute(statement)
    await connection.close()


async def _measure(
    name: str,
    database: str,
    contents: Sequence[str],
    at_once: int,
    opened: AbstractAsyncContextManager[tuple[str, _Parts]],
) -> _Result:
    log(f"{name}, {database}")
    text_bytes = sum(len(text.encode()) for text in contents)
    async with opened as (url, parts):
        async with open_storage(url) as storage:
            ids, append = await _fill(storage, contents, at_once)
            average = text_bytes / len(contents)
            get = await _time(_READS, lambda place: _get(storage, ids, place))
            transcripts = max(20, round(min(_READS, _READ_BYTES / average / _OF_A_SESSION)))
            transcript = await _time(transcripts, lambda place: _transcript(storage, ids[place % len(ids)]))
            # So that the appended messages are in the index.
            await _wait_for_index(storage)
        return _Result(name, database, text_bytes, len(contents), await parts(), (append, get, transcript))


async def _wait_for_index(storage: Storage) -> None:
    """Wait until everything is in the index, because more may be waiting than a search waits for."""
    while True:
        try:
            await storage.search_messages(_W, SearchQuery("absent"))
        except SearchIndexNotReady as error:
            await asyncio.sleep(error.retry_after)
        else:
            return


async def _fill(storage: Storage, contents: Sequence[str], at_once: int) -> tuple[list[str], float]:
    """Append each text. Returns the ids of the sessions, and this process's microseconds for each append."""
    ids = [(await storage.create_session(_W, NewSession())).id for _ in range(-(-len(contents) // _OF_A_SESSION))]
    # The session of each text: each occurs once for each of its messages, in turn.
    order = [
        number
        for group in range(0, len(ids), at_once)
        for _ in range(_OF_A_SESSION)
        for number in range(group, min(group + at_once, len(ids)))
    ]
    begun = time.process_time()
    for at in range(0, len(contents), _BATCH):
        appended = zip(order[at : at + _BATCH], contents[at : at + _BATCH], strict=False)
        await asyncio.gather(*(storage.append_message(_W, ids[number], NewMessage(text)) for number, text in appended))
    return ids, (time.process_time() - begun) / len(contents) * 1e6


async def _time(number: int, read: Callable[[int], Awaitable[object]]) -> float:
    """The microseconds of this process for a read of a random place."""
    chance = random.Random(1)  # noqa: S311  # it keeps no secret
    places = [chance.randrange(1_000_000) for _ in range(number)]
    begun = time.process_time()
    for place in places:
        await read(place)
    return (time.process_time() - begun) / number * 1e6


async def _get(storage: Storage, ids: Sequence[str], place: int) -> object:
    return await storage.get_message(_W, ids[place % (len(ids) - 1)], place % _OF_A_SESSION + 1)


async def _transcript(storage: Storage, session_id: str) -> None:
    listing = (await storage.list_messages(_W, session_id, MessageQuery())).messages
    if listing.rest is not None:
        async for _ in listing.rest:
            continue


if __name__ == "__main__":
    sys.exit(main())
