"""The space that recorded responses take, and their replay."""

import asyncio
import hashlib
from collections.abc import Awaitable, Callable

import pytest
from msgspec import Raw

from amplifierd.storage.backend.storage import TransactionalStorage
from amplifierd.storage.model.errors import IdempotencyResponseNotKept
from amplifierd.storage.model.interface import Storage
from amplifierd.storage.model.records import (
    BatchMessage,
    Failure,
    Fork,
    IdempotentRequest,
    NewMessage,
    NewMessages,
    NewSession,
    Session,
    SessionPatch,
)
from amplifierd.storage.operations import recorded_responses
from amplifierd.testing.storage.steps import recorded

W = "default"
SECONDS = 60
CONTEXT = Raw(b'{"text":"%b"}' % (b"x" * 100_000))
DETAILS = Raw(b'{"trace":"%b"}' % (b"y" * 50_000))
# Changes the digest of the other response, but not its length.
OTHER = Raw(b'{"text":"%b"}' % (b"z" * 100_000))

KEPT = """
SELECT
    (SELECT COALESCE(SUM(octet_length(answer)), 0) FROM idempotency WHERE workspace = :workspace)
    + (SELECT COALESCE(SUM(octet_length(content)), 0) FROM recorded_text WHERE workspace = :workspace)
"""

Write = Callable[[Storage, str, IdempotentRequest], Awaitable[object]]

WRITES: list[Write] = [
    lambda storage, session_id, once: storage.start_session(W, session_id, once=once),
    lambda storage, session_id, once: storage.complete_session(W, session_id, once=once),
    lambda storage, session_id, once: storage.resume_session(W, session_id, once=once),
    lambda storage, session_id, once: storage.fail_session(W, session_id, Failure("x", DETAILS), once=once),
    lambda storage, session_id, once: storage.resume_session(W, session_id, once=once),
    lambda storage, session_id, once: storage.terminate_session(W, session_id, once=once),
]


def once(key: str) -> IdempotentRequest:
    return IdempotentRequest(key, hashlib.sha256(key.encode()))


async def kept_bytes(storage: Storage) -> int:
    assert isinstance(storage, TransactionalStorage)
    row = await storage._rows.row(KEPT, {"workspace": W})  # noqa: SLF001  # what is kept
    assert row is not None
    return int(row[0])


async def with_context(storage: Storage) -> Session:
    return await storage.create_session(W, NewSession(context=CONTEXT))


async def test_long_context_is_kept_once_for_all_responses(storage: Storage) -> None:
    session = await with_context(storage)
    responses = [await write(storage, session.id, once(f"k{number}")) for number, write in enumerate(WRITES)]
    forked = await storage.fork_session(W, session.id, Fork(), once=once("fork"))
    assert await kept_bytes(storage) < 2 * 100_000 + 50_000 + 10_000
    # The current state of the session does not matter.
    await storage.update_session(W, session.id, SessionPatch(context=OTHER))
    for number, (write, response) in enumerate(zip(WRITES, responses, strict=True)):
        assert await recorded(write(storage, session.id, once(f"k{number}"))) == response
    assert await recorded(storage.fork_session(W, session.id, Fork(), once=once("fork"))) == forked
    await storage.delete_session(W, forked.id)
    await storage.delete_session(W, session.id)
    async with asyncio.timeout(SECONDS):
        while await kept_bytes(storage):
            # Another part is deleted meanwhile.
            await storage.create_session(W, NewSession())


async def test_long_messages_are_not_kept_twice(storage: Storage) -> None:
    session = await storage.create_session(W, NewSession())
    new = NewMessages([BatchMessage("a" * 50_000), BatchMessage("b" * 50_000)])
    batch = await storage.append_messages(W, session.id, new, once=once("batch"))
    message = await storage.append_message(W, session.id, NewMessage("c" * 50_000), once=once("one"))
    assert await kept_bytes(storage) < 100
    assert await recorded(storage.append_messages(W, session.id, new, once=once("batch"))) == batch
    again = storage.append_message(W, session.id, NewMessage("c" * 50_000), once=once("one"))
    assert await recorded(again) == message


async def test_oldest_responses_beyond_the_limit_have_no_second_effect(
    storage: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recorded_responses, "MAX_TEXT_BYTES", 250_000)
    sessions = [await with_context(storage) for _ in range(4)]
    started = [await storage.start_session(W, session_id.id, once=once(session_id.id)) for session_id in sessions]
    assert await kept_bytes(storage) < 250_000 + 10_000
    # The first session still has its context.
    assert await recorded(storage.start_session(W, sessions[0].id, once=once(sessions[0].id))) == started[0]
    for session_id in (sessions[1], sessions[3]):
        await storage.update_session(W, session_id.id, SessionPatch(context=OTHER))
    with pytest.raises(IdempotencyResponseNotKept, match="was applied; its response is no longer kept"):
        await storage.start_session(W, sessions[1].id, once=once(sessions[1].id))
    assert (await storage.get_session(W, sessions[1].id)).version == started[1].version + 1
    assert await recorded(storage.start_session(W, sessions[3].id, once=once(sessions[3].id))) == started[3]
