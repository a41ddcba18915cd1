"""Client-assigned ids and times of sessions and messages: they are kept, and do not change the order."""

import asyncio
from hashlib import sha256

import pytest
from msgspec import UNSET
from msgspec.structs import replace

from amplifierd.storage.model.errors import (
    ImportInvalid,
    MessageIdInUse,
    MessageInvalid,
    SessionIdInUse,
)
from amplifierd.storage.model.interface import Storage
from amplifierd.storage.model.queries import MessageQuery, SearchHit, SearchQuery, SessionQuery
from amplifierd.storage.model.records import (
    BatchMessage,
    ExportLine,
    Fork,
    IdempotentRequest,
    Message,
    NewMessage,
    NewMessages,
    NewSession,
    SessionSummary,
)
from amplifierd.testing.storage.exports import export_of, exported
from amplifierd.testing.storage.steps import read, recorded, records

W = "default"
ID = "2489e9ad-2ee2-4e00-8ec9-32d5f69181c0"
MOMENTS = {
    "2023-03-01T10:00:00+01:00": "2023-03-01T09:00:00.000000Z",
    "2023-03-01t09:00:00.123456789z": "2023-03-01T09:00:00.123456Z",
    "2016-12-31T23:59:60.5Z": "2016-12-31T23:59:59.999999Z",
    "0001-01-01T00:00:00+05:00": "0001-01-01T00:00:00.000000Z",
    "9999-12-31T23:59:59-05:00": "9999-12-31T23:59:59.999999Z",
}


async def test_session_keeps_its_own_id_in_lower_case(storage: Storage) -> None:
    created = await storage.create_session(W, NewSession(id=ID.upper(), name="Mine"))
    assert created.id == ID
    assert await storage.get_session(W, ID) == created
    with pytest.raises(SessionIdInUse, match=f"^Session {ID} already exists$") as refused:
        await storage.create_session(W, NewSession(id=ID))
    listed = await records(await storage.list_sessions(W, SessionQuery()), SessionSummary)
    assert [refused.value.members["session"]] == listed
    # Ids are unique within a workspace only.
    assert (await storage.create_session("elsewhere", NewSession(id=ID))).id == ID


async def test_session_with_an_own_id_is_created_once_under_a_key(storage: Storage) -> None:
    first = await storage.create_session(W, NewSession(id=ID), once=IdempotentRequest("k", sha256(b"a")))
    again = IdempotentRequest("k", sha256(b"a"))
    assert await recorded(storage.create_session(W, NewSession(id=ID), once=again)) == first


@pytest.mark.parametrize("sent", MOMENTS)
async def test_session_keeps_its_own_time(storage: Storage, sent: str) -> None:
    before = await storage.create_session(W, NewSession())
    created = await storage.create_session(W, NewSession(created_at=sent))
    assert created.created_at == MOMENTS[sent]
    assert await storage.get_session(W, created.id) == created
    # The storage assigns the id and the time of the update.
    assert created.id > before.id
    assert created.updated_at > before.updated_at
    latest = await records(await storage.list_sessions(W, SessionQuery(limit=1)), SessionSummary)
    assert [each.id for each in latest] == [created.id]
    oldest_first = await records(await storage.list_sessions(W, SessionQuery(sort="created_at")), SessionSummary)
    assert [each.created_at for each in oldest_first] == sorted([before.created_at, created.created_at])


async def test_session_with_the_id_of_a_deleted_session_is_new(storage: Storage) -> None:
    await storage.create_session(W, NewSession(id=ID))
    old = [BatchMessage(content=f"old {number}", id=str(number)) for number in range(9)]
    await storage.append_messages(W, ID, NewMessages(old))
    await storage.delete_session(W, ID)
    again = await storage.create_session(W, NewSession(id=ID))
    assert (again.message_count, again.version) == (0, 1)
    await storage.append_message(W, ID, NewMessage(content="new", id="0"))
    assert [message.content for message in await read(storage, ID)] == ["new"]
    assert await records(await storage.search_messages(W, SearchQuery("old")), SearchHit) == []


async def test_message_keeps_its_own_id_and_is_found_by_it(storage: Storage) -> None:
    session = await storage.create_session(W, NewSession())
    sent = await storage.append_message(W, session.id, NewMessage(content="a", id="msg_é"))
    await storage.append_messages(W, session.id, NewMessages([BatchMessage("b"), BatchMessage("c", id="x" * 200)]))
    assert sent.id == "msg_é"
    assert await storage.get_message(W, session.id, 1) == sent
    assert (await storage.get_message(W, session.id, 2)).id is UNSET
    for query, found in [
        (MessageQuery(id="msg_é"), [1]),
        (MessageQuery(id="x" * 200), [3]),
        (MessageQuery(id="x" * 200, limit=1), [3]),
        (MessageQuery(id="x" * 200, limit=1, order="desc"), [3]),
        (MessageQuery(id="x" * 200, role="user", limit=1), [3]),
        (MessageQuery(id="x" * 200, role="tool", limit=1), []),
        (MessageQuery(id="x" * 200, open_calls=True), []),
        (MessageQuery(id="x" * 200, after_sequence=2), [3]),
        (MessageQuery(id="x" * 200, before_sequence=3), []),
        (MessageQuery(id="unknown"), []),
    ]:
        listed = await storage.list_messages(W, session.id, query)
        assert listed.messages.next_cursor is None
        assert [message.sequence for message in await records(listed.messages, Message)] == found, query


async def test_message_with_a_used_id_is_refused(storage: Storage) -> None:
    session = await storage.create_session(W, NewSession())
    other = await storage.create_session(W, NewSession())
    await storage.append_messages(W, session.id, NewMessages([BatchMessage("a"), BatchMessage("b", id="m")]))
    await storage.append_message(W, other.id, NewMessage("b", id="m"))
    batch = NewMessages([BatchMessage("c", id="new"), BatchMessage("d", id="m")])
    with pytest.raises(MessageIdInUse, match=f"^Message 2 of session {session.id} already has the id 'm'$") as refused:
        await storage.append_messages(W, session.id, batch)
    assert refused.value.members == {"sequence": 2}
    with pytest.raises(MessageIdInUse):
        await storage.append_message(W, session.id, NewMessage("b", id="m"))
    assert (await storage.get_session(W, session.id)).message_count == 2
    twice = NewMessages([BatchMessage("c", id="n"), BatchMessage("d"), BatchMessage("e", id="n")])
    with pytest.raises(MessageInvalid) as invalid:
        await storage.append_messages(W, session.id, twice)
    assert (invalid.value.pointer, invalid.value.detail) == ("/messages/2/id", "is the id of /messages/0 as well")


async def test_concurrent_messages_with_one_id_are_stored_once(storage: Storage) -> None:
    session = await storage.create_session(W, NewSession())
    new = NewMessage("a", id="m")
    done = await asyncio.gather(
        *(storage.append_message(W, session.id, new) for _ in range(20)),
        storage.append_message(W, session.id, NewMessage("b")),
        return_exceptions=True,
    )
    assert sum(isinstance(each, Message) for each in done) == 2
    assert sum(isinstance(each, MessageIdInUse) for each in done) == 19


async def test_message_with_an_own_id_is_appended_once_under_a_key(storage: Storage) -> None:
    session = await storage.create_session(W, NewSession())
    new = NewMessage("a", id="m", timestamp="2023-03-01T09:00:00Z")
    first = await storage.append_message(W, session.id, new, once=IdempotentRequest("k", sha256(b"a")))
    again = IdempotentRequest("k", sha256(b"a"))
    assert await recorded(storage.append_message(W, session.id, new, once=again)) == first


@pytest.mark.parametrize("sent", MOMENTS)
async def test_message_keeps_its_own_time(storage: Storage, sent: str) -> None:
    session = await storage.create_session(W, NewSession())
    first = await storage.append_message(W, session.id, NewMessage("a"))
    own = await storage.append_message(W, session.id, NewMessage("b", timestamp=sent))
    last = await storage.append_message(W, session.id, NewMessage("c"))
    assert own.timestamp == MOMENTS[sent]
    assert await read(storage, session.id) == [first, own, last]
    assert (await storage.get_session(W, session.id)).updated_at == last.timestamp > first.timestamp


async def test_fork_has_the_ids_of_its_messages(storage: Storage) -> None:
    session = await storage.create_session(W, NewSession())
    await storage.append_message(W, session.id, NewMessage("a", id="m", timestamp="2023-03-01T09:00:00Z"))
    fork = await storage.fork_session(W, session.id, Fork())
    assert await read(storage, fork.id) == await read(storage, fork.id, MessageQuery(id="m"))
    with pytest.raises(MessageIdInUse):
        await storage.append_message(W, fork.id, NewMessage("b", id="m"))


async def test_own_ids_and_times_are_exported_and_imported(storage: Storage) -> None:
    session = await storage.create_session(W, NewSession(id=ID, created_at="2023-03-01T09:00:00Z"))
    await storage.append_message(W, session.id, NewMessage("a", id="m", timestamp="2022-03-01T09:00:00Z"))
    lines = await exported(storage)
    assert (await storage.import_sessions("elsewhere", export_of(lines), "fail")).messages == 1
    assert await exported(storage, "elsewhere") == lines
    with pytest.raises(MessageIdInUse):
        await storage.append_message("elsewhere", session.id, NewMessage("b", id="m"))


async def test_import_rejects_two_messages_with_one_id(storage: Storage) -> None:
    session = await storage.create_session(W, NewSession())
    new = [BatchMessage(str(number), id=str(number)) for number in range(600)]
    await storage.append_messages(W, session.id, NewMessages(new))
    lines = [
        ExportLine(message=replace(line.message, id="7"))
        if isinstance(line.message, Message) and line.message.sequence == 600
        else line
        for line in await exported(storage)
    ]
    with pytest.raises(ImportInvalid, match=f"session {session.id} has two messages with the same id"):
        await storage.import_sessions("elsewhere", export_of(lines), "fail")
    assert await storage.count_sessions("elsewhere") == 0
