"""Amplified directories, and the sessions in them."""

import asyncio
from collections.abc import AsyncGenerator

import msgspec
import pytest
from msgspec import UNSET, Raw

from amplifierd.storage.model.directories import (
    AmplifiedDirectory,
    DirectoryPatch,
    Marker,
    Markers,
    NewDirectory,
    Refusal,
    ScanReport,
)
from amplifierd.storage.model.errors import (
    DirectoryExists,
    DirectoryInUse,
    DirectoryMetadataRefused,
    DirectoryNotAmplified,
    ProfileNotFound,
    RootDirectory,
)
from amplifierd.storage.model.interface import Storage
from amplifierd.storage.model.profile_records import NewProfile
from amplifierd.storage.model.queries import SessionQuery
from amplifierd.storage.model.records import Fork, NewSession, SessionSummary
from amplifierd.testing.storage.steps import records

W = "default"


async def amplified(storage: Storage, *paths: str) -> None:
    for path in paths:
        await storage.create_directory(W, NewDirectory(path))


async def listed(storage: Storage, workspace: str = W) -> list[AmplifiedDirectory]:
    found = await storage.list_directories(workspace)
    directories = await records(found.directories, AmplifiedDirectory)
    assert found.total == len(directories)
    return directories


async def test_directory_is_returned_as_sent(storage: Storage) -> None:
    await storage.create_profile(W, NewProfile("a/b"))
    metadata = Raw(b'{"z":1.0,"name":"\\"\xc3\xa9\\u0000","n":123456789012345678901234567890}')
    created = await storage.create_directory(W, NewDirectory("x//y/./z", "a/b", metadata))
    assert created == await storage.get_directory(W, "x/y/z/")
    assert (created.relative_path, bytes(created.metadata)) == ("x/y/z", bytes(metadata))
    assert (created.default_profile, created.default_profile_from) == ("a/b", "x/y/z")
    assert (created.session_count, created.last_used_at) == (0, UNSET)
    assert created.created_at == created.updated_at
    with pytest.raises(DirectoryExists, match="Directory x/y/z is amplified already"):
        await storage.create_directory(W, NewDirectory("./x/y/z"))
    await storage.create_directory("other", NewDirectory("x/y/z"))


async def test_root_always_exists(storage: Storage) -> None:
    root = await storage.get_directory(W, ".")
    assert (root.relative_path, bytes(root.metadata), root.default_profile) == (".", b"{}", UNSET)
    assert await storage.get_directory(W, "./.") == root
    assert await listed(storage) == [root]
    assert [directory.relative_path for directory in await listed(storage, "other")] == ["."]
    with pytest.raises(DirectoryExists):
        await storage.create_directory(W, NewDirectory("."))
    with pytest.raises(RootDirectory):
        await storage.delete_directory(W, ".", force=True)
    patched = await storage.update_directory("third", ".", DirectoryPatch(metadata=Raw(b'{"name":"root"}')))
    assert patched == await storage.get_directory("third", ".")


async def test_missing_record_is_not_found(storage: Storage) -> None:
    await storage.create_directory("other", NewDirectory("a"))
    for path in ("a", "../a", "/a", ".amplified", "a\0", "x" * 2000):
        with pytest.raises(DirectoryNotAmplified, match=r"is not amplified$"):
            await storage.get_directory(W, path)
        with pytest.raises(DirectoryNotAmplified):
            await storage.update_directory(W, path, DirectoryPatch())
        with pytest.raises(DirectoryNotAmplified):
            await storage.delete_directory(W, path)
        with pytest.raises(DirectoryNotAmplified):
            await storage.create_session(W, NewSession(amplified_dir=path))
    for workspace in (W, "other"):
        with pytest.raises(ProfileNotFound):
            await storage.create_directory(workspace, NewDirectory("b", "none"))
    assert await storage.count_sessions(W) == 0


async def test_default_profile_is_inherited(storage: Storage) -> None:
    for name in ("one", "two", "three"):
        await storage.create_profile(W, NewProfile(name))
    await amplified(storage, "a/b/c/d", "ab", "a/b", "a")

    async def inherited(path: str) -> tuple[object, object]:
        directory = await storage.get_directory(W, path)
        assert directory in await listed(storage)
        return directory.default_profile, directory.default_profile_from

    assert await inherited("a/b/c/d") == (UNSET, UNSET)
    await storage.update_directory(W, ".", DirectoryPatch(default_profile="one"))
    assert await inherited("a/b/c/d") == await inherited("ab") == ("one", ".")
    await storage.update_directory(W, "a", DirectoryPatch(default_profile="two"))
    assert await inherited("a/b/c/d") == await inherited("a/b") == await inherited("a") == ("two", "a")
    assert await inherited("ab") == ("one", ".")
    await storage.update_directory(W, "a/b", DirectoryPatch(default_profile="three"))
    session = await storage.create_session(W, NewSession(amplified_dir="a/b/c/d"))
    assert session.profile == "three"
    await storage.update_directory(W, "a/b", DirectoryPatch(default_profile=None))
    assert await inherited("a/b/c/d") == ("two", "a")
    await storage.delete_directory(W, "a")
    assert await inherited("a/b/c/d") == ("one", ".")
    assert (await storage.create_session(W, NewSession(amplified_dir="a/b/c/d"))).profile == "one"
    named = await storage.create_session(W, NewSession(amplified_dir="a/b/c/d", profile="two"))
    assert named.profile == "two"


async def test_directory_precedes_the_active_profile(storage: Storage) -> None:
    for name in ("active-one", "of-the-directory"):
        await storage.create_profile(W, NewProfile(name))
    await storage.activate_profile(W, "active-one")
    await storage.create_directory(W, NewDirectory("a", "of-the-directory"))
    assert (await storage.create_session(W, NewSession(amplified_dir="a"))).profile == "of-the-directory"
    assert (await storage.create_session(W, NewSession())).profile == "active-one"


async def test_missing_default_profile_is_named(storage: Storage) -> None:
    await storage.create_profile(W, NewProfile("a"))
    await storage.create_directory(W, NewDirectory("d", "a"))
    await storage.delete_profile(W, "a")
    assert (await storage.get_directory(W, "d")).default_profile == "a"
    with pytest.raises(ProfileNotFound, match="Profile a not found"):
        await storage.create_session(W, NewSession(amplified_dir="d"))


async def test_patch_is_merged(storage: Storage) -> None:
    created = await storage.create_directory(W, NewDirectory("a", metadata=Raw(b'{"keep":1.0,"drop":1,"in":{"x":1}}')))
    patched = await storage.update_directory(
        W, "a", DirectoryPatch(metadata=Raw(b'{"drop":null,"in":{"y":2},"new":[1e2]}'))
    )
    assert bytes(patched.metadata) == b'{"keep":1.0,"in":{"x":1,"y":2},"new":[1e2]}'
    assert patched.created_at == created.created_at
    assert patched.updated_at > created.updated_at
    with pytest.raises(ProfileNotFound):
        await storage.update_directory(W, "a", DirectoryPatch(default_profile="none"))
    assert await storage.get_directory(W, "a") == patched


@pytest.mark.parametrize(
    ("metadata", "reason"),
    [
        ('{"default_profile":1}', "a member default_profile, which is reserved for markers"),
        ('{"amplifierd":1}', "a member amplifierd"),
        (f'{{"x":"{"x" * 262_144}"}}', "262152 bytes; the limit is 262144"),
        ("{" + ",".join(f'"{n}":0' for n in range(1_025)) + "}", "1025 members; the limit is 1024"),
    ],
)
async def test_invalid_metadata_is_refused(storage: Storage, metadata: str, reason: str) -> None:
    with pytest.raises(DirectoryMetadataRefused, match=f"The metadata of directory a would have {reason}"):
        await storage.create_directory(W, NewDirectory("a", metadata=Raw(metadata.encode())))
    with pytest.raises(DirectoryMetadataRefused):
        await storage.update_directory(W, ".", DirectoryPatch(metadata=Raw(metadata.encode())))
    assert [directory.relative_path for directory in await listed(storage)] == ["."]


async def test_directory_counts_its_sessions(storage: Storage) -> None:
    await amplified(storage, "a", "a/b")

    async def used(path: str) -> tuple[int, object]:
        directory = await storage.get_directory(W, path)
        return directory.session_count, directory.last_used_at

    first, second = [await storage.create_session(W, NewSession(amplified_dir=path)) for path in ("a", "a/b//")]
    fork = await storage.fork_session(W, first.id, Fork())
    assert second.amplified_dir == "a/b"
    assert await used("a") == (2, fork.created_at)
    assert await used("a/b") == (1, second.created_at)
    assert await used(".") == (0, UNSET)
    await asyncio.gather(*(storage.create_session(W, NewSession()) for _ in range(20)))
    assert (await used("."))[0] == 20
    await storage.delete_session(W, first.id)
    assert await used("a") == (1, fork.created_at)
    with pytest.raises(DirectoryInUse, match=r"^Directory a has 1 session$"):
        await storage.delete_directory(W, "a")
    await storage.delete_directory(W, "a", force=True)
    assert (await storage.get_session(W, fork.id)).amplified_dir == "a"
    await amplified(storage, "a")
    assert await used("a") == (1, fork.created_at)
    await storage.delete_session(W, fork.id)
    await storage.delete_directory(W, "a")


async def test_list_is_by_path(storage: Storage) -> None:
    await amplified(storage, "b", "a/c", "a", "a-b", "é", "a/b/c")
    assert [each.relative_path for each in await listed(storage)] == [
        ".",
        "a",
        "a-b",
        "a/b/c",
        "a/c",
        "b",
        "é",
    ]
    assert [each.relative_path for each in await listed(storage, "other")] == ["."]


@pytest.mark.parametrize("limit", [1, 2, 5, 7])
async def test_pages_are_the_list(storage: Storage, limit: int) -> None:
    await amplified(storage, "b", "a/c", "a", "a-b", "é", "a/b/c")
    whole, paged = await listed(storage), list[AmplifiedDirectory]()
    cursor: str | None = None
    while True:
        page = await storage.list_directories(W, limit=limit, cursor=cursor)
        paged += await records(page.directories, AmplifiedDirectory)
        assert page.total == 7
        cursor = page.directories.next_cursor
        if cursor is None:
            break
    assert paged == whole


async def test_sessions_of_a_subtree(storage: Storage) -> None:
    paths = ["a", "a/b", "a/b/c", "a-b", "a0", "ab", "é/a"]
    await amplified(storage, *paths)
    for path in [*paths, "."]:
        await storage.create_session(W, NewSession(name=path, amplified_dir=path))

    async def names(path: str, *, recursive: bool) -> list[object]:
        query = SessionQuery(sort="created_at", amplified_dir=path, recursive=recursive, limit=50)
        found = await records(await storage.list_sessions(W, query), SessionSummary)
        assert found == await records(
            await storage.list_sessions(W, msgspec.structs.replace(query, limit=None)), SessionSummary
        )
        return [summary.name for summary in found]

    assert await names("a", recursive=False) == ["a"]
    assert await names("a/", recursive=True) == ["a", "a/b", "a/b/c"]
    assert await names("a/b", recursive=True) == ["a/b", "a/b/c"]
    assert await names("é", recursive=True) == ["é/a"]
    assert await names(".", recursive=False) == ["."]
    assert await names(".", recursive=True) == [*paths, "."]
    assert await names("../a", recursive=True) == []


def markers_of(*markers: Marker) -> Markers:
    async def batches() -> AsyncGenerator[list[Marker], None]:
        for marker in markers:
            yield [marker]

    return Markers(batches())


async def test_markers_become_directories(storage: Storage) -> None:
    await storage.create_profile(W, NewProfile("p"))
    written = await storage.create_directory(W, NewDirectory("a", metadata=Raw(b'{"n":1}')))
    report = await storage.sync_directories(
        W,
        markers_of(
            Marker("new", "p", '{"n":1.0}'),
            Marker("later", "not-here-yet"),
            Marker("a", None, '{"n":1}', written.updated_at),
            Marker("bad", fault="no JSON"),
            Marker("x/.y"),
            Marker("bad", "Not A Name"),
        ),
    )
    assert report == ScanReport(
        created=2,
        unchanged=1,
        refused=(
            Refusal("bad", "The metadata of directory bad would have no JSON"),
            Refusal("x/.y", "Directory 'x/.y' can't be amplified: a segment begins with a dot, which is reserved"),
            Refusal(
                "bad",
                "The metadata of directory bad would have a default_profile 'Not A Name', an invalid profile name",
            ),
        ),
    )
    directory = await storage.get_directory(W, "new")
    assert (directory.default_profile, bytes(directory.metadata)) == ("p", b'{"n":1.0}')
    assert (await storage.get_directory(W, "later")).default_profile == "not-here-yet"


async def test_edited_marker_updates_its_directory(storage: Storage) -> None:
    first = await storage.create_directory(W, NewDirectory("a", metadata=Raw(b'{"n":1}')))
    second = await storage.update_directory(W, "a", DirectoryPatch(metadata=Raw(b'{"n":2}')))
    # The marker was not rewritten since; it looks like an older one that a person edited.
    old = Marker("a", None, '{"n":7}', first.updated_at)
    assert await storage.sync_directories(W, markers_of(old)) == ScanReport(unchanged=1)
    assert await storage.get_directory(W, "a") == second
    edited = Marker("a", None, '{"n":8}', second.updated_at)
    assert await storage.sync_directories(W, markers_of(edited)) == ScanReport(updated=1)
    assert bytes((await storage.get_directory(W, "a")).metadata) == b'{"n":8}'
    by_hand = Marker("a", None, '{"n":9}')
    assert await storage.sync_directories(W, markers_of(by_hand)) == ScanReport(updated=1)
    assert bytes((await storage.get_directory(W, "a")).metadata) == b'{"n":9}'
