"""Large patches and appends: other writes do not wait for all of them."""

import asyncio
import json
import threading
from collections.abc import Callable, Sequence
from typing import Any

import msgspec
import pytest
from msgspec import UNSET, Raw, UnsetType

from amplifierd.storage.backend import concurrency_limit
from amplifierd.storage.model.interface import Storage
from amplifierd.storage.model.records import (
    BatchMessage,
    NewMessage,
    NewMessages,
    NewSession,
    OnConflict,
    SessionPatch,
)
from amplifierd.storage.operations.patches import object_patch
from amplifierd.storage.operations.patches.object_patch import MAX_UNPREPARED_BYTES, patch_object
from amplifierd.storage.operations.transfer import import_
from amplifierd.storage.operations.transfer.import_staging import ImportStaging
from amplifierd.storage.operations.unit_of_work import UnitOfWork
from amplifierd.storage.search.tokenizer import IndexedText, Tokenizer, never_pause
from amplifierd.storage.values.merge_patch import merge_patch
from amplifierd.testing.storage.exports import export_of, exported
from amplifierd.testing.storage.messages.test_messages import opened
from amplifierd.testing.storage.messages.test_search import hits
from amplifierd.testing.storage.sessions.test_patches import raw
from amplifierd.testing.storage.steps import read, until

W = "default"
SECONDS = 60


@pytest.mark.parametrize("depth", [3, 4, 5, 90])
def test_depth_is_merged_like_the_rest(depth: int) -> None:
    def around(inner: str) -> str:
        return '{"a":' * depth + inner + "}" * depth

    target = around('{"keep":[1.0,{"x":null}],"go":1,"as_text":1,"-":-0}')
    patch = around('{"go":null,"as_text":{"new":1E5,"gone":null},"list":[null,12345678901234567890123]}')
    expected = around('{"keep":[1.0,{"x":null}],"as_text":{"new":1E5},"-":-0,"list":[null,12345678901234567890123]}')
    assert merge_patch(target, patch) == expected


async def test_large_patches_are_merged_before_their_transactions(
    storage: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = await storage.create_session(W, NewSession(context=raw({"text": "x" * MAX_UNPREPARED_BYTES})))
    sizes: list[int] = []

    def measured(too_large: object_patch.TooLarge, before: str, patch: Raw) -> object_patch.PatchedObject:
        sizes.append(len(before) + len(bytes(patch)))
        return patch_object(too_large, before, patch)

    # This name is the one that a transaction calls.
    monkeypatch.setattr(object_patch, "patch_object", measured)
    for number in range(3):
        await storage.update_session(W, session.id, SessionPatch(context=raw({str(number): number})))
    small = await storage.update_session(W, session.id, SessionPatch(context=raw({"text": None})))
    assert sizes == []
    assert json.loads(bytes(small.context)) == {"0": 0, "1": 1, "2": 2}
    await storage.update_session(W, session.id, SessionPatch(context=raw({"3": 3})))
    assert len(sizes) == 1


async def test_short_append_waits_for_one_large_append_at_most(
    storage: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Eight large ones may take longer than one waits for its turn.
    monkeypatch.setattr(concurrency_limit, "WAIT_SECONDS", 120)
    session_id, other_id = await opened(storage), await opened(storage)
    ended: list[str] = []

    async def append(name: str, session_id: str, new: NewMessages) -> None:
        await storage.append_messages(W, session_id, new)
        ended.append(name)

    calls = [{"type": "tool_call", "call": str(number), "name": "x", "input": ""} for number in range(900)]
    message = BatchMessage(role="assistant", parts=Raw(msgspec.json.encode(calls)))
    async with asyncio.TaskGroup() as tasks:
        for _ in range(8):
            tasks.create_task(append("large", session_id, NewMessages([message] * 8)))
        # The first of them is running, the others wait.
        await asyncio.sleep(0)
        tasks.create_task(append("short", other_id, NewMessages([BatchMessage("hello")])))
    assert ended.index("short") <= 2


# The first is written together with other appends, the other in a transaction of its own.
@pytest.mark.parametrize("own_id", [UNSET, "own-id"])
async def test_short_append_does_not_wait_for_the_words_of_a_long_one(
    storage: Storage, monkeypatch: pytest.MonkeyPatch, own_id: str | UnsetType
) -> None:
    session_id, other_id = await opened(storage), await opened(storage)
    begun, may_end = _hold_words(monkeypatch)
    long = NewMessages([BatchMessage("long " * 10_000, id=own_id)])
    async with asyncio.TaskGroup() as tasks:
        appending = tasks.create_task(storage.append_messages(W, session_id, long))
        try:
            assert await asyncio.to_thread(begun.wait, SECONDS)
            async with asyncio.timeout(SECONDS / 2):
                await storage.append_messages(W, other_id, NewMessages([BatchMessage("short")]))
        finally:
            may_end.set()
    [appended] = appending.result().messages
    assert [message.content for message in await read(storage, session_id)] == [appended.content]
    await until(lambda: _is_found(storage, "long"))


@pytest.mark.parametrize("on_conflict", ["fail", "extend"])
async def test_append_does_not_wait_for_the_words_of_an_import(
    storage: Storage, monkeypatch: pytest.MonkeyPatch, on_conflict: OnConflict
) -> None:
    session_id = await opened(storage)
    await storage.append_message(W, session_id, NewMessage(content="first"))
    before = await exported(storage)
    await storage.append_message(W, session_id, NewMessage(content="long " * 20_000))
    after = await exported(storage)
    await storage.delete_session(W, session_id)
    if on_conflict == "extend":
        await storage.import_sessions(W, export_of(before), "fail")
    other_id = await opened(storage)
    begun, may_end = _hold_words(monkeypatch)
    async with asyncio.TaskGroup() as tasks:
        importing = tasks.create_task(storage.import_sessions(W, export_of(after), on_conflict))
        try:
            assert await asyncio.to_thread(begun.wait, SECONDS)
            async with asyncio.timeout(SECONDS / 2):
                await storage.append_message(W, other_id, NewMessage(content="short"))
        finally:
            may_end.set()
    assert importing.result().messages == (1 if on_conflict == "extend" else 2)
    assert [len(message.content) for message in await read(storage, session_id)] == [5, 100_000]
    await until(lambda: _is_found(storage, "long"))


async def test_import_that_extends_several_sessions_finds_their_words_at_once(
    storage: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = [await opened(storage) for _ in range(8)]
    before = await exported(storage)
    for session_id in ids:
        await storage.append_message(W, session_id, NewMessage(content="long " * 14_000))
    after = await exported(storage)
    for session_id in ids:
        await storage.delete_session(W, session_id)
    await storage.import_sessions(W, export_of(before), "fail")
    attempts: list[int] = []
    import_some = import_.import_some

    async def counted(work: UnitOfWork, upload: ImportStaging, *rest: Any) -> import_.Progress | None:
        attempts.append(upload.position)
        return await import_some(work, upload, *rest)

    monkeypatch.setattr(import_, "import_some", counted)
    report = await storage.import_sessions(W, export_of(after), "extend")
    assert (report.extended, report.messages) == (8, 8)
    # All sessions are in one piece, which is written again once their words are known; then nothing is left.
    assert len(attempts) <= 3
    assert [len(message.content) for each in ids for message in await read(storage, each)] == [70_000] * 8
    await until(lambda: _is_found(storage, "long"))


def _hold_words(monkeypatch: pytest.MonkeyPatch) -> tuple[threading.Event, threading.Event]:
    """Whether the words of a long message are being found, and whether that may end."""
    begun, may_end = threading.Event(), threading.Event()
    split = Tokenizer.indexed_texts

    def held(tokenizer: Tokenizer, texts: Sequence[str], pause: Callable[[], None] = never_pause) -> list[IndexedText]:
        if len(texts[0]) > 10_000:
            begun.set()
            may_end.wait(SECONDS)
        return split(tokenizer, texts, pause)

    monkeypatch.setattr(Tokenizer, "indexed_texts", held)
    return begun, may_end


async def _is_found(storage: Storage, word: str) -> bool:
    return bool(await hits(storage, word))
