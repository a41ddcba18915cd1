"""Retries of requests with an idempotency key."""

import asyncio
import hashlib
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress

import pytest
from msgspec import Raw

from amplifierd.storage import open_storage
from amplifierd.storage.model.errors import (
    IdempotencyKeyReused,
    SessionExists,
    SessionNotFound,
    SessionStatusConflict,
)
from amplifierd.storage.model.interface import Storage
from amplifierd.storage.model.queries import SessionQuery
from amplifierd.storage.model.records import (
    AlreadyApplied,
    BatchMessage,
    CleanUp,
    Failure,
    Fork,
    IdempotentRequest,
    ImportReport,
    Message,
    NewMessage,
    NewMessages,
    NewSession,
    Session,
    SessionSummary,
)
from amplifierd.testing.storage.steps import read, recorded, records

W = "default"
LONGEST_SECONDS = 60

Write = Callable[[Storage, str, IdempotentRequest], Awaitable[object]]

WRITES: dict[str, Write] = {
    "create": lambda storage, _, once: storage.create_session(
        W, NewSession(name="n", context=Raw(b'{"b":1.0}')), once=once
    ),
    "resume": lambda storage, session_id, once: storage.resume_session(W, session_id, once=once),
    "complete": lambda storage, session_id, once: storage.complete_session(W, session_id, once=once),
    "fail": lambda storage, session_id, once: storage.fail_session(W, session_id, Failure("x", Raw(b"{}")), once=once),
    "terminate": lambda storage, session_id, once: storage.terminate_session(W, session_id, once=once),
    "fork": lambda storage, session_id, once: storage.fork_session(W, session_id, Fork(), once=once),
    "append": lambda storage, session_id, once: storage.append_message(
        W, session_id, NewMessage(content="a\0", metadata=Raw(b'{"b":1.0}'), agent="x", token_count=3), once=once
    ),
    "batch": lambda storage, session_id, once: storage.append_messages(
        W, session_id, NewMessages([BatchMessage(content="a"), BatchMessage(content="b")]), once=once
    ),
}


def once(key: str = "k", fingerprint: str = "f") -> IdempotentRequest:
    return IdempotentRequest(key, hashlib.sha256(fingerprint.encode()))


async def active(storage: Storage) -> str:
    session = await storage.create_session(W, NewSession())
    await storage.append_message(W, session.id, NewMessage(content="first"))
    return session.id


async def sessions(storage: Storage) -> list[SessionSummary]:
    return await records(await storage.list_sessions(W, SessionQuery()), SessionSummary)


async def everything(storage: Storage, session_id: str) -> tuple[object, ...]:
    return await sessions(storage), [message.content for message in await read(storage, session_id)]


@pytest.mark.parametrize("write", WRITES)
async def test_same_request_has_one_effect_and_one_response(storage: Storage, database: str, write: str) -> None:
    session_id = await active(storage)
    response = await WRITES[write](storage, session_id, once())
    before = await everything(storage, session_id)
    async with open_storage(database) as other:
        for node in (storage, other):
            assert await recorded(WRITES[write](node, session_id, once())) == response
    assert await everything(storage, session_id) == before


@pytest.mark.parametrize("write", WRITES)
async def test_key_of_another_request_is_rejected(storage: Storage, write: str) -> None:
    session_id = await active(storage)
    await storage.create_session(W, NewSession(), once=once())
    before = await everything(storage, session_id)
    with pytest.raises(IdempotencyKeyReused, match="The idempotency key 'k' was used for another request"):
        await WRITES[write](storage, session_id, once(fingerprint="g"))
    assert await everything(storage, session_id) == before


async def test_concurrent_requests_have_one_effect(storage: Storage) -> None:
    session_id = await active(storage)
    new = NewMessage(content="x")
    results = await asyncio.gather(
        *(storage.append_message(W, session_id, new, once=once()) for _ in range(50)), return_exceptions=True
    )
    [first] = [result for result in results if isinstance(result, Message)]
    assert first.sequence == 2
    assert [error.response for error in results if isinstance(error, AlreadyApplied)] == [first] * 49
    assert len(await read(storage, session_id)) == 2


async def test_failed_request_may_be_sent_again(storage: Storage) -> None:
    session = await storage.create_session(W, NewSession())
    with pytest.raises(SessionStatusConflict):
        await storage.complete_session(W, session.id, once=once())
    await storage.start_session(W, session.id)
    assert (await storage.complete_session(W, session.id, once=once())).status == "completed"


@pytest.mark.parametrize("write", WRITES)
async def test_recorded_response_is_deleted_with_its_session(storage: Storage, write: str) -> None:
    session_id = await active(storage)
    response = await WRITES[write](storage, session_id, once())
    about = response.id if isinstance(response, Session) else session_id
    await storage.delete_session(W, about)
    again = once(fingerprint="g")
    if about == session_id:
        with pytest.raises(SessionNotFound):
            await WRITES[write](storage, session_id, again)
    else:
        assert await WRITES[write](storage, session_id, again) != response


async def test_key_belongs_to_its_workspace(storage: Storage) -> None:
    mine = await storage.create_session("mine", NewSession(), once=once())
    theirs = await storage.create_session("theirs", NewSession(), once=once(fingerprint="g"))
    assert mine.id != theirs.id


async def test_key_expires(database: str) -> None:
    async with open_storage(database, idempotency_ttl=1) as storage:
        began = time.monotonic()
        first = await storage.create_session(W, NewSession(), once=once())
        # On a busy machine, the response may have expired.
        with suppress(AlreadyApplied):
            await storage.create_session(W, NewSession(), once=once())
            assert time.monotonic() - began >= 1
        while time.monotonic() - began < LONGEST_SECONDS:
            try:
                assert await storage.create_session(W, NewSession(), once=once(fingerprint="g")) != first
            except IdempotencyKeyReused:
                await asyncio.sleep(0.05)
            else:
                break
        else:
            pytest.fail("The key is not forgotten.")


async def test_repeated_import_has_no_second_effect(storage: Storage) -> None:
    await active(storage)

    async def imported(*, key: IdempotentRequest, workspace: str = "copy") -> ImportReport:
        return await storage.import_sessions(workspace, await storage.export_sessions(W), "fail", once=key)

    first = await imported(key=once())
    assert await recorded(imported(key=once())) == first == ImportReport(sessions=1, messages=1)
    with pytest.raises(SessionExists):
        await imported(key=once("another"))
    with pytest.raises(IdempotencyKeyReused):
        await imported(key=once(fingerprint="g"))


async def test_repeated_cleanup_has_no_second_effect(storage: Storage) -> None:
    cleanup = CleanUp(older_than_days=0, status=("active",), dry_run=False)
    deleted = await active(storage)
    first = await storage.clean_up_sessions(W, cleanup, once=once())
    assert first.session_ids == (deleted,)
    remaining = await active(storage)
    assert await recorded(storage.clean_up_sessions(W, cleanup, once=once())) == first
    assert (await storage.get_session(W, remaining)).status == "active"
