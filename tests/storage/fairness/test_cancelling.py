"""A cancelled operation releases its resources at once, and does not affect other operations."""

# ruff: noqa: SLF001  # slow steps are injected where a storage waits

import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import apsw
import asyncpg
import pytest

from amplifierd.storage import open_storage
from amplifierd.storage.backend.transactions import LARGE_WRITE
from amplifierd.storage.model.errors import WriteCancelled
from amplifierd.storage.model.interface import Storage
from amplifierd.storage.model.records import MessagePatch, NewMessage, NewSession
from amplifierd.storage.sqlite.group_commit import Writer
from amplifierd.testing.storage.steps import read
from waits import until

W = "default"
SECONDS = 30
FOREVER = "WITH RECURSIVE number (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM number) SELECT COUNT(*) FROM number"


@pytest.fixture
async def sqlite(tmp_path: Path) -> AsyncIterator[Any]:
    """A SQLite storage in a file, with access to its internals."""
    async with open_storage(f"sqlite:///{tmp_path / 'a.db'}") as opened:
        yield opened


@pytest.fixture
async def postgresql(second_postgres: str) -> AsyncIterator[Any]:
    """A PostgreSQL storage with access to its internals, and the URL of its database."""
    async with open_storage(second_postgres) as opened:
        yield opened


def started(work: Any) -> "asyncio.Task[Any]":
    return asyncio.get_running_loop().create_task(work)


async def cancelled(task: "asyncio.Task[Any]") -> None:
    """Cancel a task, and wait until it ends."""
    task.cancel()
    async with asyncio.timeout(SECONDS):
        with suppress(asyncio.CancelledError):
            await task


def never_ending(begun: list[str]) -> Callable[[apsw.Connection], object]:
    def work(connection: apsw.Connection) -> object:
        begun.append("begun")
        return connection.execute(FOREVER).fetchall()

    return work


async def test_sqlite_read_is_interrupted_and_frees_its_thread(sqlite: Any) -> None:
    for _ in range(3):
        begun: list[str] = []
        reads = [started(sqlite._readers.work(never_ending(begun))) for _ in range(20)]
        # There are four threads: the others wait.
        await asyncio.to_thread(until, lambda: len(begun) == 4)  # noqa: B023  # it is looked at in this round
        await asyncio.gather(*map(cancelled, reads))
    assert await sqlite._readers.work(lambda connection: connection.execute("SELECT 1").fetchall()) == [(1,)]


async def test_sqlite_list_is_interrupted(sqlite: Any) -> None:
    endless = (
        "WITH RECURSIVE number (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM number) "
        "SELECT CAST('x' AS BLOB) FROM number WHERE n < 100000 OR n < 0"
    )
    listing = started(sqlite._readers.listing(endless, {}))
    await asyncio.to_thread(until, lambda: bool(sqlite._readers._lent))
    await asyncio.sleep(0.1)
    await cancelled(listing)
    assert listing.cancelled()
    assert not sqlite._readers._lent


async def test_waiting_sqlite_write_is_withdrawn(sqlite: Any) -> None:
    session = await sqlite.create_session(W, NewSession())
    begun: list[str] = []
    running = started(sqlite._writer.write(never_ending(begun)))
    await asyncio.to_thread(until, lambda: bool(begun))
    waiting = started(sqlite.append_message(W, session.id, NewMessage(content="no")))
    completed = started(sqlite.append_message(W, session.id, NewMessage(content="yes")))
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(WriteCancelled):
        await waiting
    await cancelled(running)
    async with asyncio.timeout(SECONDS):
        await completed
    assert [message.content for message in await read(sqlite, session.id)] == ["yes"]


async def test_running_sqlite_write_is_interrupted(sqlite: Any) -> None:
    session = await sqlite.create_session(W, NewSession())
    writer: Writer = sqlite._writer
    begun: list[str] = []

    def writes(connection: apsw.Connection) -> object:
        connection.execute("UPDATE session SET name = 'interrupted'")
        return never_ending(begun)(connection)

    blocked: list[str] = []
    blocking = started(writer.write(never_ending(blocked)))
    await asyncio.to_thread(until, lambda: bool(blocked))
    # They arrive together, and form one group.
    before = started(sqlite.append_message(W, session.id, NewMessage(content="before")))
    running = started(writer.write(writes))
    after = started(sqlite.append_message(W, session.id, NewMessage(content="after")))
    await asyncio.sleep(0)
    await cancelled(blocking)
    await asyncio.to_thread(until, lambda: bool(begun))
    running.cancel()
    with pytest.raises(WriteCancelled):
        async with asyncio.timeout(SECONDS):
            await running
    async with asyncio.timeout(SECONDS):
        assert (await before).sequence == 1
        assert (await after).sequence == 2
    assert (await sqlite.get_session(W, session.id)).name == session.name


async def test_postgresql_statement_is_cancelled(postgresql: Any) -> None:
    async def sleep(change: Any) -> None:
        await change.transaction.connection.execute("SELECT pg_sleep(300)")

    async def read_long(rows: Any) -> None:
        await rows.row("SELECT pg_sleep(300)", {})

    for _ in range(2):
        sleeping = [started(postgresql._read(read_long)) for _ in range(20)]
        sleeping += [started(postgresql._change(W, sleep)) for _ in range(3)]
        await running_on(postgresql.url, "pg_sleep", 10)
        await asyncio.gather(*map(cancelled, sleeping))
        await running_on(postgresql.url, "pg_sleep", 0)
    await postgresql.ping()


async def test_cancelled_postgresql_write_is_rolled_back(postgresql: Any) -> None:
    async def sleep(change: Any) -> None:
        await change.transaction.connection.execute("SELECT pg_sleep(300)")

    sleeping = started(postgresql._change(W, sleep))
    await running_on(postgresql.url, "pg_sleep", 1)
    sleeping.cancel()
    with pytest.raises(WriteCancelled):
        await sleeping


async def test_postgresql_batch_is_cancelled_without_waiters(postgresql: Any) -> None:
    session = await postgresql.create_session(W, NewSession())

    def append(content: str) -> "asyncio.Task[Any]":
        return started(postgresql.append_message(W, session.id, NewMessage(content=content)))

    async with locked(postgresql.url):
        first = append("first")
        await running_on(postgresql.url, "append", 1)
        await cancelled(first)
        await running_on(postgresql.url, "append", 0)
        second = append("second")
        await running_on(postgresql.url, "append", 1)
        waiting, completed = append("waiting"), append("kept")
        await asyncio.sleep(0)
        waiting.cancel()
        with pytest.raises(WriteCancelled):
            await waiting
    async with asyncio.timeout(SECONDS):
        await asyncio.gather(second, completed)
    assert [message.content for message in await read(postgresql, session.id)] == ["second", "kept"]


async def test_write_that_waits_for_a_turn_or_for_its_words_is_withdrawn(
    storage: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = await storage.create_session(W, NewSession())
    await storage.append_message(W, session.id, NewMessage(content="kept"))
    begun, may_end = threading.Event(), threading.Event()

    def held(*_: object) -> None:
        begun.set()
        may_end.wait(SECONDS)

    monkeypatch.setattr(storage, "_words", held)

    def correct() -> "asyncio.Task[Any]":
        return started(storage.update_message(W, session.id, 1, MessagePatch(content="x" * LARGE_WRITE + "x")))

    corrections = [correct(), correct()]
    try:
        assert await asyncio.to_thread(begun.wait, SECONDS)
        for each in reversed(corrections):
            each.cancel()
            with pytest.raises(WriteCancelled):
                await each
    finally:
        may_end.set()
    assert [message.content for message in await read(storage, session.id)] == ["kept"]


async def test_appends_continue_beside_cancelled_ones(storage: Storage) -> None:
    session = await storage.create_session(W, NewSession())

    def append(content: str) -> "asyncio.Task[Any]":
        return started(storage.append_message(W, session.id, NewMessage(content=content)))

    for number in range(40):
        completed, other = append(f"kept {number}"), append("cancelled")
        for _ in range(number):
            await asyncio.sleep(0)
        await cancelled(other)
        await completed
    contents = [message.content for message in await read(storage, session.id)]
    assert [each for each in contents if each != "cancelled"] == [f"kept {number}" for number in range(40)]


class locked:  # noqa: N801  # it is used as a function
    """Lock the messages of the database at `url` against writes within the `with` block."""

    def __init__(self, url: str) -> None:
        self._url = url

    async def __aenter__(self) -> None:
        self._connection = await asyncpg.connect(self._url)
        self._transaction = self._connection.transaction()
        await self._transaction.start()
        await self._connection.execute("LOCK TABLE amplifierd.message IN SHARE MODE")

    async def __aexit__(self, *_error: object) -> None:
        await self._transaction.rollback()
        await self._connection.close()


async def running_on(url: str, words: str, count: int) -> None:
    """Wait until this number of statements with these words are running."""
    connection = await asyncpg.connect(url)
    async with asyncio.timeout(SECONDS):
        while count != await connection.fetchval(  # noqa: ASYNC110  # the server makes it true
            "SELECT COUNT(*) FROM pg_stat_activity "
            "WHERE state = 'active' AND datname = current_database() AND pid <> pg_backend_pid() AND query ILIKE $1",
            f"%{words}%",
        ):
            await asyncio.sleep(0.05)
    await connection.close()
