"""Parts of messages: they are returned unchanged, and determine the content and the open calls."""

import json
from collections.abc import Sequence
from hashlib import sha256
from typing import Any

import pytest
from msgspec import UNSET, Raw
from msgspec.json import decode, encode

from amplifierd.storage.model.errors import ImportInvalid, MessageInvalid
from amplifierd.storage.model.interface import Storage
from amplifierd.storage.model.part_records import NewUsage, Usage
from amplifierd.storage.model.queries import MessageQuery, SearchHit, SearchQuery, SearchScope
from amplifierd.storage.model.records import (
    BatchMessage,
    ExportHeader,
    ExportLine,
    Fork,
    IdempotentRequest,
    Message,
    MessagePatch,
    NewMessage,
    NewMessages,
    NewSession,
)
from amplifierd.testing.storage.exports import export_of, exported
from amplifierd.testing.storage.steps import read, recorded, records

W = "default"

# In a form that our encoder never writes.
TURN = Raw(
    b'[{"type":"text","text":"Let me\\u0020look."},{"type":"tool_call","call":"c1","name":"weather",'
    b'"input":"{ \\"city\\": \\"K\\u00f6ln\\", \\"n\\": 1.0 }","native":{"z":1.0,"a":[12345678901234567890]}},'
    b'{"type":"text","text":"One moment."}]'
)


def parts(*parts: dict[str, Any]) -> Raw:
    return Raw(json.dumps(parts, separators=(",", ":")).encode())


def call(name: str) -> dict[str, Any]:
    return {"type": "tool_call", "call": name, "name": "weather", "input": "{}"}


def result(name: str, output: str = "15 degrees") -> dict[str, Any]:
    return {"type": "tool_result", "call": name, "output": output}


async def session_with(storage: Storage, *messages: Sequence[dict[str, Any]]) -> str:
    session = await storage.create_session(W, NewSession())
    for each in messages:
        await storage.append_message(W, session.id, NewMessage(parts=parts(*each)))
    return session.id


async def open_calls(storage: Storage, session_id: str, **query: Any) -> list[int]:
    return [message.sequence for message in await read(storage, session_id, MessageQuery(open_calls=True, **query))]


async def test_parts_are_returned_as_sent(storage: Storage) -> None:
    session = await storage.create_session(W, NewSession())
    appended = await storage.append_message(W, session.id, NewMessage(parts=TURN, role="assistant", model="m-1"))
    stored = await storage.get_message(W, session.id, 1)
    listed = await storage.list_messages(W, session.id, MessageQuery())
    assert appended == stored
    assert isinstance(stored.parts, Raw)
    assert (bytes(stored.parts), stored.model) == (bytes(TURN), "m-1")
    assert bytes(TURN) in listed.messages.first
    assert stored.content == "Let me look.\n\nOne moment."


async def test_recorded_response_has_its_parts(storage: Storage) -> None:
    session = await storage.create_session(W, NewSession())
    new = NewMessage(parts=TURN, usage=NewUsage(input_tokens=1))
    first = await storage.append_message(W, session.id, new, once=IdempotentRequest("k", sha256(b"a")))
    again = await recorded(storage.append_message(W, session.id, new, once=IdempotentRequest("k", sha256(b"a"))))
    assert first == again
    assert (await storage.get_session(W, session.id)).usage == Usage(1, 0, 0, 0)


async def test_content_is_the_text_outside_results(storage: Storage) -> None:
    sent = parts({"type": "text", "text": "A"}, {"type": "text", "text": "B", "call": "c1"}, call("c1"))
    session = await storage.create_session(W, NewSession())
    assert (await storage.append_message(W, session.id, NewMessage(parts=sent))).content == "A"
    assert (await storage.append_message(W, session.id, NewMessage("A", parts=sent))).content == "A"
    assert (await storage.append_message(W, session.id, NewMessage(parts=parts()))).content == ""
    # As a generated Java client sends a message without parts.
    empty = await storage.append_message(W, session.id, NewMessage("A", parts=parts()))
    assert (empty.content, empty.parts) == ("A", UNSET)


@pytest.mark.parametrize("new", [NewMessage(), NewMessage("B", parts=parts({"type": "text", "text": "A"}))])
async def test_missing_or_different_content_is_refused(storage: Storage, new: NewMessage) -> None:
    session = await storage.create_session(W, NewSession())
    with pytest.raises(MessageInvalid) as refused:
        await storage.append_message(W, session.id, new)
    assert refused.value.pointer == "/content"
    batch = NewMessages([BatchMessage("A"), BatchMessage(new.content, parts=new.parts)])
    with pytest.raises(MessageInvalid) as refused:
        await storage.append_messages(W, session.id, batch)
    assert refused.value.pointer == "/messages/1/content"
    assert (await storage.get_session(W, session.id)).message_count == 0


async def test_calls_without_results_are_open(storage: Storage) -> None:
    session_id = await session_with(
        storage,
        [call("c1"), result("c1")],
        [call("c2"), call("c3")],
        [result("c2")],
        [call("c4"), call("c4")],
        [result("unknown")],
    )
    assert await open_calls(storage, session_id) == [2, 4]
    assert await open_calls(storage, session_id, order="desc") == [4, 2]
    assert await open_calls(storage, session_id, after_sequence=2) == [4]
    assert await open_calls(storage, session_id, role="tool") == []
    await storage.append_message(W, session_id, NewMessage(role="tool", parts=parts(result("c3"), result("c4"))))
    assert await open_calls(storage, session_id) == []


async def test_call_of_the_same_id_is_open_again(storage: Storage) -> None:
    session_id = await session_with(storage, [call("c1")], [result("c1")], [call("c1")])
    assert await open_calls(storage, session_id) == [3]
    await storage.append_message(W, session_id, NewMessage(parts=parts(result("c1"))))
    assert await open_calls(storage, session_id) == []


@pytest.mark.parametrize(
    ("messages", "expected"),
    [
        ([[call("c1")], [result("c1"), call("c1")]], [2]),
        ([[call("c1")], [result("c1")], [result("c1"), call("c1")]], [3]),
        ([[call("c1")], [call("c1"), result("c1")]], []),
        ([[call("c1"), call("c1"), result("c1")], [call("c1"), result("c1"), call("c1")]], [2]),
    ],
)
async def test_result_answers_the_calls_before_it(
    storage: Storage, messages: Sequence[Sequence[dict[str, Any]]], expected: list[int]
) -> None:
    one_by_one = await session_with(storage, *messages)
    together = await storage.create_session(W, NewSession())
    batch = NewMessages([BatchMessage(parts=parts(*each)) for each in messages])
    await storage.append_messages(W, together.id, batch)
    corrected = await session_with(storage, *([] for _ in messages))
    for sequence, each in enumerate(messages, 1):
        await storage.update_message(W, corrected, sequence, MessagePatch(parts=parts(*each)))
    lines = await exported(storage)
    await storage.import_sessions("other", export_of(lines), "fail")
    for session_id in (one_by_one, together.id, corrected):
        assert await open_calls(storage, session_id) == expected
        copied = await storage.list_messages("other", session_id, MessageQuery(open_calls=True))
        assert [message.sequence for message in await records(copied.messages, Message)] == expected


async def test_calls_match_results_in_a_batch(storage: Storage) -> None:
    session = await storage.create_session(W, NewSession())
    messages = [[result("c1")], [call("c1")], [call("c2"), call("c3")], [result("c1"), result("c2")]]
    batch = NewMessages([BatchMessage(parts=parts(*each)) for each in messages])
    await storage.append_messages(W, session.id, batch)
    assert await open_calls(storage, session.id) == [3]


async def test_open_calls_are_paged(storage: Storage) -> None:
    session_id = await session_with(storage, *([call(f"c{number}")] for number in range(5)))
    pages: list[list[int]] = []
    query = MessageQuery(limit=2, open_calls=True)
    while True:
        found = await storage.list_messages(W, session_id, query)
        pages.append([message.sequence for message in await records(found.messages, Message)])
        if found.messages.next_cursor is None:
            break
        query = MessageQuery(limit=2, open_calls=True, after_sequence=int(found.messages.next_cursor))
    assert pages == [[1, 2], [3, 4], [5]]
    assert await open_calls(storage, session_id, limit=2, order="desc") == [5, 4]
    assert await open_calls(storage, session_id, limit=2, role="user") == [1, 2]


async def test_fork_has_the_calls_and_the_usage_of_its_messages(storage: Storage) -> None:
    session_id = await session_with(storage, [call("c1")], [call("c2")], [result("c1")])
    used = NewUsage(10, 2, 3, 1, "0.1", "EUR")
    await storage.append_message(W, session_id, NewMessage("x", usage=used))
    await storage.append_message(W, session_id, NewMessage("x", usage=used))
    assert await open_calls(storage, (await storage.fork_session(W, session_id, Fork(2))).id) == [1, 2]
    assert await open_calls(storage, (await storage.fork_session(W, session_id, Fork())).id) == [2]
    forks = [await storage.fork_session(W, session_id, Fork(last)) for last in (3, 4, 5)]
    assert [fork.usage for fork in forks] == [
        UNSET,
        Usage(10, 2, 3, 1, "0.1", "EUR"),
        Usage(20, 4, 6, 2, "0.2", "EUR"),
    ]


async def test_calls_are_forked(storage: Storage) -> None:
    messages = [[call("c1")], [call("c2")], [call("c3")], [result("c2")], [call("c4")], [result("c1")], [result("c4")]]
    session_id = await session_with(storage, *messages)
    fork = await storage.fork_session(W, session_id, Fork())
    assert await open_calls(storage, fork.id) == [3]
    await storage.append_message(W, fork.id, NewMessage(parts=parts(result("c3"))))
    assert await open_calls(storage, fork.id) == []
    assert await open_calls(storage, session_id) == [3]


async def test_session_sums_usage(storage: Storage) -> None:
    session = await storage.create_session(W, NewSession())
    assert session.usage is UNSET
    used = NewUsage(10, 2, 3, 1, "0.10", "EUR")
    message = await storage.append_message(W, session.id, NewMessage("x", usage=used))
    assert message.usage == Usage(10, 2, 3, 1, "0.10", "EUR")
    batch = [
        BatchMessage("x", usage=NewUsage(input_tokens=5)),
        BatchMessage("x", usage=NewUsage(cost="1.000000001", currency="EUR")),
    ]
    await storage.append_messages(W, session.id, NewMessages(batch))
    assert (await storage.get_session(W, session.id)).usage == Usage(15, 2, 3, 1, "1.100000001", "EUR")
    await storage.append_message(W, session.id, NewMessage("x", usage=NewUsage(cost="1")))
    # Costs in two currencies have no sum, and later messages do not change that.
    assert (await storage.get_session(W, session.id)).usage == Usage(15, 2, 3, 1)
    await storage.append_message(W, session.id, NewMessage("x", usage=used))
    assert (await storage.get_session(W, session.id)).usage == Usage(25, 4, 6, 2)


async def test_sums_stop_at_their_maximum(storage: Storage) -> None:
    session = await storage.create_session(W, NewSession())
    dear = BatchMessage("x", usage=NewUsage(2**31 - 1, cost="999999999.999999999"))
    for _ in range(3):
        await storage.append_messages(W, session.id, NewMessages([dear] * 4))
    assert (await storage.get_session(W, session.id)).usage == Usage(12 * (2**31 - 1), 0, 0, 0, "8000000000", "USD")


async def test_parts_and_usage_are_exported_and_imported(storage: Storage) -> None:
    session_id = await session_with(storage, [call("c1")], [call("c2")], [result("c1")])
    await storage.append_message(W, session_id, NewMessage(parts=TURN, usage=NewUsage(1, cost="2", currency="EUR")))
    lines = await exported(storage)
    report = await storage.import_sessions("other", export_of(lines), "fail")
    assert (report.sessions, report.messages) == (1, 4)
    assert await exported(storage, "other") == lines
    found = await storage.list_messages("other", session_id, MessageQuery(open_calls=True))
    assert [message.sequence for message in await records(found.messages, Message)] == [2, 4]
    await storage.append_message("other", session_id, NewMessage("x", usage=NewUsage(1, cost="2", currency="EUR")))
    assert (await storage.get_session("other", session_id)).usage == Usage(2, 0, 0, 0, "4", "EUR")


async def test_import_refuses_contradictory_sums_and_contents(storage: Storage) -> None:
    session_id = await session_with(storage, [{"type": "text", "text": "A"}])
    await storage.append_message(W, session_id, NewMessage("x", usage=NewUsage(1)))
    text = b"\n".join([encode(line) for line in await exported(storage)])
    for before, after in [(b'"inputTokens":1,', b'"inputTokens":2,'), (b'"content":"A"', b'"content":"B"')]:
        lines = [decode(line, type=ExportLine) for line in text.replace(before, after, 1).splitlines()]
        with pytest.raises(ImportInvalid):
            await storage.import_sessions("other", export_of(lines), "fail")


async def test_deletion_removes_calls(storage: Storage) -> None:
    session_id = await session_with(storage, [call("c1")])
    lines = await exported(storage)
    await storage.delete_session(W, session_id)
    await storage.import_sessions(W, export_of([ExportLine(header=ExportHeader(version=1))]), "fail")
    await storage.import_sessions(W, export_of(lines), "fail")
    assert await open_calls(storage, session_id) == [1]


@pytest.mark.parametrize(
    ("text", "scope", "expected"),
    [
        ("sunny", "text", [1]),
        ("sunny", "tools", [3]),
        ("sunny", "all", [1, 3]),
        ("weather", "tools", [2]),
        ("paris lookup", "all", [2]),
        ("paris lookup", "text", []),
        ("paris lookup", "tools", []),
        ('"degrees and sunny"', "tools", [3]),
        ("inner", "text", []),
        ("inner", "tools", [3]),
        ("sun*", "tools", [3]),
        ("thought", "all", []),
    ],
)
async def test_search_scope_is_texts_or_tools(
    storage: Storage, text: str, scope: SearchScope, expected: list[int]
) -> None:
    await session_with(
        storage,
        [{"type": "text", "text": "Is it sunny?"}],
        [
            {"type": "reasoning", "text": "a thought"},
            {"type": "text", "text": "A lookup"},
            {**call("c1"), "input": '{"city":"Paris"}'},
        ],
        [result("c1", "15 degrees and sunny"), {"type": "text", "text": "inner", "call": "c1"}],
    )
    found = await storage.search_messages(W, SearchQuery(text, scope=scope))
    hits = await records(found, SearchHit)
    assert sorted(hit.sequence for hit in hits) == expected
    assert all("<mark>" in hit.snippet for hit in hits)
