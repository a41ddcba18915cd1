"""Lists of sessions and messages: filters and orders."""

from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta, timezone

import pytest

from amplifierd.storage.model.errors import MessageNotFound, SessionNotFound
from amplifierd.storage.model.interface import Storage
from amplifierd.storage.model.queries import MessageOrder, MessageQuery, SessionQuery, SessionSort
from amplifierd.storage.model.records import (
    BatchMessage,
    Fork,
    NewMessage,
    NewMessages,
    NewSession,
    Role,
    Session,
    SessionSummary,
)
from amplifierd.testing.storage.steps import create_session, read, records

W = "default"


async def listed_ids(storage: Storage, query: SessionQuery) -> list[str]:
    return [session.id for session in await records(await storage.list_sessions(W, query), SessionSummary)]


async def paged(storage: Storage, **query: object) -> list[str]:
    """The ids of a list, read in pages of two."""
    found: list[str] = []
    cursor: str | None = None
    while True:
        page = await storage.list_sessions(W, SessionQuery(limit=2, cursor=cursor, **query))  # type: ignore[arg-type]  # filters by name
        found += [session.id for session in await records(page, SessionSummary)]
        cursor = page.next_cursor
        if cursor is None:
            return found


async def five(storage: Storage) -> list[Session]:
    """Five sessions, the first of which was updated last."""
    created = [
        await create_session(storage, NewSession(name=name, profile=profile, amplified_dir=directory))
        for name, profile, directory in [
            ("Atlas one", "a", "x"),
            ("atlas TWO", "a", "y"),
            (None, "b", "x"),
            ("Straße 100%_", "b", "y"),
            ("five\ufffe", "b", "y"),
        ]
    ]
    await storage.resume_session(W, created[0].id)
    return [await storage.get_session(W, session.id) for session in created]


@pytest.mark.parametrize(
    ("sort", "order"),
    [
        ("-updated_at", [0, 4, 3, 2, 1]),
        ("updated_at", [1, 2, 3, 4, 0]),
        ("-created_at", [4, 3, 2, 1, 0]),
        ("created_at", [0, 1, 2, 3, 4]),
    ],
)
async def test_list_supports_each_order(storage: Storage, sort: SessionSort, order: list[int]) -> None:
    sessions = await five(storage)
    expected = [sessions[number].id for number in order]
    assert await listed_ids(storage, SessionQuery(sort=sort)) == expected
    assert await paged(storage, sort=sort) == expected


Filter = Callable[[list[Session]], SessionQuery]


def in_zone(moment: str) -> str:
    """The same time with the offset +05:45."""
    return datetime.fromisoformat(moment).astimezone(timezone(timedelta(hours=5, minutes=45))).isoformat()


@pytest.mark.parametrize(
    ("query", "order"),
    [
        (lambda _: SessionQuery(status=("active",)), [0]),
        (lambda _: SessionQuery(status=("created",)), [4, 3, 2, 1]),
        (lambda _: SessionQuery(status=("failed",)), []),
        (lambda _: SessionQuery(profile="a"), [0, 1]),
        (lambda _: SessionQuery(profile="c"), []),
        (lambda _: SessionQuery(amplified_dir="y"), [4, 3, 1]),
        (lambda _: SessionQuery(amplified_dir="y", profile="b"), [4, 3]),
        (lambda _: SessionQuery(name="ATLAS"), [0, 1]),
        (lambda _: SessionQuery(name="strasse"), [3]),
        (lambda _: SessionQuery(name="100%_"), [3]),
        (lambda _: SessionQuery(name="%"), [3]),
        (lambda _: SessionQuery(name="_w"), []),
        (lambda _: SessionQuery(name="E\ufffe"), [4]),
        (lambda _: SessionQuery(name="\0"), []),
        (lambda made: SessionQuery(created_after=made[2].created_at), [4, 3]),
        (lambda made: SessionQuery(created_before=made[2].created_at), [0, 1]),
        (lambda made: SessionQuery(updated_after=made[4].updated_at), [0]),
        (lambda made: SessionQuery(updated_before=made[2].updated_at), [1]),
        (lambda _: SessionQuery(created_after="1999-12-31T23:59:59Z"), [0, 4, 3, 2, 1]),
        (lambda _: SessionQuery(created_before="2999-12-31T23:59:59.5Z"), [0, 4, 3, 2, 1]),
        (lambda _: SessionQuery(created_after="2999-12-31T23:59:59.5Z"), []),
        (lambda made: SessionQuery(created_after=made[2].created_at.replace("Z", "999-00:00")), [4, 3]),
        (lambda made: SessionQuery(created_before=in_zone(made[2].created_at)), [0, 1]),
        (lambda _: SessionQuery(created_after="0001-01-01t00:00:00+23:59"), [0, 4, 3, 2, 1]),
        (lambda _: SessionQuery(created_after="0000-01-01T00:00:00+01:00"), [0, 4, 3, 2, 1]),
        (lambda _: SessionQuery(created_after="9999-12-31T23:59:59-23:59"), []),
    ],
)
async def test_list_supports_each_filter(storage: Storage, query: Filter, order: list[int]) -> None:
    sessions = await five(storage)
    expected = [sessions[number].id for number in order]
    assert await listed_ids(storage, query(sessions)) == expected


async def test_filtered_list_is_paged(storage: Storage) -> None:
    sessions = await five(storage)
    assert await paged(storage, amplified_dir="y") == [sessions[number].id for number in (4, 3, 1)]


async def test_children_of_a_session(storage: Storage) -> None:
    parent, *_ = await five(storage)
    children = [(await storage.fork_session(W, parent.id, Fork())).id for _ in range(3)]
    assert await listed_ids(storage, SessionQuery(parent_session_id=parent.id)) == children[::-1]
    assert await paged(storage, parent_session_id=parent.id, sort="created_at") == children
    assert await listed_ids(storage, SessionQuery(parent_session_id="x")) == []


async def test_ids_sort_by_the_time_of_creation(storage: Storage) -> None:
    created = [await storage.create_session(W, NewSession()) for _ in range(50)]
    assert sorted(created, key=lambda session: session.id) == sorted(created, key=lambda session: session.created_at)


ROLES: list[Role] = ["system", "user", "assistant", "user", "assistant", "tool", "user"]


async def conversation(storage: Storage) -> str:
    session = await storage.create_session(W, NewSession())
    await storage.append_messages(W, session.id, NewMessages([BatchMessage("x", role) for role in ROLES]))
    return session.id


@pytest.mark.parametrize("order", ["asc", "desc"])
@pytest.mark.parametrize("role", [None, "user", "assistant", "tool"])
@pytest.mark.parametrize("limit", [None, 1, 2, 9])
@pytest.mark.parametrize(("after", "before"), [(None, None), (2, None), (None, 6), (1, 7), (7, None), (None, 1)])
async def test_messages_by_role_and_order(
    storage: Storage, order: MessageOrder, role: Role | None, limit: int | None, after: int | None, before: int | None
) -> None:
    session_id = await conversation(storage)
    expected = [
        number
        for number, spoken in enumerate(ROLES, 1)
        if (role is None or spoken == role) and (after or 0) < number < (before or 99)
    ]
    if limit is not None:
        expected = expected[-limit:] if before is not None or order == "desc" else expected[:limit]
    messages = await read(storage, session_id, MessageQuery(limit, after, before, role, order))
    assert [message.sequence for message in messages] == (expected[::-1] if order == "desc" else expected)


async def test_long_transcript_backwards_and_by_role(storage: Storage) -> None:
    session = await storage.create_session(W, NewSession())
    for _ in range(3):
        batch = [BatchMessage("x" * 200, "user" if number % 2 else "tool") for number in range(400)]
        await storage.append_messages(W, session.id, NewMessages(batch))
    backwards = await read(storage, session.id, MessageQuery(order="desc"))
    assert [message.sequence for message in backwards] == list(range(1200, 0, -1))
    assert len(await read(storage, session.id, MessageQuery(role="tool"))) == 600


async def test_message_is_read_by_its_sequence(storage: Storage) -> None:
    session_id = await conversation(storage)
    assert (await storage.get_message(W, session_id, 3)).role == "assistant"
    with pytest.raises(MessageNotFound, match=f"Message 8 of session {session_id} not found"):
        await storage.get_message(W, session_id, 8)
    with pytest.raises(SessionNotFound):
        await storage.get_message(W, "x", 1)
    with pytest.raises(SessionNotFound):
        await storage.get_message("theirs", session_id, 1)


Append = Callable[[Storage, str], Awaitable[object]]


async def test_batch_is_all_or_none(storage: Storage) -> None:
    session = await storage.create_session(W, NewSession())
    batch = [BatchMessage(str(number), agent="a" if number else None) for number in range(1000)]
    sent = await storage.append_messages(W, session.id, NewMessages(batch))
    assert sent.session_id == session.id
    assert [message.sequence for message in sent.messages] == list(range(1, 1001))
    assert sent.messages == await read(storage, session.id)
    after = await storage.get_session(W, session.id)
    assert (after.message_count, after.version) == (1000, 2)


async def test_tokens_are_summed(storage: Storage) -> None:
    session = await storage.create_session(W, NewSession())
    message = await storage.append_message(W, session.id, NewMessage(content="x", token_count=7, agent="planner"))
    assert (message.token_count, message.agent) == (7, "planner")
    await storage.append_messages(W, session.id, NewMessages([BatchMessage("x", token_count=2**31 - 1)] * 2))
    assert (await storage.get_session(W, session.id)).token_usage == 7 + 2 * (2**31 - 1)
    assert await storage.get_message(W, session.id, 1) == message
