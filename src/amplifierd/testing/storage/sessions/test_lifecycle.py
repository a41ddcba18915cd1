"""The life cycle of sessions: status, version and end."""

from collections.abc import Awaitable, Callable

import pytest
from msgspec import UNSET, Raw

from amplifierd.storage.model.errors import (
    SequenceConflict,
    SessionEnded,
    SessionNotFound,
    SessionStatusConflict,
    VersionMismatch,
)
from amplifierd.storage.model.interface import Storage
from amplifierd.storage.model.records import (
    BatchMessage,
    Failure,
    Fork,
    NewMessage,
    NewMessages,
    NewSession,
    OtherVersions,
    Session,
    SessionPatch,
    SessionStatus,
    Versions,
)
from amplifierd.testing.storage.steps import read

W = "default"
FAILURE = Failure("It broke\0.", Raw(b'{"b":1.0,"a":[]}'))

Step = Callable[[Storage, str, Versions], Awaitable[object]]

STEPS: dict[str, Step] = {
    "start": lambda storage, session_id, versions: storage.start_session(W, session_id, versions=versions),
    "complete": lambda storage, session_id, versions: storage.complete_session(W, session_id, versions=versions),
    "fail": lambda storage, session_id, versions: storage.fail_session(W, session_id, FAILURE, versions=versions),
    "terminate": lambda storage, session_id, versions: storage.terminate_session(W, session_id, versions=versions),
    "resume": lambda storage, session_id, versions: storage.resume_session(W, session_id, versions=versions),
    "append": lambda storage, session_id, versions: storage.append_message(
        W, session_id, NewMessage(content="x"), versions=versions
    ),
    "batch": lambda storage, session_id, versions: storage.append_messages(
        W, session_id, NewMessages([BatchMessage(content="x")]), versions=versions
    ),
    "update": lambda storage, session_id, versions: storage.update_session(
        W, session_id, SessionPatch(name="n"), versions=versions
    ),
    "delete": lambda storage, session_id, versions: storage.delete_session(W, session_id, versions=versions),
    "fork": lambda storage, session_id, versions: storage.fork_session(W, session_id, Fork(), versions=versions),
}
WAYS: dict[SessionStatus, list[str]] = {
    "created": [],
    "active": ["start"],
    "completed": ["start", "complete"],
    "failed": ["start", "fail"],
    "terminated": ["start", "terminate"],
}
ENDS = {"complete": "completed", "fail": "failed", "terminate": "terminated"}


async def brought_to(storage: Storage, status: SessionStatus) -> Session:
    session = await storage.create_session(W, NewSession())
    for step in WAYS[status]:
        await STEPS[step](storage, session.id, None)
    return await storage.get_session(W, session.id)


@pytest.mark.parametrize("status", WAYS)
@pytest.mark.parametrize("action", ["start", *ENDS])
async def test_transition_depends_on_the_status(storage: Storage, status: SessionStatus, action: str) -> None:
    before = await brought_to(storage, status)
    if (status, action) == ("created", "start") or (status == "active" and action in ENDS):
        await STEPS[action](storage, before.id, None)
        after = await storage.get_session(W, before.id)
        assert after.status == ENDS.get(action, "active")
        assert after.version == before.version + 1
    else:
        with pytest.raises(SessionStatusConflict, match=f"Cannot {action} session {before.id}: it is {status}$"):
            await STEPS[action](storage, before.id, None)
        assert await storage.get_session(W, before.id) == before


@pytest.mark.parametrize("status", WAYS)
async def test_any_session_is_resumed(storage: Storage, status: SessionStatus) -> None:
    before = await brought_to(storage, status)
    resumed = await storage.resume_session(W, before.id)
    assert resumed.status == "active"
    assert resumed.updated_at > before.updated_at
    assert resumed.started_at == (before.started_at or resumed.updated_at)
    assert (resumed.ended_at, resumed.error_message, resumed.error_details) == (UNSET, UNSET, UNSET)
    assert resumed == await storage.get_session(W, before.id)


@pytest.mark.parametrize("action", ENDS)
async def test_end_has_a_time(storage: Storage, action: str) -> None:
    before = await brought_to(storage, "active")
    await STEPS[action](storage, before.id, None)
    after = await storage.get_session(W, before.id)
    assert after.ended_at == after.updated_at >= before.updated_at
    assert after.started_at == before.started_at != UNSET


async def test_failure_has_a_reason(storage: Storage) -> None:
    failed = await brought_to(storage, "failed")
    assert failed.error_message == FAILURE.error_message
    assert isinstance(failed.error_details, Raw)
    assert bytes(failed.error_details) == b'{"b":1.0,"a":[]}'


async def test_first_message_starts_a_session(storage: Storage) -> None:
    session = await storage.create_session(W, NewSession())
    message = await storage.append_message(W, session.id, NewMessage(content="x"))
    started = await storage.get_session(W, session.id)
    assert (started.status, started.started_at, started.version) == ("active", message.timestamp, 2)


@pytest.mark.parametrize("status", ["completed", "failed", "terminated"])
@pytest.mark.parametrize("action", ["append", "batch"])
async def test_ended_session_accepts_no_message(storage: Storage, status: SessionStatus, action: str) -> None:
    before = await brought_to(storage, status)
    with pytest.raises(SessionEnded, match=f"it is {status}$"):
        await STEPS[action](storage, before.id, None)
    assert await storage.get_session(W, before.id) == before
    await storage.resume_session(W, before.id)
    await STEPS[action](storage, before.id, None)
    assert len(await read(storage, before.id)) == 1


@pytest.mark.parametrize("action", STEPS)
async def test_change_for_another_version_is_refused(storage: Storage, action: str) -> None:
    before = await brought_to(storage, "created" if action == "start" else "active")
    for versions in ((before.version - 1,), (), (before.version + 1, before.version + 7)):
        with pytest.raises(VersionMismatch, match=f"is at version {before.version}, not at ") as refused:
            await STEPS[action](storage, before.id, versions)
        assert refused.value.members == {"version": before.version}
    for excluded in (None, (before.version,), (before.version + 1, before.version)):
        with pytest.raises(VersionMismatch, match=f"is at version {before.version}, which the request excludes"):
            await STEPS[action](storage, before.id, OtherVersions(excluded))
    assert await storage.get_session(W, before.id) == before
    await STEPS[action](storage, before.id, (before.version - 1, before.version))


@pytest.mark.parametrize("action", STEPS)
async def test_change_applies_to_a_version_that_is_not_excluded(storage: Storage, action: str) -> None:
    before = await brought_to(storage, "created" if action == "start" else "active")
    await STEPS[action](storage, before.id, OtherVersions((before.version + 1,)))
    with pytest.raises((VersionMismatch, SessionNotFound)):
        await STEPS["append"](storage, before.id, OtherVersions(None))


async def test_version_counts_every_change(storage: Storage) -> None:
    session = await storage.create_session(W, NewSession())
    versions = [session.version]
    for action in ("start", "append", "update", "complete", "resume", "batch", "terminate"):
        await STEPS[action](storage, session.id, None)
        versions.append((await storage.get_session(W, session.id)).version)
    assert versions == list(range(1, 9))


@pytest.mark.parametrize("expected", [1, 3, 7])
async def test_message_gets_the_expected_sequence_or_none(storage: Storage, expected: int) -> None:
    session = await storage.create_session(W, NewSession())
    await storage.append_message(W, session.id, NewMessage(content="1", expected_sequence=1))
    sentence = f"The next message of session {session.id} gets sequence 2, not {expected}"
    with pytest.raises(SequenceConflict, match=sentence) as refused:
        await storage.append_message(W, session.id, NewMessage(content="x", expected_sequence=expected))
    assert refused.value.members == {"nextSequence": 2}
    with pytest.raises(SequenceConflict, match=sentence):
        await storage.append_messages(W, session.id, NewMessages([BatchMessage(content="x")], expected))
    await storage.append_messages(W, session.id, NewMessages([BatchMessage(content="2")], 2))
    assert [message.content for message in await read(storage, session.id)] == ["1", "2"]
