"""Pages of lists with filters: each examines a bounded number of sessions or messages."""

from typing import Any, get_args

import pytest

from amplifierd.storage.model.interface import Storage
from amplifierd.storage.model.queries import MessageQuery, SessionQuery, SessionSort
from amplifierd.storage.model.records import (
    Message,
    SessionSummary,
)
from amplifierd.storage.operations import message_pages, session_pages
from amplifierd.testing.storage.sessions import test_labels as labels
from amplifierd.testing.storage.sessions.test_lists import conversation, five, listed_ids, paged
from amplifierd.testing.storage.steps import records
from amplifierd.testing.storage.workspaces import test_directories as directories

W = "default"


@pytest.mark.parametrize("sort", get_args(SessionSort))
@pytest.mark.parametrize(
    "filters",
    [
        {"profile": "b"},
        {"name": "straße", "status": ("created", "active")},
        {"amplified_dir": "y"},
        {"amplified_dir": "y", "recursive": True},
        {"created_before": "2999-12-31T23:59:59Z", "profile": "a"},
        {"updated_after": "1999-12-31T23:59:59Z", "created_after": "1999-12-31T23:59:59Z", "name": "t"},
        {"profile": "c"},
    ],
)
async def test_page_examines_a_bounded_number_of_sessions(
    storage: Storage, monkeypatch: pytest.MonkeyPatch, sort: SessionSort, filters: dict[str, Any]
) -> None:
    await five(storage)
    expected = await listed_ids(storage, SessionQuery(sort=sort, **filters))
    monkeypatch.setattr(session_pages, "MAX_SCANNED", 2)
    monkeypatch.setattr(session_pages, "MAX_SORTED", 1)
    page = await storage.list_sessions(W, SessionQuery(sort=sort, limit=5, **filters))
    assert len(await records(page, SessionSummary)) <= 2
    assert page.next_cursor is not None
    assert await paged(storage, sort=sort, **filters) == expected


async def test_pages_of_a_role_examine_a_bounded_number_of_messages(
    storage: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    session_id = await conversation(storage)
    monkeypatch.setattr(message_pages, "MAX_SCANNED", 3)
    query, listed = MessageQuery(limit=2, role="user"), []
    for _ in range(3):
        page = (await storage.list_messages(W, session_id, query)).messages
        listed.append(([message.sequence for message in await records(page, Message)], page.next_cursor))
        query = MessageQuery(limit=2, role="user", after_sequence=int(page.next_cursor or 0))
    assert listed == [([2], "3"), ([4], "6"), ([7], None)]


@pytest.mark.parametrize("sort", ["-updated_at", "updated_at", "-created_at", "name"])
async def test_short_pages_have_the_same_sessions(
    storage: Storage, sort: SessionSort, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session_pages, "MAX_SCANNED", 2)
    monkeypatch.setattr(session_pages, "MAX_SORTED", 0)
    await labels.test_sessions_are_filtered_by_labels_and_marks(storage, sort)


async def test_subtree_is_found_in_the_order_of_the_list(storage: Storage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session_pages, "MAX_SORTED", 0)
    await directories.test_sessions_of_a_subtree(storage)
