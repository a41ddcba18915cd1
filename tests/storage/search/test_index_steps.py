"""SQLite's search index is written in short steps, and a search waits for a limited number of messages."""

import asyncio
import time
from itertools import pairwise
from pathlib import Path

import apsw
import pytest

from amplifierd.storage import open_maintenance, open_storage
from amplifierd.storage.model.database_errors import SearchIndexNotReady
from amplifierd.storage.model.interface import Storage
from amplifierd.storage.model.queries import SearchHit, SearchQuery
from amplifierd.storage.model.records import BatchMessage, MessagePatch, NewMessages, NewSession
from amplifierd.storage.search.tokenizer import Tokenizer
from amplifierd.storage.sqlite import group_commit
from amplifierd.storage.sqlite.connection import WriteTransaction, connect_writer
from amplifierd.storage.sqlite.search import waiting
from amplifierd.storage.sqlite.search.background import IndexWork
from amplifierd.storage.sqlite.search.index_merge import merge_some
from amplifierd.storage.sqlite.search.indexing import LONG_BYTES, Indexer, Outcome, begin_again
from amplifierd.storage.sqlite.search.long_texts import LongTexts
from amplifierd.testing.storage.steps import records

W = "default"
LONG = "needle " + "x " * LONG_BYTES


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "a.db"


async def session_with(storage: Storage, *texts: str) -> str:
    """Create a session with these messages."""
    session = await storage.create_session(W, NewSession())
    await storage.append_messages(W, session.id, NewMessages([BatchMessage(content=text) for text in texts]))
    return session.id


async def search(storage: Storage, text: str) -> list[tuple[str, int]]:
    """The positions of the hits, in order."""
    hits = await records(await storage.search_messages(W, SearchQuery(text, limit=1_000)), SearchHit)
    return sorted((hit.session_id, hit.sequence) for hit in hits)


def without_index(path: Path) -> apsw.Connection:
    """A connection to a database with an empty search index."""
    connection = connect_writer(str(path))
    with WriteTransaction(connection):
        begin_again(connection)
    return connection


def index_entries(connection: apsw.Connection) -> int:
    [(count,)] = connection.execute("SELECT count(*) FROM search_docsize")
    return int(count)


async def test_step_without_time_indexes_one_message(path: Path) -> None:
    async with open_storage(f"sqlite:///{path}") as storage:
        for _ in range(3):
            await session_with(storage, "one", "two")
    connection = without_index(path)
    counts = [0]
    outcome = Outcome.MORE
    while outcome is not Outcome.DONE:
        with WriteTransaction(connection):
            outcome = Indexer(Tokenizer()).index_some(connection, W, until=0)
        counts.append(index_entries(connection))
    assert counts[-1] == 6
    assert max(after - before for before, after in pairwise(counts)) == 1
    connection.close()


async def test_step_does_not_split_a_long_message(path: Path) -> None:
    async with open_storage(f"sqlite:///{path}") as storage:
        await session_with(storage, "one", LONG, "three")
    connection = without_index(path)
    long_texts = LongTexts()
    indexer = Indexer(Tokenizer(), long_texts)
    outcomes = []
    while Outcome.DONE not in outcomes:
        with WriteTransaction(connection):
            outcomes.append(indexer.index_some(connection, W, time.thread_time() + 60))
        if len(outcomes) == 1:
            assert index_entries(connection) == 1
        await long_texts.wait()
    assert outcomes[0] is Outcome.BLOCKED
    assert index_entries(connection) == 3
    long_texts.close()
    connection.close()


async def test_long_messages_are_found_by_their_current_text(path: Path) -> None:
    """Words that were extracted before a correction or a deletion are not indexed afterwards."""
    async with open_storage(f"sqlite:///{path}") as storage:
        ids = [await session_with(storage, "short", f"{LONG} old", LONG) for _ in range(6)]
        searching = [asyncio.create_task(search(storage, "old")) for _ in range(3)]
        for number, session_id in enumerate(ids):
            await asyncio.sleep(0.01)
            if number % 3 == 0:
                await storage.update_message(W, session_id, 2, MessagePatch(content=f"{LONG} new"))
            elif number % 3 == 1:
                await storage.delete_message(W, session_id, 2)
            else:
                await storage.delete_session(W, session_id)
        await asyncio.gather(*searching)
        assert await search(storage, "old") == []
        assert await search(storage, "new") == sorted((session_id, 2) for session_id in ids[::3])
        assert len(await search(storage, "needle")) == 6
    assert [finding async for finding in open_maintenance(f"sqlite:///{path}").check()] == []


async def test_search_with_a_long_wait_is_refused(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(group_commit, "IDLE_SECONDS", 60)
    monkeypatch.setattr(group_commit, "BUSY_SECONDS", 60)
    async with open_storage(f"sqlite:///{path}") as storage:
        await session_with(storage, "one", "two")
        assert len(await search(storage, "two")) == 1
        monkeypatch.setattr(waiting, "MAX_MESSAGES", 3)
        await session_with(storage, *["three"] * 3)
        assert await storage.waiting_messages() == 3
        assert len(await search(storage, "three")) == 3
        session_id = await session_with(storage, *["four"] * 4)
        with pytest.raises(SearchIndexNotReady, match="not ready: 4 messages wait to be indexed"):
            await search(storage, "four")
        # The refused search starts the indexing.
        while (left := await storage.waiting_messages()) != 0:
            assert left is not None
            await asyncio.sleep(0.05)
        assert await search(storage, "four") == [(session_id, sequence) for sequence in range(1, 5)]


async def test_search_with_many_bytes_to_index_is_refused(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(group_commit, "IDLE_SECONDS", 60)
    monkeypatch.setattr(group_commit, "BUSY_SECONDS", 60)
    monkeypatch.setattr(waiting, "MAX_BYTES", 100)
    async with open_storage(f"sqlite:///{path}") as storage:
        await session_with(storage, "five" * 100)
        with pytest.raises(SearchIndexNotReady, match="The search index is not ready"):
            await search(storage, "five")


async def test_search_that_indexes_for_long_is_refused(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(group_commit, "IDLE_SECONDS", 60)
    monkeypatch.setattr(group_commit, "BUSY_SECONDS", 60)
    monkeypatch.setattr(waiting, "MAX_SECONDS", 0)
    async with open_storage(f"sqlite:///{path}") as storage:
        await session_with(storage, *(f"needle {number}" for number in range(5)))
        with pytest.raises(SearchIndexNotReady) as refused:
            await search(storage, "needle")
        assert refused.value.members == {"waitingMessages": 5}
        monkeypatch.setattr(waiting, "MAX_SECONDS", 60)
        assert len(await search(storage, "needle")) == 5


async def test_index_progresses_during_constant_writes(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(group_commit, "BUSY_SECONDS", 0.01)
    async with open_storage(f"sqlite:///{path}") as storage:
        session = await storage.create_session(W, NewSession())
        reader = connect_writer(str(path))
        while not index_entries(reader):
            await storage.append_messages(W, session.id, NewMessages([BatchMessage(content="x")]))
        reader.close()


async def test_segments_of_the_index_are_merged(path: Path) -> None:
    async with open_storage(f"sqlite:///{path}") as storage:
        for number in range(200):
            session_id = await session_with(storage, f"word{number}")
            assert await search(storage, f"word{number}") == [(session_id, 1)]
        connection = connect_writer(str(path))
        # The writer is idle.
        while True:
            if segments(connection) <= 16:
                break
            await asyncio.sleep(0.05)
    with WriteTransaction(connection):
        assert not merge_some(connection)
    connection.close()


def segments(connection: apsw.Connection) -> int:
    [(count,)] = connection.execute("SELECT count(DISTINCT segid) FROM search_idx")
    return int(count)


@pytest.mark.parametrize("busy", ["a", "b", "c"])
async def test_workspace_with_many_writes_does_not_stop_the_index_of_others(
    path: Path, monkeypatch: pytest.MonkeyPatch, busy: str
) -> None:
    # Only the test writes the index.
    for name in ("IDLE_SECONDS", "BUSY_SECONDS"):
        monkeypatch.setattr(group_commit, name, 600.0)
    new = NewMessages([BatchMessage(content="needle")])
    async with open_storage(f"sqlite:///{path}") as storage:
        sessions = {name: (await storage.create_session(name, NewSession())).id for name in ("a", "b", "c")}
        for name, session_id in sessions.items():
            await storage.append_messages(name, session_id, new)
        connection = connect_writer(str(path))
        work = IndexWork(Indexer(Tokenizer()), lambda: {busy}, set(sessions))
        for _ in range(30):
            await storage.append_messages(busy, sessions[busy], new)
            with WriteTransaction(connection):
                work.step(connection)
        rows = connection.execute("SELECT workspace FROM session_number WHERE indexed_sequence > 0").fetchall()
        connection.close()
    assert {workspace for (workspace,) in rows} == set(sessions)


def test_unsplittable_text_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise MemoryError

    monkeypatch.setattr(Tokenizer, "indexed", fail)
    texts = LongTexts()
    place = (W, "session", 1)
    try:
        assert texts.take(place, b"{}") is None
        while texts.is_running(place):
            time.sleep(0.001)
        with pytest.raises(MemoryError):
            texts.take(place, b"{}")
    finally:
        texts.close()
