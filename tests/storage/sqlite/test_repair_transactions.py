"""The transactions of a repair of a SQLite file: others write meanwhile, and a crash between them harms nothing."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import apsw
import pytest

from amplifierd.storage import open_maintenance, open_storage
from amplifierd.storage.model.interface import Storage
from amplifierd.storage.model.queries import SearchHit, SearchQuery
from amplifierd.storage.model.records import BatchMessage, NewMessages, NewSession
from amplifierd.storage.sqlite.maintenance.check_statements import ENDS
from amplifierd.testing.storage.steps import records
from faults.corrupt import vandalise

W = "default"
# Gives each of two sessions the number of the other one.
EXCHANGE = (
    "CREATE TEMPORARY TABLE kept AS SELECT * FROM session_number",
    "DELETE FROM session_number",
    "INSERT INTO session_number SELECT number, workspace,"
    " (SELECT session_id FROM kept AS other WHERE other.number <> kept.number), indexed_sequence FROM kept",
)


@contextmanager
def each_connection(prepare: Callable[[apsw.Connection], None]) -> Iterator[None]:
    """Call `prepare` with each connection that the `with` opens."""
    apsw.connection_hooks.append(prepare)
    try:
        yield
    finally:
        apsw.connection_hooks.remove(prepare)


async def exchanged(storage: Storage, database: str) -> list[str]:
    """Two sessions that have each other's numbers, after a search wrote the index."""
    ids = []
    for text in ("first", "second"):
        session = await storage.create_session(W, NewSession(name=text))
        texts = NewMessages([BatchMessage(content=f"{text} {number}") for number in range(3)])
        await storage.append_messages(W, session.id, texts)
        ids.append(session.id)
    assert await found(storage) == {ids[0]}
    await asyncio.to_thread(vandalise, database, *EXCHANGE)
    return ids


async def found(storage: Storage) -> set[str]:
    """The sessions in which a search finds the text of the first one."""
    hits = await records(await storage.search_messages(W, SearchQuery("first")), SearchHit)
    return {hit.session_id for hit in hits}


async def repair(database: str) -> None:
    maintenance = open_maintenance(database)
    for finding in [finding async for finding in maintenance.check()]:
        assert await maintenance.repair(finding) is not None
    assert [finding async for finding in maintenance.check()] == []


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
async def test_others_can_write_while_a_repair_reads_all_sessions(storage: Storage, database: str) -> None:
    await exchanged(storage, database)
    writes = 0
    with closing(apsw.Connection(database.removeprefix("sqlite:///"))) as other:

        def write(event: dict[str, Any]) -> None:
            nonlocal writes
            if event["code"] == apsw.SQLITE_TRACE_STMT and event["sql"].strip() == ENDS.strip():
                # It does not wait for a lock, so a lock of the repair would be an error here.
                other.execute("BEGIN IMMEDIATE; COMMIT")
                writes += 1

        with each_connection(lambda connection: connection.trace_v2(apsw.SQLITE_TRACE_STMT, write)):
            await repair(database)
    assert writes == 1


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
async def test_crash_after_any_commit_of_a_repair_leaves_a_correct_index(
    storage: Storage, database: str, tmp_path: Path
) -> None:
    ids = await exchanged(storage, database)
    copies: list[str] = []

    def copy(connection: apsw.Connection, _name: str, _pages: int) -> int:
        """Copy what a crash after this commit would leave, from the one that gives the numbers back."""
        with closing(apsw.Connection(connection.filename)) as source:
            numbers = dict(source.execute("SELECT session_id, number FROM session_number"))
            if numbers[ids[0]] < numbers[ids[1]]:
                copies.append(str(tmp_path / f"{len(copies)}.db"))
                with closing(apsw.Connection(copies[-1])) as target, target.backup("main", source, "main") as backup:
                    backup.step()
        return apsw.SQLITE_OK

    with each_connection(lambda connection: connection.set_wal_hook(copy)):
        await repair(database)
    assert copies
    for each in copies:
        async with open_storage(f"sqlite:///{each}") as crashed:
            assert await found(crashed) == {ids[0]}
        assert [finding async for finding in open_maintenance(f"sqlite:///{each}").check()] == []
