"""Session ids are case-insensitive, and an import accepts UUIDs of any version (RFC 9562)."""

from collections.abc import Awaitable, Callable
from contextlib import aclosing
from typing import get_args
from uuid import UUID, uuid1, uuid4, uuid5

import pytest
from msgspec.structs import replace

from amplifierd.storage.model.errors import ImportInvalid, SessionNotFound
from amplifierd.storage.model.interface import Storage
from amplifierd.storage.model.queries import MessageQuery, SearchHit, SearchQuery, SessionQuery, SessionSort
from amplifierd.storage.model.records import (
    BatchMessage,
    ExportHeader,
    ExportLine,
    Failure,
    Fork,
    NewMessage,
    NewMessages,
    NewSession,
    Session,
    SessionPatch,
    SessionSummary,
)
from amplifierd.testing.storage.exports import export_of, exported
from amplifierd.testing.storage.steps import records

W = "default"
HEADER = ExportLine(header=ExportHeader(version=1))
NIL, MAX = UUID(int=0), UUID(int=2**128 - 1)
VERSIONS = sorted(map(str, (NIL, uuid1(), uuid4(), uuid5(NIL, "x"), UUID("2489e9ad-2ee2-8e00-8ec9-32d5f69181c0"), MAX)))


async def test_id_in_capitals_is_the_same_session(storage: Storage) -> None:
    session_id = (await storage.create_session(W, NewSession())).id
    capitals = session_id.upper()
    await storage.start_session(W, capitals)
    await storage.append_message(W, capitals, NewMessage(content="fox"))
    appended = await storage.append_messages(W, capitals, NewMessages([BatchMessage(content="hare")]))
    await storage.update_session(W, capitals, SessionPatch(name="x"))
    await storage.complete_session(W, capitals)
    await storage.resume_session(W, capitals)
    await storage.fail_session(W, capitals, Failure("x"))
    fork = await storage.fork_session(W, capitals, Fork())
    transcript = await storage.list_messages(W, capitals, MessageQuery())
    assert appended.session_id == transcript.session_id == fork.parent_session_id == session_id
    assert (await storage.get_session(W, capitals)) == (await storage.get_session(W, session_id))
    assert (await storage.get_message(W, capitals, 1)).content == "fox"
    assert (await storage.session_profile(W, capitals)).name == "default"
    lineage = await storage.lineage(W, capitals)
    assert (lineage.session_id, [child.id for child in lineage.children]) == (session_id, [fork.id])
    forks = await storage.list_sessions(W, SessionQuery(parent_session_id=capitals))
    assert [each.id for each in await records(forks, SessionSummary)] == [fork.id]
    hits = await storage.search_messages(W, SearchQuery("fox", session_id=capitals))
    assert [hit.session_id for hit in await records(hits, SearchHit)] == [session_id]
    await storage.delete_session(W, capitals)
    assert await storage.count_sessions(W) == 1


NOBODY = "019AA8A4-7F7C-7c3e-9D2B-5B6F0F4F2A11"
OPERATIONS: dict[str, Callable[[Storage], Awaitable[object]]] = {
    "get_session": lambda storage: storage.get_session(W, NOBODY),
    "update_session": lambda storage: storage.update_session(W, NOBODY, SessionPatch(name="x")),
    "start_session": lambda storage: storage.start_session(W, NOBODY),
    "complete_session": lambda storage: storage.complete_session(W, NOBODY),
    "fail_session": lambda storage: storage.fail_session(W, NOBODY, Failure("x")),
    "terminate_session": lambda storage: storage.terminate_session(W, NOBODY),
    "resume_session": lambda storage: storage.resume_session(W, NOBODY),
    "fork_session": lambda storage: storage.fork_session(W, NOBODY, Fork()),
    "lineage": lambda storage: storage.lineage(W, NOBODY),
    "delete_session": lambda storage: storage.delete_session(W, NOBODY),
    "append_message": lambda storage: storage.append_message(W, NOBODY, NewMessage("x")),
    "append_messages": lambda storage: storage.append_messages(W, NOBODY, NewMessages([BatchMessage("x")])),
    "get_message": lambda storage: storage.get_message(W, NOBODY, 1),
    "list_messages": lambda storage: storage.list_messages(W, NOBODY, MessageQuery()),
    "list_messages, the last": lambda storage: storage.list_messages(W, NOBODY, MessageQuery(order="desc", limit=1)),
    "list_messages of a role": lambda storage: storage.list_messages(W, NOBODY, MessageQuery(role="user")),
    "follow_session": lambda storage: storage.follow_session(W, NOBODY),
    "session_profile": lambda storage: storage.session_profile(W, NOBODY),
}


@pytest.mark.parametrize("operation", OPERATIONS)
async def test_error_names_an_unknown_session_as_the_request_did(storage: Storage, operation: str) -> None:
    with pytest.raises(SessionNotFound) as raised:
        await OPERATIONS[operation](storage)
    assert str(raised.value).startswith(f"Session {NOBODY} not found")


async def test_follower_of_an_id_in_capitals_gets_events(storage: Storage) -> None:
    session_id = (await storage.create_session(W, NewSession())).id
    events = await storage.follow_session(W, session_id.upper())
    async with aclosing(events.batches) as batches:
        await storage.append_message(W, session_id, NewMessage(content="x"))
        assert (await anext(batches))[0].kind == "message"


@pytest.mark.parametrize("capitals", [False, True])
async def test_import_takes_ids_of_any_version(storage: Storage, *, capitals: bool) -> None:
    session = await storage.create_session("elsewhere", NewSession())
    imported = [
        ExportLine(session=replace(session, id=each, parent_session_id=VERSIONS[0]))
        for each in (each.upper() if capitals else each for each in VERSIONS[1:])
    ]
    lines = [HEADER, ExportLine(session=replace(session, id=VERSIONS[0])), *imported]
    assert (await storage.import_sessions(W, export_of(lines), "fail")).sessions == len(VERSIONS)
    sessions = [line.session for line in await exported(storage, W) if isinstance(line.session, Session)]
    assert [each.id for each in sessions] == VERSIONS
    assert {each.parent_session_id for each in sessions[1:]} == {VERSIONS[0]}
    for each in VERSIONS:
        assert (await storage.get_session(W, each)).id == each
    for sort in get_args(SessionSort):
        listed: list[str] = []
        cursor = None
        while cursor is not None or not listed:
            page = await storage.list_sessions(W, SessionQuery(limit=2, sort=sort, cursor=cursor))
            listed += [summary.id for summary in await records(page, SessionSummary)]
            cursor = page.next_cursor
        assert sorted(listed) == VERSIONS
    assert (await storage.import_sessions(W, export_of(lines), "skip")).skipped == len(VERSIONS)


async def test_id_in_both_cases_is_a_duplicate(storage: Storage) -> None:
    session = await storage.create_session("elsewhere", NewSession())
    again = replace(session, id=session.id.upper())
    lines = [HEADER, ExportLine(session=session), ExportLine(session=again)]
    with pytest.raises(ImportInvalid, match="two sessions have the same id"):
        await storage.import_sessions(W, export_of(lines), "fail")
