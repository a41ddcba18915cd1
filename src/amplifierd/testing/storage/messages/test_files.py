"""Files: equal contents are stored once, in constant memory, for as long as a message refers to them."""

import asyncio
import hashlib
import json
from collections.abc import AsyncGenerator

import msgspec
import pytest
from msgspec import UNSET, Raw
from msgspec.structs import replace

from amplifierd.storage.model.errors import (
    DataUrlTooLong,
    FileInUse,
    FileNotFound,
    FileUnknown,
    ImportInvalid,
    MessageInvalid,
    StorageUnavailable,
)
from amplifierd.storage.model.files import UNKNOWN_MEDIA, File, NewFile
from amplifierd.storage.model.interface import Storage
from amplifierd.storage.model.records import (
    BatchMessage,
    CleanUp,
    Export,
    ExportEnd,
    ExportFile,
    ExportLine,
    Fork,
    NewMessage,
    NewMessages,
    NewSession,
)
from amplifierd.testing.storage.exports import export_of, exported
from amplifierd.testing.storage.steps import records

W = "default"
SECONDS = 60
# Longer than a chunk, than a block of a read, and than a piece of a write.
LONG = bytes(range(256)) * 4_096 + b"and the end" * 30_000


async def pieces(content: bytes, size: int = 100_000) -> AsyncGenerator[bytes, None]:
    """The bytes in pieces, as an upload sends them."""
    for start in range(0, len(content), size):
        yield content[start : start + size]


async def create(storage: Storage, content: bytes, workspace: str = W) -> File:
    """Store bytes as a file."""
    return await storage.create_file(workspace, NewFile(pieces(content)))


async def content_of(storage: Storage, file_id: str, first: int = 0, last: int | None = None) -> bytes:
    """The bytes of a file from `first` to `last`."""
    found = await storage.read_file(W, file_id)
    end = found.file.size - 1 if last is None else last
    return b"".join([block async for block in found.read(first, end)])


def naming(*found: File, **fields: object) -> Raw:
    """Parts that refer to these files."""
    parts = [{"type": "file", "media": "image/png", "url": file.url} for file in found]
    return Raw(json.dumps([{"type": "text", "text": "See", **fields}, *parts]).encode())


async def session_with(storage: Storage, *found: File, workspace: str = W) -> str:
    """Create a session with a message that refers to these files."""
    session = await storage.create_session(workspace, NewSession())
    await storage.append_message(workspace, session.id, NewMessage(parts=naming(*found)))
    return session.id


async def is_there(storage: Storage, file_id: str, workspace: str = W) -> bool:
    """Whether a file exists."""
    try:
        await storage.read_file(workspace, file_id)
    except FileNotFound:
        return False
    return True


async def wait_until_gone(storage: Storage, file_id: str) -> None:
    """Wait until a file no longer exists."""
    async with asyncio.timeout(SECONDS):
        while await is_there(storage, file_id):  # noqa: ASYNC110  # another task deletes it
            await asyncio.sleep(0.01)


@pytest.mark.parametrize("content", [b"", b"x", b"\x00\xff" * 32_768, LONG], ids=["none", "one", "a chunk", "many"])
async def test_file_is_returned_unchanged(storage: Storage, content: bytes) -> None:
    file = await storage.create_file(W, NewFile(pieces(content), "image/png", "ä.png"))
    digest = hashlib.sha256(content).hexdigest()
    assert (file.id, file.url, file.media, file.name) == (digest, f"/files/{digest}", "image/png", "ä.png")
    assert file.size == len(content)
    assert (await storage.read_file(W, file.id)).file == file
    assert await records(await storage.list_files(W), File) == [file]
    if content:
        assert await content_of(storage, file.id) == content


@pytest.mark.parametrize(
    ("first", "last"), [(0, 0), (65_535, 65_536), (262_143, 262_144), (1, len(LONG) - 1), (len(LONG) - 1,) * 2]
)
async def test_range_of_a_file(storage: Storage, first: int, last: int) -> None:
    file = await create(storage, LONG)
    assert await content_of(storage, file.id, first, last) == LONG[first : last + 1]


async def test_equal_files_are_stored_once(storage: Storage, other: Storage) -> None:
    file = await storage.create_file(W, NewFile(pieces(LONG), "image/png", "a"))
    again = await other.create_file(W, NewFile(pieces(LONG, 7_777), "text/plain", "b"))
    assert again.expires_at > file.expires_at  # type: ignore[operator]  # both are held
    assert replace(again, expires_at=file.expires_at) == file


async def test_concurrent_uploads_of_equal_files_are_stored_once(storage: Storage, other: Storage) -> None:
    files = await asyncio.gather(*[create(each, LONG) for each in (storage, other, storage, other)])
    assert len({file.id for file in files}) == 1
    assert len(await records(await storage.list_files(W), File)) == 1
    assert await content_of(storage, files[0].id) == LONG


async def test_deleted_file_is_not_found(storage: Storage) -> None:
    file = await create(storage, LONG)
    await storage.delete_file(W, file.id)
    for refused in (storage.read_file(W, file.id), storage.delete_file(W, file.id)):
        with pytest.raises(FileNotFound):
            await refused


async def test_aborted_upload_stores_no_file(storage: Storage) -> None:
    async def broken() -> AsyncGenerator[bytes, None]:
        yield LONG
        raise StorageUnavailable("the client is gone")

    with pytest.raises(StorageUnavailable):
        await storage.create_file(W, NewFile(broken()))
    assert await records(await storage.list_files(W), File) == []


async def test_files_belong_to_their_workspace(storage: Storage) -> None:
    file = await create(storage, b"x", "theirs")
    assert not await is_there(storage, file.id)
    with pytest.raises(FileNotFound):
        await storage.delete_file(W, file.id)
    with pytest.raises(FileUnknown):
        await session_with(storage, file)
    await create(storage, b"x")
    await storage.delete_file(W, file.id)
    assert await is_there(storage, file.id, "theirs")


async def test_files_are_listed_in_pages(storage: Storage) -> None:
    files = [await create(storage, bytes([number])) for number in range(5)]
    found: list[File] = []
    cursor = None
    for expected in (2, 2, 1):
        page = await storage.list_files(W, limit=2, cursor=cursor)
        found += (records_ := await records(page, File))
        assert len(records_) == expected
        cursor = page.next_cursor
    assert cursor is None
    assert found == files[::-1]
    for strange in ("A", "x" * 1_368, "____"):
        assert len(await records(await storage.list_files(W, limit=2, cursor=strange), File)) <= 2


async def test_file_is_deleted_with_its_last_session(storage: Storage) -> None:
    file = await create(storage, LONG)
    first, second = [await session_with(storage, file, file) for _ in range(2)]
    assert (await storage.read_file(W, file.id)).file.expires_at is UNSET
    await storage.delete_session(W, first)
    assert await is_there(storage, file.id)
    await storage.delete_session(W, second)
    await wait_until_gone(storage, file.id)


async def test_file_is_deleted_with_its_last_fork(storage: Storage) -> None:
    early, late = await create(storage, b"early"), await create(storage, b"late")
    session = await storage.create_session(W, NewSession())
    for file in (early, late, late, late, late):
        await storage.append_message(W, session.id, NewMessage(parts=naming(file)))
    fork = await storage.fork_session(W, session.id, Fork(at_sequence=1))
    whole = await storage.fork_session(W, session.id, Fork())
    await storage.delete_session(W, session.id)
    assert await is_there(storage, late.id)
    await storage.delete_session(W, whole.id)
    await wait_until_gone(storage, late.id)
    assert await is_there(storage, early.id)
    await storage.delete_session(W, fork.id)
    await wait_until_gone(storage, early.id)


async def test_cleanup_deletes_files(storage: Storage) -> None:
    file = await create(storage, b"x")
    await storage.complete_session(W, await session_with(storage, file))
    await storage.clean_up_sessions(W, CleanUp(older_than_days=0, status=("completed",), dry_run=False))
    await wait_until_gone(storage, file.id)


async def test_file_created_again_outlives_its_session(storage: Storage) -> None:
    file = await create(storage, b"x")
    session_id = await session_with(storage, file)
    await create(storage, b"x")
    await storage.delete_session(W, session_id)
    assert await is_there(storage, file.id)
    await session_with(storage, file)


async def test_file_created_twice_outlives_one_session(storage: Storage, other: Storage) -> None:
    first = await create(storage, b"x")
    promised = await create(other, b"x")
    session_id = await session_with(storage, first)
    await storage.delete_session(W, session_id)
    # When the session's own file is gone, everything else deleted with the session is gone too.
    alone = await create(storage, b"alone")
    await storage.delete_session(W, await session_with(storage, alone))
    await wait_until_gone(storage, alone.id)
    assert (await storage.read_file(W, first.id)).file.expires_at == promised.expires_at
    await session_with(other, promised)


async def test_file_in_use_is_not_deleted(storage: Storage) -> None:
    file = await create(storage, b"x")
    session_id = await session_with(storage, file)
    with pytest.raises(FileInUse, match=f"named by message 1 of session {session_id}$"):
        await storage.delete_file(W, file.id)
    for _ in range(10):
        await storage.append_message(W, session_id, NewMessage(parts=naming(file)))
    with pytest.raises(FileInUse, match=f"message 10 of session {session_id}, and others$"):
        await storage.delete_file(W, file.id)
    await storage.delete_session(W, session_id)
    await wait_until_gone(storage, file.id)


async def test_message_rejects_unknown_file(storage: Storage) -> None:
    session = await storage.create_session(W, NewSession())
    file = await create(storage, b"x")
    unknown = replace(file, url=f"/files/{'0' * 64}")
    with pytest.raises(FileUnknown) as one:
        await storage.append_message(W, session.id, NewMessage(parts=naming(file, unknown)))
    assert one.value.pointer == "/parts/2/url"
    batch = NewMessages([BatchMessage("x"), BatchMessage(parts=naming(unknown))])
    with pytest.raises(FileUnknown) as many:
        await storage.append_messages(W, session.id, batch)
    assert many.value.pointer == "/messages/1/parts/1/url"
    assert (await storage.get_session(W, session.id)).message_count == 0
    # The file still expires.
    assert isinstance((await storage.read_file(W, file.id)).file.expires_at, str)


@pytest.mark.parametrize("url", ["/files/x", "files/" + "0" * 64, "//example.com/a", "a.png", "/files/" + "A" * 64])
async def test_relative_url_other_than_a_file_is_refused(storage: Storage, url: str) -> None:
    session = await storage.create_session(W, NewSession())
    parts = Raw(json.dumps([{"type": "file", "media": "image/*", "url": url}]).encode())
    with pytest.raises(MessageInvalid, match="/parts/0/url must be absolute, or the url of a file"):
        await storage.append_message(W, session.id, NewMessage(parts=parts))


async def test_long_url_is_refused(storage: Storage) -> None:
    session = await storage.create_session(W, NewSession())

    async def append(url: str) -> None:
        parts = Raw(json.dumps([{"type": "file", "media": "image/*", "url": url}]).encode())
        await storage.append_message(W, session.id, NewMessage(parts=parts))

    most = "data:image/png;base64,".ljust(65_536, "A")
    await append(most)
    with pytest.raises(DataUrlTooLong, match="must have at most 65536 characters, and has 65537"):
        await append(most + "A")
    with pytest.raises(MessageInvalid, match="must have at most 65536"):
        await append("https://example.com/".ljust(65_537, "A"))


async def test_escaped_url_names_a_file(storage: Storage) -> None:
    file = await create(storage, b"x")
    session = await storage.create_session(W, NewSession())
    escaped = "".join(f"\\u{ord(character):04x}" for character in file.url)
    parts = Raw(f'[{{"type":"\\u0066ile","media":"image/*","url":"{escaped}"}}]'.encode())
    await storage.append_message(W, session.id, NewMessage(parts=parts))
    with pytest.raises(FileInUse):
        await storage.delete_file(W, file.id)


async def test_import_refuses_a_long_url(storage: Storage) -> None:
    session = await storage.create_session(W, NewSession())
    await storage.append_message(W, session.id, NewMessage("x"))
    lines = await exported(storage)
    long = [{"type": "file", "media": "image/*", "url": "data:".ljust(65_537, "A")}]
    message = replace(lines[-2].message, content="", parts=Raw(json.dumps(long).encode()))  # type: ignore[type-var]  # one
    with pytest.raises(ImportInvalid, match="the url of part 1 must have at most"):
        await storage.import_sessions(
            "b", export_of([*lines[:-2], replace(lines[-2], message=message), lines[-1]]), "fail"
        )


async def test_append_during_the_last_deletion_keeps_the_file_or_fails(storage: Storage, other: Storage) -> None:
    for number in range(10):
        file = await create(storage, bytes([number]))
        session_id = await session_with(storage, file)
        session = await storage.create_session(W, NewSession())
        _, refused = await asyncio.gather(
            storage.delete_session(W, session_id),
            other.append_message(W, session.id, NewMessage(parts=naming(file))),
            return_exceptions=True,
        )
        if isinstance(refused, FileUnknown):
            assert not await is_there(storage, file.id)
        else:
            assert not isinstance(refused, BaseException)
            assert await content_of(storage, file.id) == bytes([number])


async def test_workspace_is_deleted_with_its_files(storage: Storage) -> None:
    used, _unused, kept = [await create(storage, each, "gone") for each in (b"used", LONG, b"kept")]
    await session_with(storage, used, kept, workspace="gone")
    await create(storage, b"kept")
    assert await storage.has_workspace("gone")
    contents = {
        workspace_contents.workspace: workspace_contents.files
        for workspace_contents in await storage.workspace_contents()
    }
    assert contents == {W: 1, "gone": 3}
    left = await storage.delete_workspace("gone")
    assert left.files == 0
    assert await is_there(storage, kept.id)


def test_unknown_media_type_is_octet_stream() -> None:
    assert NewFile(pieces(b"")).media == UNKNOWN_MEDIA


async def test_export_finds_few_files_among_many(storage: Storage) -> None:
    files = [await create(storage, b"%d" % number) for number in range(9)]
    session_id = await session_with(storage, files[3])
    lines = msgspec.json.decode(
        msgspec.json.encode(await exported(storage)).replace(files[3].id.encode(), b"0" * 64), type=list[ExportLine]
    )
    await storage.delete_session(W, session_id)
    await storage.import_sessions(W, export_of(lines), "fail")
    for found in ([files[1]], [files[7], files[1]], [files[1]], [files[1]], [files[5]]):
        await storage.append_message(W, session_id, NewMessage(parts=naming(*found)))
    other_id = await session_with(storage, files[8], files[1])
    expected = {session_id: [1, 7, 5], other_id: [8, 1]}
    for of_session, numbers in expected.items():
        export = await storage.export_session(W, of_session, files=True)
        assert sorted(await file_ids(export)) == sorted(files[number].id for number in numbers)
    everything = await file_ids(await storage.export_sessions(W, files=True))
    assert everything == sorted(files[number].id for number in (1, 5, 7, 8))
    assert await file_ids(await storage.export_sessions(W)) == []


async def file_ids(export: Export) -> list[str]:
    """The ids of the files in an export, which must match the count in its end line."""
    lines = [line async for batch in export.batches for line in batch]
    found = [line.file.id for line in lines if isinstance(line.file, ExportFile)]
    end = lines[-1].end
    assert isinstance(end, ExportEnd)
    assert end.files == len(found)
    return found


async def test_import_keeps_a_file_that_exists(storage: Storage) -> None:
    file = await storage.create_file(W, NewFile(pieces(LONG), "image/png", "a.png"))
    session_id = await session_with(storage, file)
    export = await storage.export_session(W, session_id, files=True)
    lines = [line async for batch in export.batches for line in batch]
    assert (await storage.import_sessions(W, export_of(lines), "skip")).files == 1
    existing = (await storage.read_file(W, file.id)).file
    assert (existing.media, existing.name, existing.created_at) == ("image/png", "a.png", file.created_at)
    assert await content_of(storage, file.id) == LONG
    await storage.delete_session(W, session_id)
    await storage.import_sessions(W, export_of(lines), "fail")
    assert await content_of(storage, file.id) == LONG
