"""Exports and imports: an import restores an export unchanged."""

import asyncio
from contextlib import aclosing
from dataclasses import replace
from typing import get_args
from uuid import UUID

import msgspec
import pytest
from msgspec import UNSET, Raw
from msgspec.structs import replace as changed

from amplifierd.storage import open_storage
from amplifierd.storage.model.errors import SessionExists, SessionNotFound
from amplifierd.storage.model.interface import Storage
from amplifierd.storage.model.queries import SearchHit, SearchQuery, SessionQuery, SessionSort
from amplifierd.storage.model.records import (
    BatchMessage,
    Event,
    ExportEnd,
    ExportHeader,
    ExportLine,
    Failure,
    Fork,
    ImportReport,
    Message,
    NewMessage,
    NewMessages,
    NewSession,
    OnConflict,
    Session,
    SessionPatch,
    SessionSummary,
)
from amplifierd.storage.values.clock import LAST_MOMENT
from amplifierd.testing.storage.exports import export_of, exported
from amplifierd.testing.storage.requests.test_retries import once
from amplifierd.testing.storage.steps import create_session, read, records

W = "default"
# An export of version 1 has no end line.
HEADER = ExportLine(header=ExportHeader(version=1))

encode = msgspec.json.encode
encode_lines = msgspec.json.Encoder().encode_lines


async def filled(storage: Storage) -> None:
    """Sessions of every kind."""
    new = NewSession(profile="a/b", context=Raw(b'{"b":1.0,"a":123456789012345678901234567890}'), amplified_dir="x/y")
    plain = await create_session(storage, new)
    await storage.create_session(W, NewSession(name="ß and SS"))
    failed = await storage.create_session(W, NewSession())
    message = NewMessage(content="a\0b", metadata=Raw(b'{"z":1e2,"a":[]}'), agent="x", token_count=7)
    await storage.append_message(W, plain.id, message)
    await storage.append_messages(W, plain.id, NewMessages([BatchMessage(content=str(n)) for n in range(20)]))
    await storage.fork_session(W, plain.id, Fork(at_sequence=3, name="Branch"))
    await storage.start_session(W, failed.id)
    await storage.fail_session(W, failed.id, Failure("It broke\0.", Raw(b'{"b":1.0,"a":[]}')))
    await storage.update_session(W, failed.id, SessionPatch(name="Failed"))


async def emptied(storage: Storage) -> None:
    for line in await exported(storage):
        if isinstance(line.session, Session):
            await storage.delete_session(W, line.session.id)


async def test_empty_store_exports_a_header(storage: Storage) -> None:
    lines = [ExportLine(header=ExportHeader()), ExportLine(end=ExportEnd(0, 0, 0))]
    assert await exported(storage) == lines
    assert await storage.import_sessions(W, export_of(lines), "fail") == ImportReport()
    assert await storage.import_sessions(W, export_of([HEADER]), "fail") == ImportReport()


async def test_export_is_complete(storage: Storage) -> None:
    await filled(storage)
    lines = await exported(storage)
    assert (lines[0], lines[-1]) == (ExportLine(header=ExportHeader()), ExportLine(end=ExportEnd(4, 24, 0)))
    sessions = [line.session for line in lines if isinstance(line.session, Session)]
    assert [session.id for session in sessions] == sorted(session.id for session in sessions)
    assert len(sessions) == await storage.count_sessions(W) == 4
    for session in sessions:
        assert session == await storage.get_session(W, session.id)
    messages = [line.message for line in lines if isinstance(line.message, Message)]
    assert messages == [message for session in sessions for message in await read(storage, session.id)]


async def test_import_restores_an_export(storage: Storage) -> None:
    await filled(storage)
    before = await exported(storage)
    await emptied(storage)
    report = await storage.import_sessions(W, export_of(before), "fail")
    assert report == ImportReport(sessions=4, messages=24)
    assert encode_lines(await exported(storage)) == encode_lines(before)


async def test_imported_session_continues(storage: Storage) -> None:
    await filled(storage)
    before = await exported(storage)
    await emptied(storage)
    await storage.import_sessions(W, export_of(before), "fail")
    assert isinstance(before[1].session, Session)
    plain = before[1].session
    message = await storage.append_message(W, plain.id, NewMessage(content="more", token_count=1))
    assert message.sequence == 22
    session = await storage.get_session(W, plain.id)
    assert (session.token_usage, session.version) == (plain.token_usage + 1, plain.version + 1)
    names = [line.session.name for line in before if isinstance(line.session, Session)]
    assert names == [UNSET, "ß and SS", "Failed", "Branch"]


async def test_import_keeps_sessions_of_other_workspaces(storage: Storage) -> None:
    await filled(storage)
    assert len(await exported(storage, "other")) == 2
    await storage.import_sessions("other", export_of(await exported(storage)), "fail")
    assert encode_lines(await exported(storage, "other")) == encode_lines(await exported(storage))


@pytest.mark.parametrize("on_conflict", ["fail", "skip", "new_id"])
async def test_import_resolves_conflicts(storage: Storage, on_conflict: OnConflict) -> None:
    await filled(storage)
    before = await exported(storage)
    assert isinstance(before[1].session, Session)
    await storage.delete_session(W, before[1].session.id)
    if on_conflict == "fail":
        with pytest.raises(SessionExists):
            await storage.import_sessions(W, export_of(before), on_conflict)
        assert await storage.count_sessions(W) == 3
    elif on_conflict == "skip":
        report = await storage.import_sessions(W, export_of(before), on_conflict)
        assert report == ImportReport(sessions=1, messages=21, skipped=3)
        assert encode_lines(await exported(storage)) == encode_lines(before)
    else:
        report = await storage.import_sessions(W, export_of(before), on_conflict)
        assert report == ImportReport(sessions=4, messages=24, renamed=3)
        assert await storage.count_sessions(W) == 7


SESSION = Session(
    id="019aa8a4-7f7c-7c3e-9d2b-5b6f0f4f2a11",
    status="active",
    profile="default",
    context=Raw(b"{}"),
    amplified_dir=".",
    created_at="2025-11-21T19:33:19.192107Z",
    updated_at="2025-11-21T19:33:19.192107Z",
    message_count=1,
    token_usage=0,
    version=2,
)
MESSAGE = Message("user", "Hello", "2025-11-21T19:33:19.192107Z", Raw(b"{}"), 1)


def line(record: Session | Message) -> ExportLine:
    return ExportLine(session=record) if isinstance(record, Session) else ExportLine(message=record)


def but(record: Session | Message, **values: object) -> ExportLine:
    return line(msgspec.structs.replace(record, **values))


@pytest.mark.parametrize("is_sorted", [True, False])
async def test_import_resolves_later_parents(storage: Storage, *, is_sorted: bool) -> None:
    header, *lines = family(await storage.create_session("elsewhere", NewSession()))
    lines = [header, *(lines if is_sorted else reversed(lines))]
    await storage.import_sessions(W, export_of(lines), "fail")
    first = await parents_by_name(storage)
    await storage.import_sessions(W, export_of(lines), "new_id")
    renamed = {
        name: next(each[0] for each in both if each[0] != name)
        for name, both in (await parents_by_name(storage)).items()
    }
    for name, both in (await parents_by_name(storage)).items():
        [(_, parent)] = [each for each in both if each[0] != name]
        [(_, old)] = first[name]
        assert parent == renamed.get(str(old), old)


async def test_extend_appends_missing_messages(storage: Storage) -> None:
    session = await storage.create_session(W, NewSession(name="Kept"))
    sent = [BatchMessage(content=str(number), id=f"m{number}", token_count=1) for number in range(8)]
    await storage.append_messages(W, session.id, NewMessages(sent))
    longer = await exported(storage)
    await storage.delete_session(W, session.id)
    await storage.create_session(W, NewSession(id=session.id, name="Here"))
    await storage.append_messages(W, session.id, NewMessages([sent[0], BatchMessage(content="mine"), *sent[1:3]]))
    await storage.complete_session(W, session.id)
    before = await storage.get_session(W, session.id)
    assert await storage.import_sessions(W, export_of(longer), "extend") == ImportReport(messages=5, extended=1)
    after = await storage.get_session(W, session.id)
    assert (after.status, after.name, after.message_count, after.token_usage) == ("completed", "Here", 9, 8)
    assert (after.updated_at, after.ended_at) == (before.updated_at, before.ended_at)
    assert after.version > before.version
    messages = await read(storage, session.id)
    assert [message.content for message in messages] == ["0", "mine", *map(str, range(1, 8))]
    assert [message.sequence for message in messages] == [*range(1, 10)]
    found = await records(await storage.search_messages(W, SearchQuery("7")), SearchHit)
    assert [(hit.session_id, hit.sequence) for hit in found] == [(session.id, 9)]


async def test_extend_writes_nothing_if_complete(storage: Storage) -> None:
    await filled(storage)
    before = await exported(storage)
    assert await storage.import_sessions(W, export_of(before), "extend") == ImportReport(skipped=4)
    assert encode_lines(await exported(storage)) == encode_lines(before)


async def test_extend_compares_messages_without_ids_by_sequence(storage: Storage) -> None:
    longer = [HEADER, but(SESSION, message_count=3), *(but(MESSAGE, sequence=number) for number in range(1, 4))]
    shorter = [HEADER, line(SESSION), line(MESSAGE)]
    await storage.import_sessions(W, export_of(shorter), "fail")
    assert await storage.import_sessions(W, export_of(longer), "extend") == ImportReport(messages=2, extended=1)
    assert [message.sequence for message in await read(storage, SESSION.id)] == [1, 2, 3]
    assert await storage.import_sessions(W, export_of(shorter), "extend") == ImportReport(skipped=1)


async def test_extend_updates_the_session(storage: Storage) -> None:
    created = but(SESSION, status="created", message_count=0)
    await storage.import_sessions(W, export_of([HEADER, created]), "fail")
    follower = await storage.follow_session(W, SESSION.id)
    later = but(SESSION, updated_at="2025-11-22T00:00:00.000000Z", name="Another")
    await storage.import_sessions(W, export_of([HEADER, later, line(MESSAGE)]), "extend")
    session = await storage.get_session(W, SESSION.id)
    assert (session.status, session.name, session.updated_at) == ("active", UNSET, "2025-11-22T00:00:00.000000Z")
    assert session.started_at == session.updated_at
    events: list[Event] = []
    async with aclosing(follower.batches) as batches:
        while len(events) < 2:
            events += await asyncio.wait_for(anext(batches), 60)
    assert [event.kind for event in events] == ["message", "session"]


@pytest.mark.parametrize("moment", ["0001-01-01T00:00:00.000000Z", "1969-12-31T23:59:59.999999Z", LAST_MOMENT])
async def test_sessions_of_any_time_are_imported(storage: Storage, moment: str) -> None:
    times = {"created_at": moment, "updated_at": moment, "message_count": 0}
    old = [but(SESSION, id=f"00000000-0000-7000-8000-00000000000{n}", **times) for n in range(3)]
    await storage.import_sessions(W, export_of([HEADER, *old]), "fail")
    assert (await storage.import_sessions(W, export_of([HEADER, *old]), "new_id")).renamed == 3
    await storage.create_session(W, NewSession())
    for sort in get_args(SessionSort):
        listed: list[str] = []
        cursor = None
        while cursor is not None or not listed:
            page = await storage.list_sessions(W, SessionQuery(limit=2, sort=sort, cursor=cursor))
            listed += [session.id for session in await records(page, SessionSummary)]
            cursor = page.next_cursor
        assert len(listed) == len(set(listed)) == 7
    assert all(UUID(session_id).version == 7 for session_id in listed)
    await storage.import_sessions("copy", export_of(await exported(storage)), "fail")


async def test_import_after_a_forgotten_key_creates_new_ids(storage: Storage) -> None:
    lines = [HEADER, but(SESSION, message_count=0)]
    for _ in range(3):
        assert (await storage.import_sessions(W, export_of(lines), "new_id", once=once())).sessions == 1
        await storage.forget_response(W, once().key)
    assert await storage.count_sessions(W) == 3


async def test_import_takes_any_rfc_3339_time(storage: Storage) -> None:
    session = but(SESSION, created_at="2025-11-21t20:33:19+01:00", updated_at="2025-11-21T19:33:19.5Z", message_count=1)
    message = but(MESSAGE, timestamp="2025-11-21T19:33:49.946976123z", edited_at="2025-11-21t20:33:19+01:00")
    await storage.import_sessions(W, export_of([HEADER, session, message]), "fail")
    written = await exported(storage)
    assert [each.session.created_at for each in written if isinstance(each.session, Session)] == [
        "2025-11-21T19:33:19.000000Z"
    ]
    assert [
        (each.message.timestamp, each.message.edited_at) for each in written if isinstance(each.message, Message)
    ] == [("2025-11-21T19:33:49.946976Z", "2025-11-21T19:33:19.000000Z")]


def family(session: Session) -> list[ExportLine]:
    """A root, forks before and after it in the export, a fork of a fork, and one with a missing parent."""
    ids = [str(UUID(int=number << 64)) for number in range(1, 6)]
    before, root, after, grandchild, stranger = ids
    parents = {before: root, after: root, grandchild: before, stranger: str(UUID(int=9))}
    sessions = [changed(session, id=each, name=each, parent_session_id=parents.get(each, UNSET)) for each in ids]
    return [HEADER, *(ExportLine(session=each) for each in sessions)]


async def parents_by_name(storage: Storage) -> dict[str, list[tuple[str, object]]]:
    found: dict[str, list[tuple[str, object]]] = {}
    for line in await exported(storage):
        if isinstance(line.session, Session):
            found.setdefault(str(line.session.name), []).append((line.session.id, line.session.parent_session_id))
    return found


async def test_fork_follows_the_new_id_of_its_parent(storage: Storage) -> None:
    lines = family(await storage.create_session("elsewhere", NewSession()))
    assert (await storage.import_sessions(W, export_of(lines), "fail")).sessions == 5
    # A session that does not exist yet keeps its id, and still follows its parent's new id.
    kept = lines[1].session
    assert isinstance(kept, Session)
    await storage.delete_session(W, kept.id)
    report = await storage.import_sessions(W, export_of(lines), "new_id")
    assert (report.sessions, report.renamed) == (5, 4)
    parents = await parents_by_name(storage)
    [(before, first_parent)] = parents[kept.id]
    others = [name for name in parents if name != kept.id]
    copies = {name: next(pair for pair in parents[name] if pair[0] != name) for name in others}
    root, after, grandchild, stranger = others
    assert (before, first_parent) == (kept.id, copies[root][0])
    assert copies[after][1] == copies[root][0]
    assert copies[grandchild][1] == kept.id
    assert copies[stranger][1] == str(UUID(int=9))
    assert copies[root][1] is UNSET
    assert {name: dict(parents[name])[name] for name in (after, grandchild)} == {after: root, grandchild: kept.id}


async def test_long_transcript_round_trips(storage: Storage) -> None:
    session = await storage.create_session(W, NewSession())
    for _ in range(3):
        await storage.append_messages(W, session.id, NewMessages([BatchMessage(content="x" * 700)] * 1_000))
    before = await exported(storage)
    await emptied(storage)
    assert (await storage.import_sessions(W, export_of(before, 500), "fail")).messages == 3_000
    assert encode_lines(await exported(storage)) == encode_lines(before)


async def test_export_during_writes_can_be_imported(storage: Storage, database: str) -> None:
    session = await storage.create_session(W, NewSession())

    async def write() -> None:
        for number in range(300):
            await storage.append_message(W, session.id, NewMessage(content="x" * 2_000))
            if number % 10 == 0:
                await storage.create_session(W, NewSession())

    async def export() -> list[list[ExportLine]]:
        return [await exported(storage) for _ in range(10)]

    _, exports = await asyncio.gather(write(), export())
    for lines in exports:
        await storage.import_sessions("copy", export_of(lines, 100), "new_id")
    async with open_storage(database) as other:
        assert await other.count_sessions("copy") == sum(
            isinstance(line.session, Session) for lines in exports for line in lines
        )


async def test_session_deleted_during_an_export_aborts_it(storage: Storage) -> None:
    session = await storage.create_session(W, NewSession())
    for _ in range(3):
        await storage.append_messages(W, session.id, NewMessages([BatchMessage(content="x" * 1_000)] * 500))
    export = await storage.export_sessions(W)
    await anext(export.batches)
    await storage.delete_session(W, session.id)
    with pytest.raises(SessionNotFound):
        [batch async for batch in export.batches]


async def test_import_reports_progress(storage: Storage) -> None:
    for _ in range(3):
        session = await storage.create_session(W, NewSession())
        await storage.append_messages(W, session.id, NewMessages([BatchMessage(content="x")] * 1_000))
    progress: list[int] = []
    shares: list[float] = []
    export = replace(
        export_of(await exported(storage)),
        progressed=lambda: progress.append(1),
        written=shares.append,
    )
    await storage.import_sessions("elsewhere", export, "fail")
    assert len(progress) >= 3
    assert shares == sorted(shares)
    assert shares[-1] == 1


async def test_import_without_sessions_reports_its_end(storage: Storage) -> None:
    shares: list[float] = []
    await storage.import_sessions("elsewhere", replace(export_of([HEADER]), written=shares.append), "fail")
    assert shares[-1:] == [1]


async def test_followers_get_imported_sessions(storage: Storage) -> None:
    await filled(storage)
    before = await exported(storage)
    events = await storage.follow_sessions("other")
    import_ = asyncio.create_task(storage.import_sessions("other", export_of(before), "fail"))
    reported: list[Event] = []
    async with aclosing(events.batches) as batches:
        while len(reported) < 4:
            reported += await asyncio.wait_for(anext(batches), 120)
    await import_
    assert [event.kind for event in reported] == ["created"] * 4
    assert len({event.id for event in reported}) == 4
