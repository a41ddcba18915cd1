"""Corrections of messages: the content is replaced or deleted, and everything derived from it is updated."""

import hashlib
import json
from collections.abc import AsyncGenerator
from typing import Any

import pytest
from msgspec import UNSET, Raw

from amplifierd.storage.model.errors import (
    FileNotFound,
    FileUnknown,
    MessageDeleted,
    MessageInvalid,
    MessageNotFound,
    MessageVersionMismatch,
    MetadataTooLarge,
    SessionNotFound,
)
from amplifierd.storage.model.files import NewFile
from amplifierd.storage.model.interface import Storage
from amplifierd.storage.model.part_records import NewUsage
from amplifierd.storage.model.queries import MessageQuery, SearchHit, SearchQuery, SessionQuery
from amplifierd.storage.model.records import (
    Fork,
    IdempotentRequest,
    LastMessage,
    Message,
    MessagePatch,
    NewMessage,
    NewSession,
    SessionSummary,
)
from amplifierd.testing.storage.exports import export_of, exported
from amplifierd.testing.storage.steps import read, recorded, records

W = "default"


def raw(value: Any) -> Raw:
    return Raw(json.dumps(value, separators=(",", ":")).encode())


def call(name: str) -> dict[str, str]:
    return {"type": "tool_call", "call": name, "name": "weather", "input": "{}"}


def result(name: str) -> dict[str, str]:
    return {"type": "tool_result", "call": name, "output": "15 degrees"}


async def session_with(storage: Storage, *messages: str | list[dict[str, str]]) -> str:
    """Create a session with messages, given as texts or parts. Returns its id."""
    session = await storage.create_session(W, NewSession())
    for each in messages:
        new = NewMessage(each) if isinstance(each, str) else NewMessage(parts=raw(each))
        await storage.append_message(W, session.id, new)
    return session.id


async def search(storage: Storage, word: str) -> list[int]:
    """The sequences of the messages that a search finds."""
    listing = await storage.search_messages(W, SearchQuery(word))
    return sorted(hit.sequence for hit in await records(listing, SearchHit))


async def waiting(storage: Storage, session_id: str) -> list[int]:
    """The sequences of the messages with open calls."""
    return [message.sequence for message in await read(storage, session_id, MessageQuery(open_calls=True))]


async def last_message(storage: Storage, session_id: str) -> Any:
    """The last message in a list of sessions."""
    [summary] = await records(await storage.list_sessions(W, SessionQuery(ids=(session_id,))), SessionSummary)
    return summary.last_message


async def test_update_replaces_content(storage: Storage) -> None:
    session_id = await session_with(storage, "first", "second")
    before = await storage.get_session(W, session_id)
    corrected = await storage.update_message(W, session_id, 2, MessagePatch(content="third"))
    session = await storage.get_session(W, session_id)
    assert (corrected.content, corrected.version, corrected.edited_at) == ("third", 2, session.updated_at)
    assert session.version == before.version + 1
    assert session.updated_at >= before.updated_at
    assert await read(storage, session_id) == [(await read(storage, session_id))[0], corrected]
    assert await last_message(storage, session_id) == LastMessage("user", corrected.timestamp, "third")


async def test_update_merges_metadata(storage: Storage) -> None:
    session = await storage.create_session(W, NewSession())
    await storage.append_message(W, session.id, NewMessage("x", metadata=raw({"a": {"b": 1}, "c": 2})))
    patch = MessagePatch(metadata=raw({"a": {"d": 3}, "c": None}))
    corrected = await storage.update_message(W, session.id, 1, patch)
    assert (bytes(corrected.metadata), corrected.edited_at) == (b'{"a":{"b":1,"d":3}}', UNSET)
    assert await storage.update_message(W, session.id, 1, MessagePatch()) == corrected
    large = MessagePatch(metadata=raw({"long": "x" * 20_000}))
    assert (await storage.update_message(W, session.id, 1, large)).version == 3
    with pytest.raises(MetadataTooLarge, match="1025 members"):
        await storage.update_message(
            W, session.id, 1, MessagePatch(metadata=raw(dict.fromkeys(map(str, range(1025)), 1)))
        )


async def test_update_follows_rules_of_parts(storage: Storage) -> None:
    session_id = await session_with(storage, [{"type": "text", "text": "one"}])
    with pytest.raises(MessageInvalid, match="/content differs from the texts of the parts"):
        await storage.update_message(W, session_id, 1, MessagePatch(content="two"))
    parts = raw([{"type": "text", "text": "two"}])
    assert (await storage.update_message(W, session_id, 1, MessagePatch(parts=parts))).content == "two"
    with pytest.raises(MessageInvalid, match="leave it out"):
        await storage.update_message(W, session_id, 1, MessagePatch(content="one", parts=parts))
    plain = await storage.update_message(W, session_id, 1, MessagePatch(content="three", parts=raw([])))
    assert (plain.content, plain.parts) == ("three", UNSET)
    assert await storage.get_message(W, session_id, 1) == plain


async def test_update_checks_versions(storage: Storage) -> None:
    session_id = await session_with(storage, "one", "two")
    for versions in ((2,), ()):
        with pytest.raises(MessageVersionMismatch, match="Message 1 of session"):
            await storage.update_message(W, session_id, 1, MessagePatch(content="x"), versions=versions)
        with pytest.raises(MessageVersionMismatch):
            await storage.delete_message(W, session_id, 1, versions=versions)
    await storage.update_message(W, session_id, 1, MessagePatch(content="x"), versions=(1,))
    assert (await storage.delete_message(W, session_id, 1, versions=(2,))).version == 3


async def test_corrections_need_their_message(storage: Storage) -> None:
    session_id = await session_with(storage, "one")
    with pytest.raises(MessageNotFound):
        await storage.update_message(W, session_id, 2, MessagePatch(content="x"))
    with pytest.raises(MessageNotFound):
        await storage.delete_message(W, session_id, 2)
    with pytest.raises(SessionNotFound):
        await storage.delete_message("other", session_id, 1)
    await storage.delete_session(W, session_id)
    with pytest.raises(SessionNotFound):
        await storage.update_message(W, session_id, 1, MessagePatch(content="x"))


async def test_delete_leaves_a_tombstone(storage: Storage) -> None:
    session = await storage.create_session(W, NewSession())
    usage = NewUsage(input_tokens=3, cost="0.5")
    parts = raw([{"type": "text", "text": "secret"}, call("a")])
    new = NewMessage(
        parts=parts, metadata=raw({"a": 1}), agent="planner", token_count=7, model="m", usage=usage, id="m-1"
    )
    sent = await storage.append_message(W, session.id, new)
    before = await storage.get_session(W, session.id)
    tombstone = await storage.delete_message(W, session.id, 1)
    expected = Message("user", "", sent.timestamp, raw({}), 1, token_count=7, usage=sent.usage, id="m-1", version=2)
    session = await storage.get_session(W, session.id)
    assert (tombstone.deleted_at, session.usage, session.token_usage) == (session.updated_at, before.usage, 7)
    assert {**_fields(tombstone), "deleted_at": UNSET} == _fields(expected)
    assert await storage.delete_message(W, session.id, 1) == tombstone
    assert await waiting(storage, session.id) == []
    assert await last_message(storage, session.id) == LastMessage("user", sent.timestamp, "")
    with pytest.raises(MessageDeleted):
        await storage.update_message(W, session.id, 1, MessagePatch(content="x"))
    assert (await storage.append_message(W, session.id, NewMessage("next"))).sequence == 2


def _fields(message: Message) -> dict[str, object]:
    return {name: getattr(message, name) for name in Message.__struct_fields__}


async def test_search_follows_corrections(storage: Storage) -> None:
    session_id = await session_with(storage, "red fox", "red dog", "red bird")
    assert await search(storage, "red") == [1, 2, 3]
    await storage.update_message(W, session_id, 1, MessagePatch(content="green fox"))
    await storage.delete_message(W, session_id, 2)
    assert (await search(storage, "red"), await search(storage, "green"), await search(storage, "dog")) == (
        [3],
        [1],
        [],
    )
    # The last message may not be in the index yet.
    await storage.append_message(W, session_id, NewMessage("blue fox"))
    await storage.update_message(W, session_id, 4, MessagePatch(content="yellow fox"))
    assert (await search(storage, "blue"), await search(storage, "fox")) == ([], [1, 4])


async def test_calls_follow_corrections(storage: Storage) -> None:
    session_id = await session_with(storage, [call("a")], [call("b"), call("c")], [result("a"), result("b")])
    assert await waiting(storage, session_id) == [2]
    await storage.update_message(W, session_id, 2, MessagePatch(parts=raw([call("b"), call("d")])))
    assert await waiting(storage, session_id) == [2]
    await storage.update_message(W, session_id, 2, MessagePatch(parts=raw([call("b")])))
    assert await waiting(storage, session_id) == []
    await storage.delete_message(W, session_id, 3)
    assert await waiting(storage, session_id) == [1, 2]
    await storage.append_message(W, session_id, NewMessage(parts=raw([result("b")])))
    await storage.append_message(W, session_id, NewMessage(parts=raw([result("b")])))
    await storage.delete_message(W, session_id, 4)
    assert await waiting(storage, session_id) == [1]
    await storage.update_message(W, session_id, 5, MessagePatch(parts=raw([result("a")])))
    assert await waiting(storage, session_id) == [2]


async def test_files_are_deleted_with_the_last_reference(storage: Storage) -> None:
    files = []
    for content in (b"one", b"two"):

        async def chunks(content: bytes = content) -> AsyncGenerator[bytes, None]:
            yield content

        files.append(await storage.create_file(W, NewFile(chunks())))

    def naming(place: int) -> Raw:
        return raw([{"type": "file", "media": "image/png", "url": files[place].url}])

    session_id = await session_with(storage)
    for _ in range(2):
        await storage.append_message(W, session_id, NewMessage(parts=naming(0)))
    await storage.update_message(W, session_id, 1, MessagePatch(parts=naming(1)))
    await storage.update_message(W, session_id, 2, MessagePatch(metadata=raw({"a": 1})))
    await storage.read_file(W, files[0].id)
    await storage.delete_message(W, session_id, 2)
    with pytest.raises(FileNotFound):
        await storage.read_file(W, files[0].id)
    with pytest.raises(FileUnknown, match="/parts/0/url"):
        await storage.update_message(W, session_id, 1, MessagePatch(parts=naming(0)))
    await storage.read_file(W, files[1].id)
    await storage.update_message(W, session_id, 1, MessagePatch(content="none", parts=raw([])))
    with pytest.raises(FileNotFound):
        await storage.read_file(W, files[1].id)


async def test_fork_keeps_its_copies(storage: Storage) -> None:
    session_id = await session_with(storage, "one", "two")
    fork = await storage.fork_session(W, session_id, Fork())
    await storage.update_message(W, session_id, 1, MessagePatch(content="changed"))
    await storage.delete_message(W, fork.id, 2)
    assert [message.content for message in await read(storage, session_id)] == ["changed", "two"]
    assert [message.content for message in await read(storage, fork.id)] == ["one", ""]
    later = await storage.fork_session(W, fork.id, Fork())
    assert await read(storage, later.id) == await read(storage, fork.id)


async def test_recorded_response_has_the_corrected_message(storage: Storage) -> None:
    session_id = await session_with(storage)
    once = IdempotentRequest("k", hashlib.sha256(b""))
    await storage.append_message(W, session_id, NewMessage("one"), once=once)
    await storage.delete_message(W, session_id, 1)
    again = await recorded(storage.append_message(W, session_id, NewMessage("one"), once=once))
    assert again.content == ""


async def test_exports_carry_corrections(storage: Storage) -> None:
    session_id = await session_with(storage, "one", "two", "three")
    await storage.update_message(W, session_id, 1, MessagePatch(content="changed"))
    await storage.delete_message(W, session_id, 2)
    messages = await read(storage, session_id)
    lines = await exported(storage, W)
    await storage.delete_session(W, session_id)
    await storage.import_sessions(W, export_of(lines), "fail")
    assert await read(storage, session_id) == messages


async def test_search_follows_corrections_of_long_messages(storage: Storage) -> None:
    def words(kind: str) -> str:
        return " ".join(f"{kind}{number}" for number in range(8_000))

    session_id = await session_with(storage, words("a"), words("b"), "short")
    assert await search(storage, "a7999") == [1]
    await storage.update_message(W, session_id, 1, MessagePatch(content=words("c")))
    await storage.delete_message(W, session_id, 2)
    await storage.update_message(W, session_id, 3, MessagePatch(content=words("d")))
    for word, sequences in {"a5": [], "a7999": [], "b7999": [], "c7999": [1], "d5": [3], "d7999": [3]}.items():
        assert await search(storage, word) == sequences, word
    await storage.update_message(W, session_id, 3, MessagePatch(content="short"))
    assert (await search(storage, "d7999"), await search(storage, "short")) == ([], [3])
    # Not yet in the index, or only in part.
    await storage.append_message(W, session_id, NewMessage(words("e")))
    await storage.update_message(W, session_id, 4, MessagePatch(content=words("f")))
    assert (await search(storage, "e7999"), await search(storage, "f7999")) == ([], [4])
