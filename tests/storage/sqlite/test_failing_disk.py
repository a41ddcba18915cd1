"""A failing disk under SQLite: acknowledged writes are kept, refused ones are not, and the storage recovers."""

import asyncio
import os
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import apsw
import pytest

from amplifierd.storage import open_storage
from amplifierd.storage.model.errors import StorageUnavailable
from amplifierd.storage.model.interface import Storage
from amplifierd.storage.model.queries import SearchHit, SearchQuery
from amplifierd.storage.model.records import NewMessage, NewSession, SessionPatch
from amplifierd.storage.sqlite.checkpointer import Checkpointer
from amplifierd.storage.sqlite.connection import WriteTransaction, connect_writer
from amplifierd.storage.sqlite.files.reserve import Reserve
from amplifierd.storage.sqlite.group_commit import Writer
from amplifierd.testing.storage.steps import read, records
from faults.failing_disk import FailingDisk, Fault

W = "default"
LATER = 10


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[FailingDisk]:
    folder = tmp_path / "disk"
    folder.mkdir()
    disk = FailingDisk(folder)
    yield disk
    disk.unregister()


def storage_on(disk: FailingDisk) -> Storage:
    return open_storage(f"sqlite:///{disk.folder}/a.db")


async def contents(storage: Storage, session_id: str) -> list[str]:
    return [message.content for message in await read(storage, session_id)]


async def append(storage: Storage, session_id: str, content: str) -> None:
    await storage.append_message(W, session_id, NewMessage(content=content))


def check_integrity(path: Path) -> None:
    with closing(apsw.Connection(str(path))) as connection:
        assert connection.pragma("integrity_check") == "ok"
        assert connection.execute("PRAGMA foreign_key_check").fetchall() == []


async def found_after_a_crash(disk: FailingDisk, target: Path, session_id: str) -> list[str]:
    path = disk.after_a_crash(target)
    async with open_storage(f"sqlite:///{path}") as storage:
        found = await contents(storage, session_id)
        assert (await storage.get_session(W, session_id)).message_count == len(found)
        await append(storage, session_id, "and on")
        assert (await read(storage, session_id))[-1].sequence == len(found) + 1
    check_integrity(path)
    return found


@pytest.mark.parametrize("fault", ["write", "torn write", "sync", "space", "read-only"])
async def test_failing_disk_refuses_writes_for_good(disk: FailingDisk, tmp_path: Path, fault: Fault) -> None:
    async with storage_on(disk) as storage:
        session = await storage.create_session(W, NewSession(name="as it was"))
        await append(storage, session.id, "before")
        await storage.search_messages(W, SearchQuery("before"))
        with disk.failing(fault):
            for number in range(3):
                with pytest.raises(StorageUnavailable):
                    await append(storage, session.id, f"refused {number} " * 2_000)
            with pytest.raises(StorageUnavailable):
                await storage.update_session(W, session.id, SessionPatch(name="refused"))
            tries = [append(storage, session.id, f"refused {number}") for number in range(20)]
            refused = await asyncio.gather(*tries, return_exceptions=True)
            assert {type(error) for error in refused} == {StorageUnavailable}
            assert await contents(storage, session.id) == ["before"]
            assert await storage.count_sessions(W) == 1
            found = await storage.search_messages(W, SearchQuery("before"))
            assert [hit.sequence for hit in await records(found, SearchHit)] == [1]
            assert await found_after_a_crash(disk, tmp_path / "while it fails", session.id) == ["before"]
        assert await found_after_a_crash(disk, tmp_path / "after it", session.id) == ["before"]
        await append(storage, session.id, "after")
        assert await contents(storage, session.id) == ["before", "after"]
        assert (await storage.get_session(W, session.id)).name == "as it was"
        assert await found_after_a_crash(disk, tmp_path / "later", session.id) == ["before", "after"]
    check_integrity(disk.folder / "a.db")


async def test_full_disk_is_not_reported_as_a_commit_that_may_reappear(
    disk: FailingDisk, caplog: pytest.LogCaptureFixture
) -> None:
    async with storage_on(disk) as storage:
        session = await storage.create_session(W, NewSession())
        with disk.failing("space"), pytest.raises(StorageUnavailable):
            await append(storage, session.id, "refused " * 2_000)
    assert "may reappear" not in caplog.text


async def test_failed_checkpoint_blocks_nothing(disk: FailingDisk, tmp_path: Path) -> None:
    database = disk.folder / "a.db"
    async with storage_on(disk) as storage:
        session = await storage.create_session(W, NewSession())
        size = database.stat().st_size
        with disk.failing("checkpoint"):
            # Well above the number of pages at which a checkpoint starts.
            for number in range(40):
                await append(storage, session.id, f"{number} " + "x" * 200_000)
            assert database.stat().st_size == size
            found = await found_after_a_crash(disk, tmp_path / "crashed", session.id)
            assert [content.split()[0] for content in found] == [str(number) for number in range(40)]
        deadline = asyncio.get_running_loop().time() + LATER
        while database.stat().st_size < 8_000_000:
            assert asyncio.get_running_loop().time() < deadline, "The log is not moved any more."
            await append(storage, session.id, "again")


async def test_writer_survives_any_error(tmp_path: Path) -> None:
    tried = asyncio.Event()
    loop = asyncio.get_running_loop()

    def fail_while_idle(_connection: apsw.Connection) -> bool:
        loop.call_soon_threadsafe(tried.set)
        raise RuntimeError("A defect, while idle.")

    def fail(connection: apsw.Connection) -> None:
        # Both the transaction and its rollback.
        connection.execute("ROLLBACK")
        raise RuntimeError("A defect, in a request.")

    path = tmp_path / "a.db"
    connection, reserve = connect_writer(str(path)), Reserve(path)
    log = Checkpointer(connection, str(path), reserve)
    writer = Writer(
        connection,
        loop,
        committed=lambda: None,
        refused=lambda _: None,
        idle=fail_while_idle,
        transaction=WriteTransaction(connection),
        reserve=reserve,
        log=log,
    )
    for _ in range(2):
        tried.clear()
        await asyncio.wait_for(tried.wait(), LATER)
        with pytest.raises(RuntimeError, match="in a request"):
            await asyncio.wait_for(writer.write(fail), LATER)
        assert await asyncio.wait_for(writer.write(lambda _: 1), LATER) == 1
    await writer.close()
    log.close()


def log_of(path: Path) -> Path:
    return path.with_name(path.name + "-wal")


@pytest.mark.parametrize("cut", [1, 2_000, 4_096 + 23])
@pytest.mark.parametrize("rest", [b"", b"\0" * 10_000, os.urandom(10_000)], ids=["cut off", "zeros", "garbage"])
async def test_torn_end_of_the_log_is_ignored(disk: FailingDisk, tmp_path: Path, cut: int, rest: bytes) -> None:
    async with storage_on(disk) as storage:
        session = await storage.create_session(W, NewSession())
        for number in range(5):
            await append(storage, session.id, str(number))
        whole = disk.after_a_crash(tmp_path / "whole")
        before = log_of(whole).stat().st_size
        await append(storage, session.id, "not acknowledged yet")
        torn = disk.after_a_crash(tmp_path / "torn")
    for path, expected in ((whole, 5), (torn, 5)):
        log = log_of(path)
        length = before if path is whole else log.stat().st_size - cut
        written = log.read_bytes()
        # The byte after the cut must differ, or the log might be complete by chance.
        other = bytes([rest[0] ^ 1]) + rest[1:] if rest[:1] == written[length : length + 1] != b"" else rest
        log.write_bytes(written[:length] + other)
        async with open_storage(f"sqlite:///{path}") as storage:
            assert await contents(storage, session.id) == [str(number) for number in range(expected)]
            await append(storage, session.id, "and on")
            assert (await storage.get_session(W, session.id)).message_count == expected + 1
        check_integrity(path)


async def test_torn_pages_are_restored_from_the_log(disk: FailingDisk, tmp_path: Path) -> None:
    async with storage_on(disk) as storage:
        session = await storage.create_session(W, NewSession())
        for number in range(5):
            await append(storage, session.id, str(number))
        path = disk.after_a_crash(tmp_path / "crashed")
    # Every page is in the log, and half of each was written to the database.
    with path.open("r+b") as file:
        for page in range(path.stat().st_size // 4_096):
            file.seek(page * 4_096 + 2_048)
            file.write(os.urandom(2_048))
    async with open_storage(f"sqlite:///{path}") as storage:
        assert await contents(storage, session.id) == [str(number) for number in range(5)]
    check_integrity(path)


async def test_many_writes_at_once_need_no_temporary_file(disk: FailingDisk) -> None:
    async with storage_on(disk) as storage:
        with disk.failing("temporary file"):
            sessions = await asyncio.gather(*(storage.create_session(W, NewSession()) for _ in range(256)))
            await asyncio.gather(*(storage.start_session(W, session.id) for session in sessions))
