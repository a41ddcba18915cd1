"""Deletion of a workspace: everything that existed at its start is deleted, even during concurrent writes."""

import asyncio
from contextlib import suppress

import pytest
from msgspec import Raw

from amplifierd.storage.model.errors import SessionNotFound
from amplifierd.storage.model.interface import Storage
from amplifierd.storage.model.profile_records import NewProfile, ProfilePatch
from amplifierd.storage.model.records import NewMessage, NewSession

W = "gone"
SECONDS = 60


async def test_workspace_keeps_sessions_created_during_its_deletion(storage: Storage, other: Storage) -> None:
    await storage.create_profile(W, NewProfile("a", version="1"))
    old = [(await storage.create_session(W, NewSession(profile="a"))).id for _ in range(60)]
    created: list[str] = []
    begun = asyncio.Event()
    overridden = NewSession(settings_overrides=ProfilePatch(version=Raw(b'"2"')))

    async def write() -> None:
        """Create one session after another, while appending to an existing one."""
        while True:
            created.append((await other.create_session(W, overridden)).id)
            begun.set()
            with suppress(SessionNotFound):
                await other.append_message(W, old[-1], NewMessage("more"))

    writing = asyncio.create_task(write())
    await begun.wait()
    before = len(created)
    remaining = await asyncio.wait_for(storage.delete_workspace(W), SECONDS)
    # One session may have been written before the deletion; on a busy machine, none may be created during it.
    while len(created) <= before + 1:
        before = len(created)
        remaining = await asyncio.wait_for(storage.delete_workspace(W), SECONDS)
    writing.cancel()
    with suppress(asyncio.CancelledError):
        await writing
    assert remaining.profiles == 0
    assert 0 < remaining.sessions <= len(created) - before + 1
    for session_id in old:
        with pytest.raises(SessionNotFound):
            await storage.get_session(W, session_id)
    assert (await storage.session_profile(W, created[-1])).version == "2"
    emptied = await storage.delete_workspace(W)
    assert (emptied.sessions, emptied.messages, emptied.directories, emptied.responses) == (0, 0, 0, 0)
