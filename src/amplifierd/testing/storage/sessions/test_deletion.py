"""Cleanup of old sessions, and deletion by filter."""

import asyncio
from hashlib import sha256
from typing import get_args

import pytest
from msgspec.structs import replace

from amplifierd.storage.model.errors import BodyInvalid
from amplifierd.storage.model.interface import Storage
from amplifierd.storage.model.queries import SessionDeletion, SessionFilter, SessionQuery
from amplifierd.storage.model.records import (
    BatchMessage,
    CleanUp,
    DeletionReport,
    IdempotentRequest,
    Message,
    NewMessage,
    NewMessages,
    NewSession,
    SessionStatus,
    SessionSummary,
)
from amplifierd.testing.storage.steps import recorded, records

W = "default"
TURN = NewMessages([BatchMessage(content="x")] * 3)


async def session_of(storage: Storage, status: SessionStatus) -> str:
    session = await storage.create_session(W, NewSession())
    if status != "created":
        await storage.append_messages(W, session.id, TURN)
    if status == "completed":
        await storage.complete_session(W, session.id)
    if status == "terminated":
        await storage.terminate_session(W, session.id)
    return session.id


async def session_ids(storage: Storage) -> list[str]:
    listing = await storage.list_sessions(W, SessionQuery(sort="created_at"))
    return [summary.id for summary in await records(listing, SessionSummary)]


async def test_dry_run_of_a_cleanup_deletes_nothing(storage: Storage) -> None:
    ids = [await session_of(storage, status) for status in ("created", "active", "completed", "terminated")]
    report = await storage.clean_up_sessions(W, CleanUp(older_than_days=0))
    assert report == DeletionReport(dry_run=True, sessions=2, messages=6, session_ids=(ids[2], ids[3]))
    assert await session_ids(storage) == ids


async def test_cleanup_deletes_the_reported_sessions(storage: Storage) -> None:
    ids = [await session_of(storage, status) for status in ("created", "active", "completed", "terminated")]
    report = await storage.clean_up_sessions(W, CleanUp(older_than_days=0, dry_run=False))
    assert report == DeletionReport(dry_run=False, sessions=2, messages=6, session_ids=(ids[2], ids[3]))
    assert await session_ids(storage) == ids[:2]


@pytest.mark.parametrize("dry_run", [True, False])
async def test_cleanup_keeps_young_sessions(storage: Storage, *, dry_run: bool) -> None:
    await session_of(storage, "completed")
    cleanup = CleanUp(older_than_days=1, status=("completed", "active"), dry_run=dry_run)
    assert await storage.clean_up_sessions(W, cleanup) == DeletionReport(dry_run)
    assert len(await session_ids(storage)) == 1


async def test_cleanup_of_active_sessions_needs_their_status(storage: Storage) -> None:
    active, ended = [await session_of(storage, status) for status in ("active", "completed")]
    cleanup = CleanUp(older_than_days=0, status=("active",), dry_run=False)
    assert (await storage.clean_up_sessions(W, cleanup)).session_ids == (active,)
    assert await session_ids(storage) == [ended]


async def test_deletion_keeps_sessions_of_other_workspaces(storage: Storage) -> None:
    await session_of(storage, "completed")
    cleanup = CleanUp(older_than_days=0, dry_run=False)
    assert (await storage.clean_up_sessions("other", cleanup)).sessions == 0
    assert len(await session_ids(storage)) == 1


async def test_cleanup_deletes_many_sessions(storage: Storage) -> None:
    for _ in range(250):
        await session_of(storage, "completed")
    kept = await session_of(storage, "created")
    events = await storage.follow_sessions(W)
    report = await storage.clean_up_sessions(W, CleanUp(older_than_days=0, dry_run=False))
    assert (report.sessions, report.messages, len(set(report.session_ids))) == (250, 750, 250)
    assert await session_ids(storage) == [kept]
    reported = await anext(events.batches)
    await events.batches.aclose()
    assert [event.kind for event in reported] == ["deleted"] * 250
    assert len({event.id for event in reported}) == 250


async def test_deletion_reports_and_deletes_by_filter(storage: Storage) -> None:
    ids = [await session_of(storage, status) for status in ("created", "active", "completed", "terminated")]
    session_filter = SessionFilter(status=("active", "terminated"))
    would = await storage.delete_sessions(W, SessionDeletion(session_filter))
    assert would == DeletionReport(dry_run=True, sessions=2, messages=6, session_ids=(ids[1], ids[3]))
    assert await session_ids(storage) == ids
    done = await storage.delete_sessions(W, SessionDeletion(session_filter, dry_run=False))
    assert done == replace(would, dry_run=False)
    assert await session_ids(storage) == [ids[0], ids[2]]


async def test_deletion_takes_any_number_of_sessions(storage: Storage) -> None:
    ids = [(await storage.create_session(W, NewSession(labels={"old": ""}))).id for _ in range(120)]
    kept = await session_of(storage, "active")
    deletion = SessionDeletion(SessionFilter(labels=("old",)), dry_run=False)
    report = await storage.delete_sessions(W, deletion)
    assert (report.sessions, set(report.session_ids)) == (120, set(ids))
    assert await session_ids(storage) == [kept]
    assert (await storage.delete_sessions(W, deletion)).sessions == 0


async def test_deletion_rejects_a_filter_that_selects_all(storage: Storage) -> None:
    kept = await session_of(storage, "active")
    for session_filter in (
        SessionFilter(),
        SessionFilter(roots=False),
        SessionFilter(amplified_dir=".", recursive=True),
    ):
        with pytest.raises(BodyInvalid, match="The body is invalid: /filter selects every session"):
            await storage.delete_sessions(W, SessionDeletion(session_filter, dry_run=False))
    assert await session_ids(storage) == [kept]
    every = SessionDeletion(SessionFilter(status=get_args(SessionStatus)), dry_run=False)
    assert (await storage.delete_sessions(W, every)).session_ids == (kept,)


async def test_deletion_is_replayed_under_its_key(storage: Storage) -> None:
    await session_of(storage, "active")
    deletion = SessionDeletion(SessionFilter(roots=True), dry_run=False)
    first, second = [IdempotentRequest("k", sha256(b"x")) for _ in range(2)]
    report = await storage.delete_sessions(W, deletion, once=first)
    later = await session_of(storage, "active")
    assert await recorded(storage.delete_sessions(W, deletion, once=second)) == report
    assert await session_ids(storage) == [later]


async def test_deletion_keeps_concurrent_writes(storage: Storage) -> None:
    """Each piece is reported before the next one; at that point, the session after the next 25 gets a message."""
    ids = [(await storage.create_session(W, NewSession())).id for _ in range(60)]
    loop = asyncio.get_running_loop()
    writes: list[asyncio.Task[Message]] = []

    def write() -> None:
        if not writes:
            writes.append(loop.create_task(storage.append_message(W, ids[-1], NewMessage(content="x"))))

    deletion = SessionDeletion(SessionFilter(status=("created", "active")), dry_run=False)
    report = await storage.delete_sessions(W, deletion, progressed=write)
    await asyncio.gather(*writes)
    assert report.sessions == 59
    assert await session_ids(storage) == [ids[-1]]
