"""Words of long messages are extracted before the transactions that write them, so that other writes do not wait."""

import asyncio
import threading
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from msgspec import UNSET, UnsetType

from amplifierd.storage.model.interface import Storage
from amplifierd.storage.model.records import (
    BatchMessage,
    NewMessage,
    NewMessages,
    OnConflict,
)
from amplifierd.storage.operations.transfer import import_
from amplifierd.storage.operations.transfer.import_staging import ImportStaging
from amplifierd.storage.operations.unit_of_work import UnitOfWork
from amplifierd.storage.search.tokenizer import IndexedText, Tokenizer, never_pause
from amplifierd.testing.storage.exports import export_of, exported
from amplifierd.testing.storage.messages.test_messages import opened
from amplifierd.testing.storage.messages.test_search import hits
from amplifierd.testing.storage.steps import read, until

W = "default"
SECONDS = 60


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
    # All sessions are in one piece, which is written again once their words are known; then nothing remains.
    assert len(attempts) <= 3
    assert [len(message.content) for each in ids for message in await read(storage, each)] == [70_000] * 8
    await until(lambda: _is_found(storage, "long"))


def _hold_words(monkeypatch: pytest.MonkeyPatch) -> tuple[threading.Event, threading.Event]:
    """Holds the extraction of a long message's words: whether it has started, and whether it may end."""
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
