"""Large writes have the same effect in many small pieces as in one."""

from collections.abc import Awaitable, Callable

import pytest

from amplifierd.storage.model.interface import Storage
from amplifierd.storage.operations.bulk import removal
from amplifierd.storage.operations.transfer import export, new_ids
from amplifierd.testing.storage.messages import test_files as files
from amplifierd.testing.storage.messages import test_own_ids as own_ids
from amplifierd.testing.storage.messages import test_parts as parts
from amplifierd.testing.storage.requests import test_transfer as transfer

TESTS: list[Callable[[Storage], Awaitable[None]]] = [
    parts.test_calls_are_forked,
    own_ids.test_session_with_the_id_of_a_deleted_session_is_new,
    files.test_file_is_deleted_with_its_last_fork,
    files.test_export_finds_few_files_among_many,
    transfer.test_extend_appends_missing_messages,
]


@pytest.fixture(autouse=True)
def small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pieces of two messages or files."""
    monkeypatch.setattr(removal, "MESSAGES_AT_ONCE", 2)
    monkeypatch.setattr(removal, "MESSAGES_AT_DELETION", 1)
    monkeypatch.setattr(export, "FILES_AT_ONCE", 2)
    monkeypatch.setattr(new_ids, "RUN_RECORDS", 2)


@pytest.mark.parametrize("test", TESTS, ids=lambda test: test.__name__)
async def test_pieces_have_the_effect_of_one_write(
    storage: Storage, test: Callable[[Storage], Awaitable[None]]
) -> None:
    await test(storage)


@pytest.mark.parametrize("is_sorted", [True, False])
async def test_parents_are_resolved_in_many_runs(storage: Storage, *, is_sorted: bool) -> None:
    await transfer.test_import_resolves_later_parents(storage, is_sorted=is_sorted)
