"""Appending and reading messages."""

import asyncio

import msgspec
import pytest
from msgspec import Raw

from amplifierd.storage.model.errors import SessionNotFound
from amplifierd.storage.model.interface import Storage
from amplifierd.storage.model.queries import MessageQuery
from amplifierd.storage.model.records import Message, NewMessage, NewSession, Role
from amplifierd.testing.storage.steps import read, records

W = "default"


async def opened(storage: Storage, messages: int = 0) -> str:
    """Create a session with this number of messages. Returns its id."""
    session = await storage.create_session(W, NewSession())
    for number in range(1, messages + 1):
        await storage.append_message(W, session.id, NewMessage(content=f"message {number}"))
    return session.id


async def test_message_is_returned_as_appended(storage: Storage) -> None:
    session_id = await opened(storage)
    new = NewMessage(content="hello", role="assistant", metadata=Raw(b'{"z":1.0,"a":"\\u0000"}'))
    appended = await storage.append_message(W, session_id, new)
    assert (appended.role, appended.content, appended.sequence) == ("assistant", "hello", 1)
    assert bytes(appended.metadata) == b'{"z":1.0,"a":"\\u0000"}'
    [read_back] = await read(storage, session_id)
    assert msgspec.json.encode(read_back) == msgspec.json.encode(appended)


@pytest.mark.parametrize(
    "content", ["", "a\0b", "é💬\u2028", '"\\/', "\x01\x7f\n\r\t", "x" * 100_000, "'; DROP TABLE--"]
)
async def test_any_text_is_content(storage: Storage, content: str) -> None:
    session_id = await opened(storage)
    appended = await storage.append_message(W, session_id, NewMessage(content=content))
    [read_back] = await read(storage, session_id)
    assert appended.content == read_back.content == content


@pytest.mark.parametrize("role", ["user", "assistant", "system", "tool"])
async def test_role_is_kept(storage: Storage, role: Role) -> None:
    session_id = await opened(storage)
    await storage.append_message(W, session_id, NewMessage(content="x", role=role))
    assert [message.role for message in await read(storage, session_id)] == [role]


async def test_append_updates_count_and_time(storage: Storage) -> None:
    session_id = await opened(storage)
    for expected in range(1, 4):
        message = await storage.append_message(W, session_id, NewMessage(content="x"))
        session = await storage.get_session(W, session_id)
        assert message.sequence == session.message_count == expected
        assert session.updated_at == message.timestamp >= session.created_at


async def test_concurrent_appends_have_no_gaps(storage: Storage) -> None:
    one, other = await opened(storage), await opened(storage)
    appended = await asyncio.gather(
        *(
            storage.append_message(W, session_id, NewMessage(content=str(number)))
            for number in range(200)
            for session_id in (one, other)
        )
    )
    for position, session_id in enumerate((one, other)):
        messages = await read(storage, session_id)
        assert [message.sequence for message in messages] == list(range(1, 201))
        returned = sorted(appended[position::2], key=lambda message: message.sequence)
        assert [message.content for message in returned] == [message.content for message in messages]
        assert (await storage.get_session(W, session_id)).message_count == 200


async def test_failed_request_does_not_affect_others(storage: Storage) -> None:
    session_id = await opened(storage)
    outcomes = await asyncio.gather(
        *(
            storage.append_message(W, session_id if number % 2 else "unknown", NewMessage(content=str(number)))
            for number in range(100)
        ),
        return_exceptions=True,
    )
    assert sum(isinstance(outcome, SessionNotFound) for outcome in outcomes) == 50
    assert [message.content for message in await read(storage, session_id)] == [str(n) for n in range(1, 100, 2)]


async def test_transcript_times_never_decrease(storage: Storage) -> None:
    session_id = await opened(storage, messages=50)
    times = [message.timestamp for message in await read(storage, session_id)]
    assert times == sorted(times)


@pytest.mark.parametrize(
    ("limit", "after", "before", "expected"),
    [
        (None, None, None, range(1, 11)),
        (3, None, None, range(1, 4)),
        (3, 4, None, range(5, 8)),
        (None, 8, None, range(9, 11)),
        (3, 9, None, range(10, 11)),
        (3, None, 11, range(8, 11)),
        (3, None, 8, range(5, 8)),
        (3, None, 2, range(1, 2)),
        (3, None, 1, range(0)),
        (None, None, 4, range(1, 4)),
        (3, None, 10**15, range(8, 11)),
        (2, 3, 7, range(5, 7)),
        (None, 3, 7, range(4, 7)),
        (10, 5, 6, range(0)),
        (10, 10, None, range(0)),
        (10, 10**15, None, range(0)),
        (1000, 0, None, range(1, 11)),
    ],
)
async def test_part_of_a_transcript(
    storage: Storage, limit: int | None, after: int | None, before: int | None, expected: range
) -> None:
    session_id = await opened(storage, messages=10)
    messages = await read(storage, session_id, MessageQuery(limit=limit, after_sequence=after, before_sequence=before))
    assert [message.sequence for message in messages] == list(expected)


async def test_empty_transcript_is_empty(storage: Storage) -> None:
    assert await read(storage, await opened(storage)) == []


async def test_long_transcript_is_read_in_blocks(storage: Storage) -> None:
    session_id = await opened(storage)
    await asyncio.gather(
        *(storage.append_message(W, session_id, NewMessage(content=f"{n} " + "x" * 1_000)) for n in range(2_000))
    )
    transcript = await storage.list_messages(W, session_id, MessageQuery())
    assert len(transcript.messages.first) < 100_000
    await storage.append_message(W, session_id, NewMessage(content="came later"))
    messages = await records(transcript.messages, Message)
    assert [message.sequence for message in messages] == list(range(1, 2_001))


async def test_transcript_deleted_during_a_read_is_read_completely(storage: Storage) -> None:
    session_id = await opened(storage)
    await asyncio.gather(
        *(storage.append_message(W, session_id, NewMessage(content="x" * 1_000)) for _ in range(1_000))
    )
    transcript = await storage.list_messages(W, session_id, MessageQuery())
    await storage.delete_session(W, session_id)
    assert len(await records(transcript.messages, Message)) == 1_000
