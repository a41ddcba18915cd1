"""Concurrent requests, some of which fail."""

import asyncio

import pytest
from msgspec import Raw

from amplifierd.storage.model.errors import ContextTooLarge, SequenceConflict, SessionNotFound
from amplifierd.storage.model.interface import Storage
from amplifierd.storage.model.records import (
    CleanUp,
    Export,
    ExportHeader,
    ExportLine,
    NewMessage,
    NewSession,
    Session,
    SessionPatch,
)
from amplifierd.testing.storage.steps import read

W = "default"
TOO_MANY = SessionPatch(context=Raw(b"{" + b",".join(b'"%d":0' % number for number in range(1_025)) + b"}"))


@pytest.mark.parametrize("failing", ["after it has written", "before", "not at all"])
async def test_failure_does_not_affect_other_requests(storage: Storage, failing: str) -> None:
    session = await storage.create_session(W, NewSession(context=Raw(b'{"a":1}')))
    patched = await storage.create_session(W, NewSession(context=Raw(b'{"a":1}')))

    async def fail(number: int) -> None:
        if failing == "after it has written":
            with pytest.raises(ContextTooLarge):
                await storage.update_session(W, patched.id, TOO_MANY)
        elif failing == "before":
            target, error = ("nobody", SessionNotFound) if number % 2 else (session.id, SequenceConflict)
            with pytest.raises(error):
                await storage.append_message(W, target, NewMessage(content="x", expected_sequence=1_000_000))

    async def append(number: int) -> None:
        await storage.append_message(W, session.id, NewMessage(content=str(number)))

    await asyncio.gather(*(work(number) for number in range(100) for work in (append, fail)))
    messages = await read(storage, session.id)
    assert [message.sequence for message in messages] == list(range(1, 101))
    assert {message.content for message in messages} == {str(number) for number in range(100)}
    assert await storage.get_session(W, patched.id) == patched


async def test_long_write_is_done_once_despite_failures(storage: Storage) -> None:
    patched = await storage.create_session(W, NewSession())
    for number in range(250):
        session = await storage.create_session("source", NewSession())
        await storage.append_message("source", session.id, NewMessage(content=str(number)))
    export = await storage.export_sessions("source")
    lines = [line async for batch in export.batches for line in batch]
    done = asyncio.Event()

    async def fail() -> None:
        while not done.is_set():
            with pytest.raises(ContextTooLarge):
                await storage.update_session(W, patched.id, TOO_MANY)

    async def transfer() -> None:
        async def again() -> Export:
            return await storage.export_sessions("source")

        imported = await storage.import_sessions("target", await again(), "fail")
        assert (imported.sessions, imported.messages) == (250, 250)
        cleanup = CleanUp(older_than_days=0, status=("active",), dry_run=False)
        cleaned = await storage.clean_up_sessions("source", cleanup)
        assert (cleaned.sessions, cleaned.messages, len(set(cleaned.session_ids))) == (250, 250, 250)
        done.set()

    await asyncio.gather(transfer(), *(fail() for _ in range(4)))
    copied = await storage.export_sessions("target")
    assert [line async for batch in copied.batches for line in batch] == lines
    assert lines[0] == ExportLine(header=ExportHeader())
    assert isinstance(lines[1].session, Session)
