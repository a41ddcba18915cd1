"""Lists longer than a block: the database is read at once, however slowly the client reads."""

import asyncio
from pathlib import Path

import pytest

from amplifierd.storage import open_storage
from amplifierd.storage.backend.storage import TransactionalStorage
from amplifierd.storage.model.errors import SessionNotFound, StorageUnavailable
from amplifierd.storage.model.interface import Storage
from amplifierd.storage.model.queries import MessageQuery
from amplifierd.storage.model.records import Listing, Message, NewMessage, NewSession
from amplifierd.storage.sql.temporary_files import TemporaryDisk
from amplifierd.storage.sqlite import checkpointer
from amplifierd.testing.storage.exports import export_of, exported
from amplifierd.testing.storage.steps import read, records

W = "default"


# Together larger than the memory limit of lists.
COUNT, LENGTH = 600, 5_000


async def long_transcript(storage: Storage) -> str:
    session = await storage.create_session(W, NewSession())
    new = NewMessage(content="x" * LENGTH)
    await asyncio.gather(*(storage.append_message(W, session.id, new) for _ in range(COUNT)))
    return session.id


async def listed(storage: Storage, session_id: str) -> Listing:
    transcript = await storage.list_messages(W, session_id, MessageQuery())
    return transcript.messages


async def test_stalled_readers_do_not_block_others(storage: Storage) -> None:
    session_id = await long_transcript(storage)
    stalled = [await listed(storage, session_id) for _ in range(60)]
    assert len(await read(storage, session_id, MessageQuery(limit=1))) == 1
    assert len(await read(storage, session_id)) == COUNT
    assert len(await records(stalled[0], Message)) == COUNT
    for listing in stalled:
        assert listing.rest is not None
        await listing.rest.aclose()


async def test_waiting_lists_are_in_files(storage: Storage) -> None:
    session = await storage.create_session(W, NewSession())
    for _ in range(4):
        await storage.append_message(W, session.id, NewMessage(content="x" * 400_000))
    # Each of them alone would stay in memory.
    stalled = [await listed(storage, session.id) for _ in range(60)]
    assert files_without_name() > 0
    for listing in stalled:
        assert len(await records(listing, Message)) == 4


async def test_stalled_reader_does_not_let_the_log_grow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checkpointer, "MAX_LOG_PAGES", 4_800)
    path = tmp_path / "a.db"
    async with open_storage(f"sqlite:///{path}") as storage:
        session_id = await long_transcript(storage)
        stalled = await listed(storage, session_id)
        for _ in range(6):
            texts = ("x" * 20_000 for _ in range(1_000))
            await asyncio.gather(*(storage.append_message(W, session_id, NewMessage(content=text)) for text in texts))
        assert path.with_name("a.db-wal").stat().st_size < (19 + 42) * 1024 * 1024
        assert len(await records(stalled, Message)) == COUNT


async def test_finished_readers_leave_few_connections(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    async with open_storage(f"sqlite:///{path}") as storage:
        session_id = await long_transcript(storage)
        listings = await asyncio.gather(*(listed(storage, session_id) for _ in range(100)))
        for listing in listings:
            assert listing.rest is not None
            await listing.rest.aclose()
        # A writer, a checkpointer, readers for single rows, short lists and changes, and readers for long lists.
        assert times_open(path) <= 5 + 8


def files_without_name() -> int:
    """The number of temporary files that this process has open."""
    return sum(link.resolve().name.endswith("(deleted)") for link in Path("/proc/self/fd").iterdir())


def times_open(path: Path) -> int:
    """The number of times that this process has the file open."""
    return [link.resolve().name for link in Path("/proc/self/fd").iterdir()].count(path.name)


async def test_transcript_is_complete_or_missing(storage: Storage) -> None:
    seen: set[int] = set()
    for _ in range(300):
        session = await storage.create_session(W, NewSession())
        for _ in range(2):
            await storage.append_message(W, session.id, NewMessage(content="x"))
        deleting = asyncio.create_task(storage.delete_session(W, session.id))
        while True:
            try:
                seen.add(len(await read(storage, session.id)))
            except SessionNotFound:
                break
            await asyncio.sleep(0)
        await deleting
    assert seen <= {2}


def disk_of(storage: Storage) -> TemporaryDisk:
    """The budget of a storage's temporary files."""
    assert isinstance(storage, TransactionalStorage)
    return storage._disk  # noqa: SLF001  # no caller can tell


async def test_imports_share_limited_disk_space(storage: Storage) -> None:
    session_id = await long_transcript(storage)
    lines = await exported(storage)
    disk = disk_of(storage)
    disk._most_bytes = 100_000  # noqa: SLF001
    with pytest.raises(StorageUnavailable, match="send imports and files one by one"):
        await storage.import_sessions("other", export_of(lines), "fail")
    assert disk.bytes == 0
    assert await storage.count_sessions("other") == 0
    disk._most_bytes = 100_000_000  # noqa: SLF001
    await storage.import_sessions("other", export_of(lines), "fail")
    assert disk.bytes == 0
    assert (await storage.get_session("other", session_id)).message_count == COUNT


async def test_waiting_lists_share_limited_disk_space(storage: Storage) -> None:
    session_id = await long_transcript(storage)
    first = await listed(storage, session_id)
    disk = disk_of(storage)
    disk._most_bytes = 2 * disk.bytes  # noqa: SLF001
    second = await listed(storage, session_id)
    with pytest.raises(StorageUnavailable, match="read lists in pages, by `limit`"):
        await listed(storage, session_id)
    for listing in (first, second):
        assert len(await records(listing, Message)) == COUNT
    assert disk.bytes == 0
    assert len(await records(await listed(storage, session_id), Message)) == COUNT
