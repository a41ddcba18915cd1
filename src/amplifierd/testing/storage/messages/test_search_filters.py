"""Search filters: parameters, filters in the query, tools; and results grouped by session."""

import json

import pytest
from msgspec import Raw

from amplifierd.storage.model.interface import Storage
from amplifierd.storage.model.queries import SearchHit, SearchQuery
from amplifierd.storage.model.records import (
    BatchMessage,
    MessagePatch,
    NewMessage,
    NewMessages,
    NewSession,
    Role,
    Session,
)
from amplifierd.testing.storage.steps import create_session, records

W = "default"


@pytest.fixture
async def session(storage: Storage) -> Session:
    """A session with two messages about a fox."""
    created = await create_session(storage, NewSession(profile="a/b", amplified_dir="x/y"))
    texts = ["The quick brown fox", "A brown-eyed Fox"]
    await storage.append_messages(W, created.id, NewMessages([BatchMessage(content=text) for text in texts]))
    return created


async def hits(storage: Storage, query: SearchQuery | str) -> list[SearchHit]:
    query = SearchQuery(query) if isinstance(query, str) else query
    return await records(await storage.search_messages(W, query), SearchHit)


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        (SearchQuery("hello", role="tool"), 1),
        (SearchQuery("hello", role="system"), 0),
        (SearchQuery("hello", profile="a/b"), 0),
        (SearchQuery("hello", profile="default"), 3),
        (SearchQuery("hello", amplified_dir="."), 3),
        (SearchQuery("hello", amplified_dir="x/y"), 0),
        (SearchQuery("hello", session_id="nobody"), 0),
        (SearchQuery("fox", profile="a/b", amplified_dir="x/y", role="user"), 2),
    ],
)
async def test_filters_apply(storage: Storage, session: Session, filters: SearchQuery, expected: int) -> None:
    other = await storage.create_session(W, NewSession())
    roles: list[Role] = ["user", "assistant", "tool"]
    for role in roles:
        await storage.append_message(W, other.id, NewMessage(content="hello", role=role))
    assert len(await hits(storage, filters)) == expected
    within = SearchQuery(filters.text, session_id=session.id)
    assert {hit.session_id for hit in await hits(storage, within)} <= {session.id}


@pytest.mark.parametrize(
    ("query", "roles"),
    [
        (SearchQuery("hello role:tool"), ["tool"]),
        (SearchQuery("role:tool hello in:text"), ["tool"]),
        (SearchQuery("hello in:tools"), []),
        (SearchQuery("hello role:tool", role="tool"), ["tool"]),
        (SearchQuery("hello role:tool", role="user"), []),
        # A text that is not a valid value of the filter is a word.
        (SearchQuery("role:robot"), ["user"]),
        (SearchQuery('"role:tool"'), []),
        (SearchQuery("role:tool"), []),
    ],
)
async def test_filters_in_the_text_apply(storage: Storage, query: SearchQuery, roles: list[Role]) -> None:
    session = await storage.create_session(W, NewSession())
    await storage.append_message(W, session.id, NewMessage(content="hello, role: robot", role="user"))
    await storage.append_message(W, session.id, NewMessage(content="hello", role="tool"))
    assert [hit.role for hit in await hits(storage, query)] == roles


@pytest.mark.parametrize(
    ("query", "is_found"),
    [
        (SearchQuery("hello label:team"), True),
        (SearchQuery("label:team:maps hello label:road"), True),
        (SearchQuery('hello label:"road:x y"'), True),
        (SearchQuery("hello label:team:other"), False),
        (SearchQuery("hello label:team", labels=("team:other",)), False),
        (SearchQuery("hello after:2001-02-03"), True),
        (SearchQuery("hello after:9998-12-31"), False),
        (SearchQuery("hello after:2001-02-03", updated_after="9998-12-31T00:00:00Z"), False),
        (SearchQuery("hello after:9998-12-31", updated_after="2001-02-03T00:00:00Z"), False),
        (SearchQuery("hello before:2001-02-04"), True),
        (SearchQuery("hello before:2001-02-03"), False),
        (SearchQuery("hello before:2001-02-04", created_before="2001-02-03T00:00:00+00:00"), False),
        (SearchQuery("hello before:2001-02-04 before:2001-02-03"), False),
        (SearchQuery("hello role:user role:tool"), False),
        # The beginning of a month or a year, or a time.
        (SearchQuery("hello after:2001-02 before:2001-03"), True),
        (SearchQuery("hello before:2001-02"), False),
        (SearchQuery("hello before:2002"), True),
        (SearchQuery("hello before:2001"), False),
        (SearchQuery("hello after:2020-01-01T00:00:00Z"), True),
        (SearchQuery("hello before:2001-02-03T04:05:07Z"), True),
        (SearchQuery("hello before:2001-02-03t04:05:06.000001z"), True),
        (SearchQuery("hello before:2001-02-03T04:05:06Z"), False),
        (SearchQuery('hello before:"2001-02-03T06:05:07+02:00"'), True),
        (SearchQuery("hello before:2001-02-03T06:05:06+02:00"), False),
        (SearchQuery("hello -before:2001-02-03T04:05:06Z"), True),
        (SearchQuery("hello -before:2001-02-03T04:05:06.000001Z"), False),
        (SearchQuery("hello before:2016-12-31T23:59:60Z"), True),
        (SearchQuery("hello after:0001-01-01T00:00:00+01:00"), True),
        (SearchQuery("hello after:9999-12-31T23:59:59-01:00"), False),
        # These days and times do not exist, so that they are words.
        (SearchQuery("hello after:2001-13"), False),
        (SearchQuery("hello after:0000"), False),
        (SearchQuery("hello after:2001-02-03T04:05:61Z"), False),
        (SearchQuery("hello after:2001-02-03T24:05:06Z"), False),
        (SearchQuery("hello after:2001-02-03T04:05:06"), False),
        (SearchQuery("hello after:2001-02-30"), False),
        (SearchQuery("hello before:yesterday"), False),
        (SearchQuery('"label:team hello"'), False),
    ],
)
async def test_session_filters_in_the_text_apply(storage: Storage, query: SearchQuery, is_found: bool) -> None:
    labels = {"team": "maps", "road": "x y"}
    session = await storage.create_session(W, NewSession(labels=labels, created_at="2001-02-03T04:05:06Z"))
    await storage.append_message(W, session.id, NewMessage(content="hello", role="user"))
    assert bool(await hits(storage, query)) == is_found


async def append_call(storage: Storage, session: Session, name: str, text: str = "Looking.") -> None:
    parts = [
        {"type": "text", "text": text},
        {"type": "tool_call", "call": "c", "name": name, "input": '{"path": "notes.txt"}'},
    ]
    message = NewMessage(role="assistant", content=text, parts=Raw(json.dumps(parts).encode()))
    await storage.append_message(W, session.id, message)


@pytest.mark.parametrize(
    ("query", "sequences"),
    [
        (SearchQuery("looking", tool="read_file"), [3]),
        (SearchQuery("looking tool:read_file"), [3]),
        (SearchQuery("tool:READ_FILE looking"), [3]),
        (SearchQuery("notes tool:read_file in:tools"), [3]),
        (SearchQuery("looking tool:read_file in:text"), [3]),
        (SearchQuery("notes tool:read_file in:text"), []),
        (SearchQuery("lo* tool:read_file"), [3]),
        (SearchQuery("looking tool:read"), []),
        (SearchQuery('looking tool:"Datei öffnen: «1»"'), [4]),
        (SearchQuery("looking -notes tool:read_file"), []),
        (SearchQuery("looking tool:read_file tool:write"), []),
        (SearchQuery("looking tool:read_file", tool="write"), []),
        # Without words, the filter finds the calls of the tool.
        (SearchQuery("tool:read_file"), [3]),
        (SearchQuery("tool:read_file role:assistant"), [3]),
        (SearchQuery("tool:read_file role:user"), []),
        (SearchQuery('"tool:read_file"'), []),
        (SearchQuery("tool:read_file in:text"), [3]),
        (SearchQuery("looking tool:read_file", tool="Read_File"), [3]),
        (SearchQuery("looking"), [3, 4]),
    ],
)
async def test_tool_filter_matches_called_tools(
    storage: Storage, session: Session, query: SearchQuery, sequences: list[int]
) -> None:
    await append_call(storage, session, "read_file")
    await append_call(storage, session, "Datei öffnen: «1»")
    await storage.append_message(W, session.id, NewMessage(content="read file"))
    assert [hit.sequence for hit in await hits(storage, query)] == sequences


@pytest.mark.parametrize(
    ("query", "sequences"),
    [
        (SearchQuery("deploy -role:assistant"), [1, 4]),
        (SearchQuery("deploy -role:assistant -role:tool"), [1]),
        (SearchQuery("-role:assistant deploy", role="assistant"), []),
        (SearchQuery("de* -role:assistant"), [1, 4]),
        (SearchQuery("deploy -tool:Read_File"), [1, 3, 4]),
        (SearchQuery("deploy -tool:read_file -tool:write"), [1, 4]),
        (SearchQuery("deploy -tool:read_file in:text"), [1, 3, 4]),
        (SearchQuery("de* -tool:read_file"), [1, 3, 4]),
        (SearchQuery('"to deploy" -tool:read_file'), [1, 3, 4]),
        (SearchQuery("deploy -tool:read_file tool:write"), [3]),
        (SearchQuery("deploy -tool:read_file tool:read_file"), []),
        (SearchQuery("read_file -in:tools"), []),
        (SearchQuery("read_file -in:text"), [2]),
        (SearchQuery("deploy -in:all"), []),
        (SearchQuery("deploy -label:team:maps"), []),
        (SearchQuery("deploy -label:team"), []),
        (SearchQuery("deploy -label:team:roads -label:x -role:tool"), [1, 2, 3]),
        (SearchQuery("deploy -label:team:roads", labels=("team",)), [1, 2, 3, 4]),
        (SearchQuery("deploy -after:9998-12-31"), [1, 2, 3, 4]),
        (SearchQuery("deploy -after:2001-02-03"), []),
        (SearchQuery("deploy -before:2001-02-03"), [1, 2, 3, 4]),
        (SearchQuery("deploy -before:2001-02-04"), []),
        (SearchQuery("deploy after:2001-02-03 -after:2001-02-04"), []),
        (SearchQuery("deploy -before:0001-01-01 -after:9999-12-31"), [1, 2, 3, 4]),
        # Without words, nothing is found.
        (SearchQuery("-role:assistant"), []),
        (SearchQuery("-tool:read_file"), []),
        # These are words that are excluded.
        (SearchQuery("deploy -role:robot"), [1, 2, 3]),
        (SearchQuery('deploy -"role:robot"'), [1, 2, 3]),
        # A minus within a word, or before another one, is none.
        (SearchQuery("deploy x-role:assistant"), []),
        (SearchQuery("deploy --role:assistant"), []),
    ],
)
async def test_minus_before_a_filter_selects_the_others(
    storage: Storage, query: SearchQuery, sequences: list[int]
) -> None:
    session = await storage.create_session(W, NewSession(labels={"team": "maps"}, created_at="2001-02-03T04:05:06Z"))
    await storage.append_message(W, session.id, NewMessage(content="to deploy"))
    await append_call(storage, session, "read_file", "to deploy")
    await append_call(storage, session, "write", "to deploy")
    await storage.append_message(W, session.id, NewMessage(content="to deploy role: robot", role="tool"))
    assert sorted(hit.sequence for hit in await hits(storage, query)) == sequences


async def test_tool_of_a_corrected_message_is_no_longer_found(storage: Storage, session: Session) -> None:
    await append_call(storage, session, "read_file")
    assert [hit.sequence for hit in await hits(storage, "tool:read_file")] == [3]
    other = Raw(b'[{"type":"tool_call","call":"c","name":"write","input":"read_file"}]')
    await storage.update_message(W, session.id, 3, MessagePatch(content="", parts=other))
    assert await hits(storage, "read_file tool:read_file") == []
    assert [hit.sequence for hit in await hits(storage, "read_file tool:write")] == [3]


async def test_long_message_is_found_by_its_tool(storage: Storage, session: Session) -> None:
    await append_call(storage, session, "read_file", "long " * 20_000)
    assert [hit.sequence for hit in await hits(storage, "long tool:read_file")] == [3]


NEEDLES = [(5, 10), (1, 2), (1, 2)]


async def sessions_with_needles(storage: Storage) -> list[Session]:
    """Three sessions of two messages, the first with the best hits."""
    sessions = [await storage.create_session(W, NewSession()) for _ in NEEDLES]
    for session, counts in zip(sessions, NEEDLES, strict=True):
        for count in counts:
            await storage.append_message(W, session.id, NewMessage(content="needle " * count))
    return sessions


async def grouped(storage: Storage, cursor: str | None = None, limit: int = 3) -> tuple[list[SearchHit], str | None]:
    """A page of hits by session."""
    listing = await storage.search_messages(W, SearchQuery("needle", limit=limit, cursor=cursor, group="session"))
    return await records(listing, SearchHit), listing.next_cursor


def places(sessions: list[Session], found: list[SearchHit]) -> list[tuple[int, int]]:
    """The number of the session, and the sequence, of each hit."""
    ids = [session.id for session in sessions]
    return [(ids.index(hit.session_id), hit.sequence) for hit in found]


async def test_hits_are_grouped_by_session(storage: Storage) -> None:
    sessions = await sessions_with_needles(storage)
    found, cursor = await grouped(storage)
    others, last = await grouped(storage, cursor)
    assert places(sessions, found + others) == [(0, 1), (0, 2), (2, 1), (2, 2), (1, 1), (1, 2)]
    assert last is None


async def test_hits_without_groups_are_ordered_by_score(storage: Storage) -> None:
    sessions = await sessions_with_needles(storage)
    assert places(sessions, await hits(storage, "needle")) == [(0, 2), (0, 1), (2, 2), (1, 2), (2, 1), (1, 1)]


async def test_page_of_groups_continues_after_a_better_hit(storage: Storage) -> None:
    sessions = await sessions_with_needles(storage)
    _, cursor = await grouped(storage)
    await storage.append_message(W, sessions[2].id, NewMessage(content="needle " * 100))
    found, _ = await grouped(storage, cursor)
    assert places(sessions, found) == [(1, 1), (1, 2)]


async def test_page_of_groups_continues_after_a_deletion(storage: Storage) -> None:
    sessions = await sessions_with_needles(storage)
    _, cursor = await grouped(storage)
    await storage.delete_session(W, sessions[2].id)
    found, _ = await grouped(storage, cursor)
    assert places(sessions, found) == [(1, 1), (1, 2)]
