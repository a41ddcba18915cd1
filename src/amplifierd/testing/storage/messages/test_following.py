"""Event streams: no event is lost or duplicated."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager

import msgspec
import pytest
from msgspec import Raw

from amplifierd.storage.model.errors import SessionNotFound
from amplifierd.storage.model.interface import Storage
from amplifierd.storage.model.records import (
    BatchMessage,
    Event,
    Events,
    Fork,
    Message,
    MessagePatch,
    NewMessage,
    NewMessages,
    NewSession,
    Session,
    SessionPatch,
)
from amplifierd.testing.storage.steps import read

W = "default"
SECONDS = 60
FOLLOWERS = 160
MESSAGES = 20
CORRECTIONS = 40


class Follower:
    """Reads events one by one."""

    def __init__(self, events: Events) -> None:
        self._batches = events.batches
        self._waiting: list[Event] = []

    async def next(self) -> Event:
        """The next event."""
        if not self._waiting:
            self._waiting = list(await asyncio.wait_for(anext(self._batches), SECONDS))
        return self._waiting.pop(0)

    async def upto(self, last: str) -> list[Event]:
        """The events up to the one with this id."""
        found = [await self.next()]
        while found[-1].id != last:
            found.append(await self.next())
        return found

    async def ended(self) -> bool:
        """Whether the stream has ended."""
        return not self._waiting and await asyncio.wait_for(anext(self._batches, None), SECONDS) is None


@asynccontextmanager
async def following(storage: Storage, session_id: str, after_event: str | None = None) -> AsyncIterator[Follower]:
    events = await storage.follow_session(W, session_id, after_event=after_event)
    async with aclosing(events.batches):
        yield Follower(events)


@asynccontextmanager
async def following_all(storage: Storage, after_event: str | None = None) -> AsyncIterator[Follower]:
    events = await storage.follow_sessions(W, after_event=after_event)
    async with aclosing(events.batches):
        yield Follower(events)


async def append(storage: Storage, session_id: str, *contents: str) -> None:
    for content in contents:
        await storage.append_message(W, session_id, NewMessage(content=content))


def kinds_and_ids(events: list[Event]) -> list[tuple[str, str | None]]:
    return [(event.kind, event.id) for event in events]


@pytest.fixture
async def session(storage: Storage) -> Session:
    return await storage.create_session(W, NewSession(context=Raw(b'{"b":1.0,"a":2}')))


async def test_follower_gets_messages(storage: Storage, session: Session) -> None:
    async with following(storage, session.id) as follower:
        await append(storage, session.id, "one", "two")
        events = await follower.upto("2")
    assert kinds_and_ids(events) == [("message", "1"), ("session", "1.2"), ("message", "2")]
    messages = [msgspec.json.decode(event.data, type=Message) for event in events if event.kind == "message"]
    assert messages == await read(storage, session.id)


async def test_follower_gets_messages_of_another_node(storage: Storage, other: Storage, session: Session) -> None:
    async with following(storage, session.id) as follower:
        await append(other, session.id, "one", "two")
        assert [kind for kind, _ in kinds_and_ids(await follower.upto("2"))] == ["message", "session", "message"]


async def test_follower_gets_no_earlier_messages(storage: Storage, session: Session) -> None:
    await append(storage, session.id, "one")
    async with following(storage, session.id) as follower:
        await append(storage, session.id, "two")
        assert kinds_and_ids([await follower.next()]) == [("message", "2")]


async def test_session_event_has_the_current_state(storage: Storage, session: Session) -> None:
    async with following(storage, session.id) as follower:
        await storage.update_session(W, session.id, SessionPatch(name="Talk"))
        changed = await follower.next()
    assert kinds_and_ids([changed]) == [("session", "0.2")]
    assert changed.data == msgspec.json.encode(await storage.get_session(W, session.id))


@pytest.mark.parametrize(
    ("after", "expected"),
    [
        ("0", [("message", "1"), ("message", "2"), ("session", "2.4"), ("message", "3")]),
        ("1", [("message", "2"), ("session", "2.4"), ("message", "3")]),
        ("1.2", [("message", "2"), ("session", "2.4"), ("message", "3")]),
        ("2", [("session", "2.4"), ("message", "3")]),
        ("2.4", [("message", "3")]),
        ("3", []),
    ],
)
async def test_returning_follower_continues_after_its_last_event(
    storage: Storage, session: Session, after: str, expected: list[tuple[str, str]]
) -> None:
    await append(storage, session.id, "one", "two")
    await storage.update_session(W, session.id, SessionPatch(name="Talk"))
    await append(storage, session.id, "three")
    async with following(storage, session.id, after) as follower:
        await append(storage, session.id, "four")
        assert kinds_and_ids(await follower.upto("4")) == [*expected, ("message", "4")]


async def test_follower_ahead_of_the_stream_waits(storage: Storage, session: Session) -> None:
    await append(storage, session.id, "one")
    async with following(storage, session.id, "2") as follower:
        await append(storage, session.id, "two", "three")
        assert kinds_and_ids([await follower.next()]) == [("message", "3")]


async def test_reconnecting_follower_gets_each_message_once(storage: Storage, session: Session) -> None:
    async def talk() -> None:
        for number in range(200):
            await append(storage, session.id, str(number))

    talking = asyncio.create_task(talk())
    last = "0"
    seen: list[str | None] = []
    while len(seen) < 200:
        async with following(storage, session.id, last) as follower:
            for _ in range(7):
                event = await follower.next()
                last = event.id or last
                seen += [event.id] if event.kind == "message" else []
                if len(seen) == 200:
                    break
    await talking
    assert seen == [str(number) for number in range(1, 201)]


async def test_long_transcript_is_streamed_completely(storage: Storage, session: Session) -> None:
    await storage.append_messages(W, session.id, NewMessages([BatchMessage(content="x" * 5_000)] * 1_000))
    async with following(storage, session.id, "0") as follower:
        events = await follower.upto("1000.2")
    assert kinds_and_ids(events) == [*(("message", str(number)) for number in range(1, 1_001)), ("session", "1000.2")]


async def test_batch_of_events_is_bounded(storage: Storage, session: Session) -> None:
    for _ in range(3):
        await storage.append_messages(W, session.id, NewMessages([BatchMessage(content="x" * 50_000)] * 40))
    events = await storage.follow_session(W, session.id, after_event="0")
    async with aclosing(events.batches):
        batch = await anext(events.batches)
    assert sum(len(event.data) for event in batch) < 512 * 1024


async def test_stream_ends_with_the_deletion(storage: Storage, session: Session) -> None:
    async with following(storage, session.id) as follower:
        await storage.delete_session(W, session.id)
        deleted = await follower.next()
        assert (deleted.kind, deleted.data) == ("deleted", msgspec.json.encode({"id": session.id}))
        assert await follower.ended()


async def test_stream_omits_events_of_other_sessions(storage: Storage, session: Session) -> None:
    neighbour = await storage.create_session(W, NewSession())
    async with following(storage, session.id) as follower:
        await append(storage, neighbour.id, "not yours")
        await append(storage, session.id, "yours")
        assert b"yours" in (await follower.next()).data
        assert (await follower.next()).kind == "session"


@pytest.mark.parametrize("workspace", [W, "other"])
async def test_unknown_session_cannot_be_followed(storage: Storage, session: Session, workspace: str) -> None:
    session_id = session.id if workspace == "other" else "nobody"
    with pytest.raises(SessionNotFound):
        await storage.follow_session(workspace, session_id)


async def test_workspace_stream_reports_all_sessions(storage: Storage, other: Storage, session: Session) -> None:
    async with following_all(storage) as follower:
        made = await other.create_session(W, NewSession())
        created = await follower.next()
        await append(storage, session.id, "one")
        changed = await follower.next()
        await other.delete_session(W, made.id)
        deleted = await follower.next()
        fork = await storage.fork_session(W, session.id, Fork())
        forked = await follower.next()
    assert [event.kind for event in (created, changed, deleted, forked)] == ["created", "changed", "deleted", "created"]
    assert msgspec.json.decode(created.data)["id"] == made.id
    assert msgspec.json.decode(changed.data)["messageCount"] == 1
    assert msgspec.json.decode(deleted.data) == {"id": made.id}
    assert msgspec.json.decode(forked.data)["id"] == fork.id
    numbers = [int(event.id or 0) for event in (created, changed, deleted, forked)]
    assert numbers == sorted(set(numbers))


async def test_returning_follower_gets_each_session_once(storage: Storage, session: Session) -> None:
    async with following_all(storage) as follower:
        await append(storage, session.id, "one")
        seen = (await follower.next()).id
    created = await storage.create_session(W, NewSession())
    await append(storage, created.id, "one", "two")
    deleted = await storage.create_session(W, NewSession())
    await storage.delete_session(W, deleted.id)
    await append(storage, session.id, "two")
    async with following_all(storage, seen) as follower:
        events = [await follower.next() for _ in range(3)]
    reported = [(event.kind, msgspec.json.decode(event.data)["id"]) for event in events]
    assert reported == [("created", created.id), ("deleted", deleted.id), ("changed", session.id)]


async def test_stream_omits_other_workspaces(storage: Storage) -> None:
    async with following_all(storage) as follower:
        await storage.create_session("other", NewSession())
        mine = await storage.create_session(W, NewSession())
        assert msgspec.json.decode((await follower.next()).data)["id"] == mine.id


async def test_concurrent_followers_each_get_all_messages(storage: Storage, session: Session) -> None:
    async def count() -> int:
        async with following(storage, session.id, "0") as follower:
            return len([event for event in await follower.upto("100") if event.kind == "message"])

    counting = [asyncio.create_task(count()) for _ in range(100)]
    for number in range(100):
        await append(storage, session.id, str(number))
    assert set(await asyncio.gather(*counting)) == {100}


async def test_corrections_are_reported(storage: Storage) -> None:
    session = await storage.create_session(W, NewSession())
    await append(storage, session.id, "one", "two", "three")
    async with following(storage, session.id) as live, following(storage, session.id, "2") as late:
        await storage.update_message(W, session.id, 1, MessagePatch(content="changed"))
        await storage.delete_message(W, session.id, 2)
        await append(storage, session.id, "four")
        await storage.update_session(W, session.id, SessionPatch(name="x"))
        version = (await storage.get_session(W, session.id)).version
        kinds = ["message_updated", "message_deleted", "message", "session"]
        reported = await live.upto(f"4.{version}")
        assert [event.kind for event in reported] == kinds
        assert msgspec.json.decode(reported[0].data, type=Message).content == "changed"
        assert [event.kind for event in await late.upto(f"4.{version}")] == ["message", *kinds]
    for place, event in enumerate(reported[:-1]):
        async with following(storage, session.id, event.id) as resumed:
            assert await resumed.upto(f"4.{version}") == reported[place + 1 :]


async def test_corrections_are_reported_once(storage: Storage) -> None:
    session = await storage.create_session(W, NewSession())
    await append(storage, session.id, "one")
    await storage.update_message(W, session.id, 1, MessagePatch(content="changed"))
    await append(storage, session.id, "two")
    async with following(storage, session.id, "2") as follower:
        await storage.delete_message(W, session.id, 2)
        assert (await follower.next()).kind == "message_deleted"
    async with following(storage, session.id, "0") as follower:
        kinds = [(await follower.next()).kind for _ in range(5)]
        assert kinds == ["message", "session", "message_updated", "message", "message_deleted"]


async def test_frequent_corrections_do_not_end_a_stream(storage: Storage, session: Session) -> None:
    await append(storage, session.id, "one", "two")

    async def correct(sequence: int) -> None:
        for number in range(CORRECTIONS):
            await storage.update_message(W, session.id, sequence, MessagePatch(metadata=Raw(b'{"n": %d}' % number)))

    async def last_kind() -> str:
        async with following(storage, session.id) as follower:
            while (event := await follower.next()).kind == "message_updated":
                pass
            return event.kind

    followers = [asyncio.create_task(last_kind()) for _ in range(10)]
    await asyncio.gather(*(correct(sequence) for sequence in (1, 2) * 3))
    await append(storage, session.id, "three")
    assert await asyncio.gather(*followers) == ["message"] * len(followers)


async def test_followers_get_all_messages_in_order(storage: Storage) -> None:
    session = await storage.create_session(W, NewSession())
    ids: list[list[str]] = []

    async def follow(number: int) -> None:
        events = await storage.follow_session(W, session.id, after_event="0")
        async with aclosing(events.batches):
            async for batch in events.batches:
                ids[number] += [event.id or "" for event in batch if event.kind == "message"]
                if len(ids[number]) == MESSAGES:
                    return

    ids += [[] for _ in range(FOLLOWERS)]
    followers = [asyncio.create_task(follow(number)) for number in range(FOLLOWERS)]
    for number in range(MESSAGES):
        await storage.append_message(W, session.id, NewMessage(str(number)))
    async with asyncio.timeout(60):
        await asyncio.gather(*followers)
    assert ids == [[str(number + 1) for number in range(MESSAGES)]] * FOLLOWERS
