"""Forks, deletions, cleanups and imports in pieces: no partial result is visible, and abandoned pieces are removed."""

import asyncio
import hashlib
from collections.abc import Awaitable, Callable
from typing import Any
from uuid import uuid4

import pytest

from amplifierd.storage import open_maintenance, open_storage
from amplifierd.storage.backend.storage import TransactionalStorage
from amplifierd.storage.model.errors import (
    MessageNotFound,
    SessionNotFound,
    StorageUnavailable,
    VersionMismatch,
)
from amplifierd.storage.model.interface import Storage
from amplifierd.storage.model.queries import MessageQuery, SearchQuery, SessionQuery
from amplifierd.storage.model.records import (
    BatchMessage,
    CleanUp,
    Fork,
    IdempotentRequest,
    ImportReport,
    MessagePatch,
    NewMessage,
    NewMessages,
    NewSession,
    SessionSummary,
)
from amplifierd.storage.operations.bulk import fork as forking
from amplifierd.storage.operations.bulk import removal, staging
from amplifierd.storage.operations.patches import corrections
from amplifierd.storage.sql.ports import Bindings
from amplifierd.testing.storage.exports import export_of, exported, transcripts
from amplifierd.testing.storage.messages.test_corrections import call, session_with, waiting
from amplifierd.testing.storage.messages.test_own_ids import ID
from amplifierd.testing.storage.steps import read, records, until

W = "default"
COUNT = 50
# The number of messages in a piece.
PIECE = 7
# The number of messages deleted in the transaction of their session.
FIRST = 3

LEFT = """
SELECT
    (SELECT COUNT(*) FROM {source} WHERE {condition})
    + (SELECT COUNT(*) FROM removal WHERE workspace = :workspace AND session_id = :id)
    + (SELECT COUNT(*) FROM idempotency WHERE workspace = :workspace AND session_id = :id)
"""
ALL_LEFT = "SELECT COUNT(*) FROM removal WHERE workspace = :workspace"


@pytest.fixture(autouse=True)
def _small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(removal, "MESSAGES_AT_ONCE", PIECE)
    monkeypatch.setattr(removal, "MESSAGES_AT_DELETION", FIRST)


@pytest.fixture
async def session_id(storage: Storage) -> str:
    """A session of 50 messages."""
    session = await storage.create_session(W, NewSession())
    await storage.append_messages(
        W, session.id, NewMessages([BatchMessage(f"fox {number}", token_count=1) for number in range(COUNT)])
    )
    return session.id


def once() -> IdempotentRequest:
    return IdempotentRequest("k", hashlib.sha256(b"f"))


def count_statement(storage: Storage) -> str:
    """The statement that counts the rows that are left of a session."""
    assert isinstance(storage, TransactionalStorage)
    messages = storage.dialect.messages
    return LEFT.format(source=messages.source, condition=messages.between("1", "1000000"))


async def number(storage: Storage, statement: str, session_id: str = "") -> int:
    assert isinstance(storage, TransactionalStorage)
    row = await storage._rows.row(statement, {"workspace": W, "id": session_id})  # noqa: SLF001  # what is left
    assert row is not None
    return int(row[0])


async def until_removed(storage: Storage) -> None:
    async def is_deleted() -> bool:
        return await number(storage, ALL_LEFT) == 0

    await until(is_deleted)


async def findings(database: str) -> list[str]:
    return [finding.text async for finding in open_maintenance(database).check()]


def cut_after(storage: Storage, pieces: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let every piece after this number fail, as if the process had ended."""
    assert isinstance(storage, TransactionalStorage)
    paced, done = storage._paced, 0  # noqa: SLF001  # where a process may end

    async def cut(*piece: Any) -> Any:
        nonlocal done
        done += 1
        if done > pieces:
            raise StorageUnavailable("the process ends here")
        return await paced(*piece)

    monkeypatch.setattr(storage, "_paced", cut)


async def test_fork_in_pieces_equals_the_final_session(storage: Storage, session_id: str) -> None:
    forked = await storage.fork_session(W, session_id, Fork())
    assert (forked.message_count, forked.token_usage) == (COUNT, COUNT)
    assert await read(storage, forked.id) == await read(storage, session_id)
    assert await number(storage, ALL_LEFT) == 0
    part = await storage.fork_session(W, session_id, Fork(at_sequence=20))
    assert (part.message_count, part.forked_at_sequence) == (20, 20)
    assert len(await read(storage, part.id)) == 20


def do_before_pieces(storage: Storage, act: Callable[[], Awaitable[object]], monkeypatch: pytest.MonkeyPatch) -> None:
    """Run a function before each piece, like other clients that are faster than the copying."""
    assert isinstance(storage, TransactionalStorage)
    fork_some = storage._fork_some  # noqa: SLF001  # between two pieces

    async def act_first(*piece: Any) -> Any:
        await act()
        return await fork_some(*piece)

    monkeypatch.setattr(storage, "_fork_some", act_first)


async def test_fork_ends_despite_fast_appends(
    storage: Storage, session_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def append() -> None:
        await storage.append_messages(W, session_id, NewMessages([BatchMessage("more")] * 2 * PIECE))

    do_before_pieces(storage, append, monkeypatch)
    forked = await storage.fork_session(W, session_id, Fork())
    assert forked.message_count == COUNT
    assert await read(storage, forked.id) == (await read(storage, session_id))[:COUNT]


async def test_fork_ends_despite_fast_corrections(
    storage: Storage, session_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(forking, "CORRECTIONS_AT_ONCE", 2)

    async def correct() -> None:
        for sequence in range(1, PIECE + 1):
            await storage.update_message(W, session_id, sequence, MessagePatch(content=f"wolf {uuid4()}"))

    do_before_pieces(storage, correct, monkeypatch)
    forked = await storage.fork_session(W, session_id, Fork())
    assert await read(storage, forked.id) == await read(storage, session_id)


@pytest.mark.parametrize("rounds", [0, 10])
async def test_fork_of_many_corrections_copies_few_at_once(
    storage: Storage, session_id: str, monkeypatch: pytest.MonkeyPatch, rounds: int
) -> None:
    """It copies more at once only if others correct faster, as they do for `rounds`, and up to a limit."""
    monkeypatch.setattr(forking, "CORRECTIONS_AT_ONCE", 2)
    monkeypatch.setattr(forking, "MAX_CORRECTIONS_AT_ONCE", 8)
    write, written = corrections.write, [0]
    corrected = iter([COUNT, *[2 * PIECE] * rounds])

    async def correct() -> None:
        for sequence in range(1, next(corrected, 0) + 1):
            await storage.update_message(W, session_id, sequence, MessagePatch(content=f"wolf {uuid4()}"))
        written.append(0)

    async def count(*arguments: Any, must_exist: bool, words: object = None) -> None:
        written[-1] += not must_exist
        await write(*arguments, must_exist=must_exist, words=words)

    do_before_pieces(storage, correct, monkeypatch)
    monkeypatch.setattr(corrections, "write", count)
    forked = await storage.fork_session(W, session_id, Fork())
    assert await read(storage, forked.id) == await read(storage, session_id)
    assert max(written) == (8 if rounds else 2)


async def test_conditional_fork_ignores_later_appends(
    storage: Storage, session_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def append() -> None:
        await storage.append_message(W, session_id, NewMessage("more"))

    before = await storage.get_session(W, session_id)
    do_before_pieces(storage, append, monkeypatch)
    forked = await storage.fork_session(W, session_id, Fork(), versions=(before.version,))
    assert forked.message_count == COUNT
    with pytest.raises(VersionMismatch):
        await storage.fork_session(W, session_id, Fork(), versions=(before.version,))


async def test_session_deleted_during_a_fork_has_no_fork(
    storage: Storage, session_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert isinstance(storage, TransactionalStorage)
    paced = storage._paced  # noqa: SLF001  # between two pieces

    async def delete_first(*piece: Any) -> Any:
        monkeypatch.undo()
        await storage.delete_session(W, session_id)
        return await paced(*piece)

    monkeypatch.setattr(storage, "_paced", delete_first)
    with pytest.raises(SessionNotFound):
        await storage.fork_session(W, session_id, Fork())
    await until_removed(storage)
    assert await number(storage, "SELECT COUNT(*) FROM message") == 0


async def test_aborted_fork_leaves_nothing(
    storage: Storage, session_id: str, monkeypatch: pytest.MonkeyPatch, database: str
) -> None:
    with monkeypatch.context() as patch:
        cut_after(storage, 3, patch)
        with pytest.raises(StorageUnavailable):
            await storage.fork_session(W, session_id, Fork(), once=once())
    await until_removed(storage)
    assert await number(storage, "SELECT COUNT(*) FROM message") == COUNT
    assert await findings(database) == []
    assert (await storage.fork_session(W, session_id, Fork(), once=once())).message_count == COUNT


async def test_pieces_of_a_killed_process_are_removed_after_its_lease(
    storage: Storage, session_id: str, monkeypatch: pytest.MonkeyPatch, database: str
) -> None:
    assert isinstance(storage, TransactionalStorage)

    async def nothing(*_: object) -> None:
        return

    with monkeypatch.context() as patch:
        cut_after(storage, 3, patch)
        patch.setattr(storage, "_abandon", nothing)
        with pytest.raises(StorageUnavailable):
            await storage.fork_session(W, session_id, Fork())
    written = COUNT + 4 * PIECE
    messages = "SELECT COUNT(*) FROM message"
    assert await number(storage, messages) == written
    async with open_storage(database) as other:
        # The lease may belong to another process that is still working.
        await other.count_sessions(W)
        assert await number(other, messages) == written
        assert await findings(database) == []
    monkeypatch.setattr(removal, "LEASE_SECONDS", 0)
    async with open_storage(database) as other:
        await until_removed(other)
        assert await number(other, messages) == COUNT


async def test_session_is_deleted_before_its_messages(
    storage: Storage, session_id: str, monkeypatch: pytest.MonkeyPatch, database: str
) -> None:
    await storage.search_messages(W, SearchQuery("fox"))
    assert isinstance(storage, TransactionalStorage)
    with monkeypatch.context() as patch:
        patch.setattr(storage._removals, "wake", lambda: None)  # noqa: SLF001  # as if the process ended here
        await storage.append_message(W, session_id, NewMessage("said"), once=once())
        await storage.delete_session(W, session_id)
    assert await number(storage, count_statement(storage), session_id) == COUNT + 1 - FIRST - PIECE + 1 + 1
    with pytest.raises(SessionNotFound):
        await storage.get_message(W, session_id, COUNT)
    for query in (MessageQuery(), MessageQuery(order="desc"), MessageQuery(role="user"), MessageQuery(limit=1)):
        with pytest.raises(SessionNotFound):
            await storage.list_messages(W, session_id, query)
    assert (await storage.search_messages(W, SearchQuery("fox"))).first == b""
    assert transcripts(await exported(storage)) == {}
    assert await findings(database) == []
    # Another process continues the work.
    async with open_storage(database) as other:
        await until_removed(other)
        assert await number(other, count_statement(other), session_id) == 0
    assert await findings(database) == []


async def test_session_is_imported_while_its_messages_are_removed(
    storage: Storage, session_id: str, monkeypatch: pytest.MonkeyPatch, database: str
) -> None:
    lines = await exported(storage)
    await storage.search_messages(W, SearchQuery("fox"))
    assert isinstance(storage, TransactionalStorage)
    with monkeypatch.context() as patch:
        patch.setattr(storage._removals, "wake", lambda: None)  # noqa: SLF001  # as if it came at once
        await storage.delete_session(W, session_id)
        report = await storage.import_sessions(W, export_of(lines), "fail")
    assert report == ImportReport(sessions=1, messages=COUNT)
    assert await exported(storage) == lines
    found = await records(await storage.search_messages(W, SearchQuery("fox", limit=100)), dict)
    assert len(found) == COUNT
    assert await number(storage, ALL_LEFT) == 0
    assert await findings(database) == []


async def test_import_in_pieces_is_visible_when_complete(
    storage: Storage, session_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = await exported(storage)
    with monkeypatch.context() as patch:
        cut_after(storage, 3, patch)
        with pytest.raises(StorageUnavailable):
            await storage.import_sessions("copy", export_of(lines), "fail", once=once())
    assert await storage.count_sessions("copy") == 0
    with pytest.raises(SessionNotFound):
        await storage.get_message("copy", session_id, 1)
    key: IdempotentRequest = once()
    assert await storage.import_sessions("copy", export_of(lines), "fail", once=key) == ImportReport(1, COUNT)
    assert await exported(storage, "copy") == lines


async def test_import_waits_for_another_of_the_same_session(storage: Storage, session_id: str, other: Storage) -> None:
    lines = await exported(storage)
    reports = await asyncio.gather(
        *(node.import_sessions("copy", export_of(lines), "skip") for node in (storage, other))
    )
    assert sorted((report.sessions, report.skipped) for report in reports) == [(0, 1), (1, 0)]
    assert await exported(storage, "copy") == lines
    assert session_id


async def test_cleanup_removes_everything(storage: Storage, session_id: str, database: str) -> None:
    for _ in range(5):
        await storage.fork_session(W, session_id, Fork())
    report = await storage.clean_up_sessions(W, CleanUp(older_than_days=0, status=("active",), dry_run=False))
    assert (report.sessions, report.messages) == (6, 6 * COUNT)
    assert await records(await storage.list_sessions(W, SessionQuery()), SessionSummary) == []
    await until_removed(storage)
    assert await number(storage, "SELECT COUNT(*) FROM message") == 0
    assert await findings(database) == []


async def test_message_of_a_deleted_session_is_not_replayed(storage: Storage, session_id: str) -> None:
    await storage.append_message(W, session_id, NewMessage("said"), once=once())
    await storage.delete_session(W, session_id)
    with pytest.raises(SessionNotFound):
        await storage.append_message(W, session_id, NewMessage("said"), once=once())
    with pytest.raises((SessionNotFound, MessageNotFound)):
        await storage.get_message(W, session_id, 1)


async def test_fork_has_corrections_made_during_copying(storage: Storage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(removal, "MESSAGES_AT_ONCE", 2)
    monkeypatch.setattr(forking, "CORRECTIONS_AT_ONCE", 2)
    session_id = await session_with(storage, *[[call(str(number))] for number in range(9)])
    uncorrected = [1, 2, 3]

    async def delete() -> None:
        if uncorrected:
            await storage.delete_message(W, session_id, uncorrected.pop())

    do_before_pieces(storage, delete, monkeypatch)
    fork = await storage.fork_session(W, session_id, Fork())
    assert await read(storage, fork.id) == await read(storage, session_id)
    assert await waiting(storage, fork.id) == await waiting(storage, session_id) == [4, 5, 6, 7, 8, 9]


async def test_session_waits_for_an_import_of_its_id(storage: Storage) -> None:
    assert isinstance(storage, TransactionalStorage)
    key: Bindings = {"workspace": W, "id": ID}
    await storage._transact(staging.begin, storage.statements, key, "import")  # noqa: SLF001
    creating = asyncio.create_task(storage.create_session(W, NewSession(id=ID)))
    done, _ = await asyncio.wait([creating], timeout=0.3)
    assert not done
    await storage._abandon(W, (ID, "import"))  # noqa: SLF001
    assert (await creating).id == ID
