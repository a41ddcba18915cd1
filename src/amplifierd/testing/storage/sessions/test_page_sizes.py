"""Pages of large records: they end earlier, and all of them together are the list."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from msgspec import Raw, json

from amplifierd.storage.model.directories import NewDirectory
from amplifierd.storage.model.interface import Storage
from amplifierd.storage.model.profile_records import NewProfile
from amplifierd.storage.model.queries import SessionQuery
from amplifierd.storage.model.records import Fork, Listing, NewSession

W = "default"
PAGE_BYTES = 4 * 1024 * 1024
# About 100 KB of JSON.
LABELS = {"size": "large"} | {"🏷" * 180 + f"{number:02}": "🏷" * 200 for number in range(63)}


async def pages(read: Callable[[str | None], Awaitable[Listing]], key: str) -> list[list[Any]]:
    """The value `key` of the records of each page; no page has more than 4 MiB."""
    found: list[list[Any]] = []
    cursor: str | None = None
    while not found or cursor is not None:
        listing = await read(cursor)
        assert listing.rest is None
        assert len(listing.first) <= PAGE_BYTES
        found.append([record[key] for record in json.decode(b"[" + listing.first + b"]")])
        cursor = listing.next_cursor
    return found


@pytest.mark.parametrize("limit", [50, 1_000])
@pytest.mark.parametrize("query", [SessionQuery(), SessionQuery(sort="name"), SessionQuery(labels=("size:large",))])
async def test_page_of_sessions_ends_before_4_mib(storage: Storage, query: SessionQuery, limit: int) -> None:
    created = {(await storage.create_session(W, NewSession(labels=LABELS))).id for _ in range(60)}

    async def read(cursor: str | None) -> Listing:
        return await storage.list_sessions(
            W, SessionQuery(sort=query.sort, labels=query.labels, limit=limit, cursor=cursor)
        )

    first, *rest = await pages(read, "id")
    assert len(rest) == 1
    assert len(first) < 50
    ids = [*first, *rest[0]]
    assert len(ids) == len(created)
    assert set(ids) == created


async def test_page_of_directories_ends_before_4_mib(storage: Storage) -> None:
    metadata = Raw(b'{"text":"%b"}' % (b"x" * 250_000))
    for number in range(20):
        await storage.create_directory(W, NewDirectory(f"d{number:02}", metadata=metadata))

    async def read(cursor: str | None) -> Listing:
        return (await storage.list_directories(W, limit=1_000, cursor=cursor)).directories

    first, second = await pages(read, "relativePath")
    # The root has no metadata.
    assert len(first) == 1 + PAGE_BYTES // 250_400
    assert first + second == [".", *(f"d{number:02}" for number in range(20))]


async def test_page_of_profiles_ends_before_4_mib(storage: Storage) -> None:
    for number in range(400):
        await storage.create_profile(W, NewProfile(f"p{number:03}", description="说" * 4_096))

    async def read(cursor: str | None) -> Listing:
        return await storage.list_profiles(W, limit=1_000, cursor=cursor)

    first, second = await pages(read, "name")
    assert first + second == ["default", *(f"p{number:03}" for number in range(400))]


async def test_lineage_ends_after_1_mib(storage: Storage) -> None:
    session = await storage.create_session(W, NewSession(labels=LABELS))
    children = [(await storage.fork_session(W, session.id, Fork())).id for _ in range(15)]
    found = (await storage.lineage(W, session.id)).children
    assert [child.id for child in found] == children[: len(found)]
    assert 10 <= len(found) < 15
    chain = [session.id]
    for _ in range(15):
        chain.insert(0, (await storage.fork_session(W, chain[0], Fork())).id)
    ancestors = (await storage.lineage(W, chain[0])).ancestors
    assert [ancestor.id for ancestor in ancestors] == chain[1 : 1 + len(ancestors)]
    assert len(ancestors) == len(found)
