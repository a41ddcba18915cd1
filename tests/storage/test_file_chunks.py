"""Stored files: in chunks, in constant memory, until they expire or no message refers to them."""

import asyncio
from datetime import datetime

import pytest

from amplifierd.storage import open_maintenance, open_storage
from amplifierd.storage.backend import files as backend_files
from amplifierd.storage.backend.storage import TransactionalStorage
from amplifierd.storage.model.errors import (
    FileNotFound,
    StorageUnavailable,
)
from amplifierd.storage.model.files import File, NewFile
from amplifierd.storage.model.interface import Storage
from amplifierd.storage.model.records import (
    ExportChunk,
)
from amplifierd.storage.operations import expiry, files
from amplifierd.storage.operations.bulk import removal
from amplifierd.testing.storage.exports import export_of, exported
from amplifierd.testing.storage.messages import test_files
from amplifierd.testing.storage.messages.test_files import (
    LONG,
    SECONDS,
    create,
    is_there,
    pieces,
    session_with,
    wait_until_gone,
)
from amplifierd.testing.storage.steps import records
from faults.corrupt import vandalise

W = "default"


async def count(storage: Storage, table: str) -> int:
    """The number of rows of a table."""
    assert isinstance(storage, TransactionalStorage)
    row = await storage._rows.row(f"SELECT COUNT(*) FROM {table}", {})  # noqa: S608, SLF001  # a name
    assert row is not None
    return int(row[0])


async def wait_until_empty(storage: Storage, table: str) -> None:
    """Wait until a table is empty."""
    async with asyncio.timeout(SECONDS):
        while await count(storage, table):  # noqa: ASYNC110  # another task empties it
            await asyncio.sleep(0.01)


async def findings(database: str) -> list[str]:
    """The findings of a check."""
    return [finding.text async for finding in open_maintenance(database).check()]


async def test_deleted_file_is_gone(storage: Storage) -> None:
    file = await create(storage, LONG)
    reading = (await storage.read_file(W, file.id)).read(0, len(LONG) - 1)
    assert await anext(reading)
    await storage.delete_file(W, file.id)
    await wait_until_empty(storage, "file_chunk")
    await wait_until_empty(storage, "removal")
    # The stream does not end as if the file was complete.
    with pytest.raises(FileNotFound):
        await anext(reading)
    with pytest.raises(FileNotFound):
        await storage.delete_file(W, file.id)


async def test_failed_upload_leaves_nothing(storage: Storage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(removal, "LEASE_SECONDS", 0.001)
    assert isinstance(storage, TransactionalStorage)
    progress = iter([None, None])

    def fail() -> None:
        # After the first piece has been written.
        if next(progress, 1) is not None:
            raise StorageUnavailable("stopped")

    with pytest.raises(StorageUnavailable):
        await storage.create_file(W, NewFile(pieces(LONG), progressed=fail))
    await wait_until_empty(storage, "removal")
    assert await count(storage, "file_chunk") == 0
    assert await records(await storage.list_files(W), File) == []


async def test_uploads_share_the_temporary_disk(database: str) -> None:
    async with open_storage(database, temporary_bytes=1_000_000) as storage:
        with pytest.raises(StorageUnavailable, match="and files one by one"):
            await create(storage, LONG)
        await create(storage, LONG[:900_000])
        await create(storage, LONG[:900_001])


async def test_upload_takes_constant_memory(storage: Storage, monkeypatch: pytest.MonkeyPatch) -> None:
    spools: list[backend_files.FileSpool] = []
    spool_read = backend_files.FileSpool.read

    def read(spool: backend_files.FileSpool) -> list[bytes]:
        spools.append(spool)
        chunks = spool_read(spool)
        assert sum(map(len, chunks)) <= removal.CHUNKS_AT_ONCE * files.CHUNK_BYTES
        return chunks

    monkeypatch.setattr(backend_files.FileSpool, "read", read)
    file = await create(storage, LONG * 3)
    assert len(spools) == 5
    found = await storage.read_file(W, file.id)
    blocks = [len(block) async for block in found.read(0, file.size - 1)]
    assert max(blocks) == backend_files.CHUNKS_READ * files.CHUNK_BYTES


async def test_unused_files_are_deleted_after_a_day(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(expiry, "FIRST_SECONDS", 3_600)
    monkeypatch.setattr(files, "HELD_SECONDS", 0.001)
    monkeypatch.setattr(files, "FILES_AT_ONCE", 2)
    async with open_storage(database) as storage:
        unused = [await create(storage, bytes([number])) for number in range(5)]
        used = await create(storage, b"used")
        await session_with(storage, used)
        moments = [datetime.fromisoformat(str(text)) for text in (unused[0].created_at, unused[0].expires_at)]
        assert (moments[1] - moments[0]).total_seconds() == 0.001
    monkeypatch.setattr(expiry, "FIRST_SECONDS", 0)
    async with open_storage(database) as storage:
        for file in unused:
            await wait_until_gone(storage, file.id)
        assert await is_there(storage, used.id)
        await wait_until_empty(storage, "removal")


async def test_imported_reference_keeps_a_later_file(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(expiry, "FIRST_SECONDS", 3_600)
    monkeypatch.setattr(files, "HELD_SECONDS", 0.001)
    async with open_storage(database) as storage:
        file = await create(storage, b"x")
        await session_with(storage, file)
        lines = await exported(storage)
    async with open_storage(database) as storage:
        await storage.import_sessions("theirs", export_of(lines), "fail")
        await create(storage, b"x", "theirs")
        await create(storage, b"y", "theirs")
    monkeypatch.setattr(expiry, "FIRST_SECONDS", 0)
    async with open_storage(database) as storage:
        async with asyncio.timeout(SECONDS):
            while len(await records(await storage.list_files("theirs"), File)) > 1:  # noqa: ASYNC110  # another task deletes
                await asyncio.sleep(0.01)
        assert await is_there(storage, file.id, "theirs")


def content_id(file: File) -> str:
    """The id of a file's chunks, in SQL."""
    return f"(SELECT content_id FROM file WHERE id = '{file.id}')"  # noqa: S608  # no client's text


async def test_check_finds_damaged_files(storage: Storage, database: str) -> None:
    lost, altered, stray = [await create(storage, LONG + bytes([number])) for number in range(3)]
    byte = "x'78'" if database.startswith("sqlite") else "'78'"
    await asyncio.to_thread(
        vandalise,
        database,
        f"DELETE FROM file_chunk WHERE place = 1 AND content_id = {content_id(lost)}",  # noqa: S608  # no client's text
        f"UPDATE file_chunk SET bytes = {byte} WHERE place = 0 AND content_id = {content_id(altered)}",  # noqa: S608
        f"DELETE FROM file WHERE id = '{stray.id}'",  # noqa: S608
    )
    found = [finding async for finding in open_maintenance(database).check()]
    assert sorted(finding.text for finding in found if not finding.session_id) == sorted(
        f"File {each.id} of workspace {W} is damaged and cannot be recovered." for each in (lost, altered)
    )
    [chunks] = [finding for finding in found if finding.session_id]
    assert chunks.text.endswith("of a file that does not exist.")
    assert (
        await open_maintenance(database).repair(chunks)
        == "They will be removed when a daemon next serves the database."
    )
    assert await open_maintenance(database).repair(found[0]) is None
    async with open_storage(database):
        await wait_until_empty(storage, "removal")
    assert len(await findings(database)) == 2


async def test_export_of_a_deleted_file_is_incomplete(storage: Storage) -> None:
    session_id = await session_with(storage, await create(storage, LONG))
    batches = (await storage.export_session(W, session_id, files=True)).batches
    async for batch in batches:
        if isinstance(batch[-1].chunk, ExportChunk):
            break
    await storage.delete_session(W, session_id)
    await wait_until_empty(storage, "file_chunk")
    with pytest.raises(FileNotFound):
        await anext(batches)


@pytest.mark.parametrize("content", [b"", b"x", b"\x00\xff" * 32_768, LONG], ids=["none", "one", "a chunk", "many"])
async def test_written_file_passes_the_check(storage: Storage, database: str, content: bytes) -> None:
    await test_files.test_file_is_returned_unchanged(storage, content)
    assert await findings(database) == []


async def test_equal_chunks_are_stored_once(storage: Storage, other: Storage, database: str) -> None:
    await test_files.test_equal_files_are_stored_once(storage, other)
    assert await count(storage, "file_chunk") == -(-len(LONG) // files.CHUNK_BYTES)
    await test_files.test_concurrent_uploads_of_equal_files_are_stored_once(storage, other)
    await wait_until_empty(storage, "removal")
    assert await count(storage, "file_chunk") == -(-len(LONG) // files.CHUNK_BYTES)
    assert await findings(database) == []


async def test_chunks_are_deleted_with_the_last_session(storage: Storage) -> None:
    await test_files.test_file_is_deleted_with_its_last_session(storage)
    await wait_until_empty(storage, "file_chunk")
    assert await count(storage, "file_reference") == 0


async def test_chunks_are_deleted_with_their_workspace(storage: Storage) -> None:
    await test_files.test_workspace_is_deleted_with_its_files(storage)
    assert await count(storage, "file_chunk") == 1
