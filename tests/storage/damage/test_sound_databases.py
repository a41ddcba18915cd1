"""A check finds no fault in the databases that the behaviour tests leave."""

from collections.abc import Awaitable, Callable

import pytest

from amplifierd.storage import open_maintenance, open_storage
from amplifierd.storage.model.interface import Storage
from amplifierd.storage.model.queries import SearchHit, SearchQuery
from amplifierd.testing.storage.messages import test_corrections as corrections
from amplifierd.testing.storage.messages import test_files as files
from amplifierd.testing.storage.messages import test_own_ids as own_ids
from amplifierd.testing.storage.messages.test_parts import call, result, session_with
from amplifierd.testing.storage.steps import records

W = "default"


async def test_index_of_tools_is_whole(database: str) -> None:
    async with open_storage(database) as storage:
        await session_with(storage, [call("c1"), result("c1", "nul \0 and umlaut ä"), {"type": "text", "text": "x"}])
        assert await records(await storage.search_messages(W, SearchQuery("umlaut and")), SearchHit)
    assert [finding async for finding in open_maintenance(database).check()] == []


async def faults(database: str) -> list[str]:
    """What a check of a database finds."""
    return [finding.text async for finding in open_maintenance(database).check()]


TESTS: list[Callable[[Storage], Awaitable[None]]] = [
    corrections.test_search_follows_corrections,
    corrections.test_search_follows_corrections_of_long_messages,
    own_ids.test_own_ids_and_times_are_exported_and_imported,
    files.test_file_is_deleted_with_its_last_session,
    files.test_workspace_is_deleted_with_its_files,
]


@pytest.mark.parametrize("test", TESTS, ids=lambda test: test.__name__)
async def test_database_is_sound_afterwards(
    storage: Storage, database: str, test: Callable[[Storage], Awaitable[None]]
) -> None:
    await test(storage)
    await storage.close()
    assert await faults(database) == []
    await storage.open()
