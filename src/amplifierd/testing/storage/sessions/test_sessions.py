"""Creating, listing, resuming and deleting sessions."""

import re

import msgspec
import pytest
from msgspec import Raw

from amplifierd.storage.model.errors import SessionNotFound
from amplifierd.storage.model.interface import Storage
from amplifierd.storage.model.queries import MessageQuery, SessionQuery
from amplifierd.storage.model.records import NewMessage, NewSession, SessionSummary
from amplifierd.testing.storage.steps import create_session, read, records

W = "default"
EVERY_SESSION = SessionQuery()
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z")
UUID_7 = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")


async def sessions(storage: Storage, query: SessionQuery = EVERY_SESSION) -> list[SessionSummary]:
    return await records(await storage.list_sessions(W, query), SessionSummary)


async def ids(storage: Storage) -> list[str]:
    return [session.id for session in await sessions(storage)]


async def test_session_is_returned_as_created(storage: Storage) -> None:
    new = NewSession(profile="foundation/base", context=Raw(b'{"b":1,"a":[]}'), amplified_dir='a "b"/c')
    created = await create_session(storage, new)
    assert UUID_7.fullmatch(created.id)
    assert TIME.fullmatch(created.created_at)
    assert created.created_at == created.updated_at
    assert created.message_count == 0
    assert (created.profile, created.amplified_dir) == ("foundation/base", 'a "b"/c')
    assert msgspec.json.encode(await storage.get_session(W, created.id)) == msgspec.json.encode(created)


@pytest.mark.parametrize(
    "text",
    [
        b"{}",
        b'{"b":1,"a":2,"c":{"z":1,"y":2}}',
        b'{"one":1.0,"big":123456789012345678901234567890,"small":1e-7,"minus":-0.0}',
        b'{"huge":' + b"9" * 5000 + b"}",
        '{"nul":"a\\u0000b","é":"💬","quote":"\\"\\\\"}'.encode(),
    ],
)
async def test_context_keeps_its_text(storage: Storage, text: bytes) -> None:
    created = await storage.create_session(W, NewSession(context=Raw(text)))
    assert bytes((await storage.get_session(W, created.id)).context) == text


async def test_ids_sort_by_creation(storage: Storage) -> None:
    created = [(await storage.create_session(W, NewSession())).id for _ in range(20)]
    assert created == sorted(created)
    assert len(set(created)) == 20


async def test_list_starts_with_the_last_updated(storage: Storage) -> None:
    first, second, third = [(await storage.create_session(W, NewSession())).id for _ in range(3)]
    assert await ids(storage) == [third, second, first]
    await storage.append_message(W, first, NewMessage(content="x"))
    assert await ids(storage) == [first, third, second]
    await storage.resume_session(W, second)
    assert await ids(storage) == [second, first, third]


async def test_summary_is_the_session_without_its_context(storage: Storage) -> None:
    new = NewSession(profile="p", context=Raw(b'{"a":1}'), amplified_dir='quote"and é')
    session = await create_session(storage, new)
    [summary] = await sessions(storage)
    expected = {
        name: value
        for name, value in msgspec.structs.asdict(session).items()
        if name not in ("context", "error_details", "usage")
    }
    assert msgspec.structs.asdict(summary) == expected | {"last_message": msgspec.UNSET}


async def test_pages_have_every_session_once(storage: Storage) -> None:
    created = [(await storage.create_session(W, NewSession())).id for _ in range(23)]
    pages = []
    cursor = None
    while True:
        listing = await storage.list_sessions(W, SessionQuery(limit=5, cursor=cursor))
        pages.append([session.id for session in await records(listing, SessionSummary)])
        cursor = listing.next_cursor
        if cursor is None:
            break
    assert [len(page) for page in pages] == [5, 5, 5, 5, 3]
    assert [name for page in pages for name in page] == created[::-1]


async def test_full_last_page_has_no_next(storage: Storage) -> None:
    for _ in range(4):
        await storage.create_session(W, NewSession())
    first = await storage.list_sessions(W, SessionQuery(limit=2))
    last = await storage.list_sessions(W, SessionQuery(limit=2, cursor=first.next_cursor))
    assert last.next_cursor is None
    assert len(await records(last, SessionSummary)) == 2


async def test_names_do_not_divide_pages(storage: Storage) -> None:
    names = ["a\nb", "\n", '},\n{"id":"', "\u2028\r\n\x85", "c\\n,\\"]
    for name in names:
        await storage.create_session(W, NewSession(name=name))
    for limit in range(1, len(names) + 2):
        listed: list[SessionSummary] = []
        cursor = None
        while cursor is not None or not listed:
            listing = await storage.list_sessions(W, SessionQuery(limit=limit, sort="created_at", cursor=cursor))
            listed += await records(listing, SessionSummary)
            cursor = listing.next_cursor
        assert [session.name for session in listed] == names


async def test_page_without_sessions_is_empty(storage: Storage) -> None:
    listing = await storage.list_sessions(W, SessionQuery(limit=5))
    assert (await records(listing, SessionSummary), listing.next_cursor) == ([], None)


async def test_new_sessions_shift_no_page(storage: Storage) -> None:
    created = [(await storage.create_session(W, NewSession())).id for _ in range(4)]
    first = await storage.list_sessions(W, SessionQuery(limit=2))
    await storage.create_session(W, NewSession())
    rest = await sessions(storage, SessionQuery(cursor=first.next_cursor))
    assert [session.id for session in rest] == created[1::-1]


@pytest.mark.parametrize("cursor", ["A" * 32, "_" * 32, "AAZg97wYkJgBogosDnt0TaGBLrKXCdtU"])
async def test_any_position_is_a_cursor(storage: Storage, cursor: str) -> None:
    await storage.create_session(W, NewSession())
    assert len(await sessions(storage, SessionQuery(limit=5, cursor=cursor))) in (0, 1)


async def test_list_is_a_snapshot(storage: Storage) -> None:
    created = [(await storage.create_session(W, NewSession())).id for _ in range(600)]
    listing = await storage.list_sessions(W, SessionQuery())
    assert listing.rest is not None
    for session_id in created[::7]:
        await storage.resume_session(W, session_id)
    await storage.delete_session(W, created[0])
    assert [session.id for session in await records(listing, SessionSummary)] == created[::-1]


async def test_abandoned_list_blocks_nothing(storage: Storage) -> None:
    for _ in range(600):
        await storage.create_session(W, NewSession())
    for _ in range(400):
        listing = await storage.list_sessions(W, SessionQuery())
        assert listing.rest is not None
        await listing.rest.aclose()
    assert len(await sessions(storage)) == 600


async def test_resume_always_increases_the_time(storage: Storage) -> None:
    session = await storage.create_session(W, NewSession())
    times = [session.updated_at] + [(await storage.resume_session(W, session.id)).updated_at for _ in range(5)]
    assert times == sorted(set(times))
    assert (await storage.get_session(W, session.id)).updated_at == times[-1]


async def test_resuming_returns_the_whole_session(storage: Storage) -> None:
    session = await storage.create_session(W, NewSession(context=Raw(b'{"a":1}')))
    await storage.append_message(W, session.id, NewMessage(content="x"))
    resumed = await storage.resume_session(W, session.id)
    assert bytes(resumed.context) == b'{"a":1}'
    assert resumed.message_count == 1
    assert resumed.created_at == session.created_at


async def test_deletion_includes_the_transcript(storage: Storage) -> None:
    session = await storage.create_session(W, NewSession())
    other = await storage.create_session(W, NewSession())
    for kept in (session, other):
        await storage.append_message(W, kept.id, NewMessage(content="x"))
    await storage.delete_session(W, session.id)
    with pytest.raises(SessionNotFound):
        await read(storage, session.id)
    assert await ids(storage) == [other.id]
    assert len(await read(storage, other.id)) == 1


@pytest.mark.parametrize("unknown", ["x", "", "019aa8a4-7f7c-7c3e-9d2b-5b6f0f4f2a11", "é\0'", "..", "A" * 300])
async def test_unknown_session_is_not_found(storage: Storage, unknown: str) -> None:
    calls = [
        storage.get_session(W, unknown),
        storage.resume_session(W, unknown),
        storage.delete_session(W, unknown),
        storage.append_message(W, unknown, NewMessage(content="x")),
        storage.list_messages(W, unknown, MessageQuery()),
    ]
    for call in calls:
        with pytest.raises(SessionNotFound, match="(?i)" + re.escape(f"Session {unknown} not found")):
            await call


async def test_workspaces_are_isolated(storage: Storage) -> None:
    mine = await storage.create_session("mine", NewSession())
    theirs = await storage.create_session("theirs", NewSession())
    listed = await records(await storage.list_sessions("mine", SessionQuery()), SessionSummary)
    assert [session.id for session in listed] == [mine.id]
    for call in (
        storage.get_session("mine", theirs.id),
        storage.resume_session("mine", theirs.id),
        storage.delete_session("mine", theirs.id),
        storage.append_message("mine", theirs.id, NewMessage(content="x")),
        storage.list_messages("mine", theirs.id, MessageQuery()),
    ):
        with pytest.raises(SessionNotFound):
            await call
    assert (await storage.get_session("theirs", theirs.id)).message_count == 0
