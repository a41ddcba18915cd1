"""Interrupted requests of many transactions continue when they are sent again."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Coroutine
from hashlib import sha256
from typing import Any

import pytest

from amplifierd.storage import open_storage
from amplifierd.storage.model.errors import (
    IdempotencyKeyInUse,
    IdempotencyKeyReused,
    StorageUnavailable,
)
from amplifierd.storage.model.interface import Storage
from amplifierd.storage.model.records import (
    AlreadyApplied,
    CleanUp,
    Export,
    ExportLine,
    IdempotentRequest,
    ImportReport,
    NewSession,
    OnConflict,
    Progressed,
)
from amplifierd.storage.operations.bulk import removal
from amplifierd.storage.operations.transfer import import_
from amplifierd.testing.storage.exports import export_of, exported
from amplifierd.testing.storage.requests.test_retries import once, sessions
from amplifierd.testing.storage.requests.test_transfer import family, parents_by_name
from amplifierd.testing.storage.steps import recorded

W = "default"


@pytest.fixture
def small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    """Imports with a tenth of a piece's bytes, so that few sessions take many pieces."""
    monkeypatch.setattr(removal, "BYTES_AT_ONCE", removal.BYTES_AT_ONCE // 10)


async def many(storage: Storage, count: int) -> None:
    await asyncio.gather(*(storage.create_session(W, NewSession()) for _ in range(count)))


async def given_up(work: Callable[[Progressed], Coroutine[Any, Any, object]]) -> None:
    """Start a request, and cancel it when it has written its first piece."""

    def cancel() -> None:
        task.cancel()

    # Called between two pieces, so that pieces remain on any machine.
    task = asyncio.create_task(work(cancel))
    with pytest.raises(asyncio.CancelledError):
        await task


async def give_up_import(storage: Storage, lines: list[ExportLine], on_conflict: OnConflict) -> None:
    """Start an import of these lines, and cancel it after its first piece."""
    batches = export_of(lines).batches
    await given_up(lambda progressed: storage.import_sessions(W, Export(batches, progressed), on_conflict, once=once()))


@pytest.mark.usefixtures("small_pieces")
async def test_interrupted_import_continues(storage: Storage, database: str) -> None:
    await many(storage, 400)
    lines = await exported(storage)
    await give_up_import(storage, lines, "new_id")
    assert 400 < await storage.count_sessions(W) < 800
    async with open_storage(database) as other:
        report = await other.import_sessions(W, export_of(lines), "new_id", once=once())
        assert report == ImportReport(sessions=400, renamed=400)
    assert await recorded(storage.import_sessions(W, export_of(lines), "new_id", once=once())) == report
    assert await storage.count_sessions(W) == 800


@pytest.mark.usefixtures("small_pieces")
async def test_concurrent_import_of_another_process_writes_nothing(storage: Storage) -> None:
    await many(storage, 400)
    lines = await exported(storage)

    async def batches() -> AsyncGenerator[list[ExportLine], None]:
        yield lines[:3]
        await give_up_import(storage, lines, "new_id")
        yield lines[3:]

    with pytest.raises(IdempotencyKeyInUse):
        await storage.import_sessions(W, Export(batches()), "new_id", once=once())
    report = await storage.import_sessions(W, export_of(lines), "new_id", once=once())
    assert report == ImportReport(sessions=400, renamed=400)
    assert await storage.count_sessions(W) == 800


@pytest.mark.usefixtures("small_pieces")
async def test_failing_import_continues_past_its_own_sessions(storage: Storage) -> None:
    await many(storage, 300)
    lines = await exported(storage)
    await storage.clean_up_sessions(W, CleanUp(older_than_days=0, status=("created",), dry_run=False))
    await give_up_import(storage, lines, "fail")
    with pytest.raises(IdempotencyKeyReused):
        await storage.import_sessions(W, export_of(lines), "fail", once=once(fingerprint="g"))
    with pytest.raises(IdempotencyKeyReused):
        await storage.create_session(W, NewSession(), once=once(fingerprint="another"))
    assert await storage.import_sessions(W, export_of(lines), "fail", once=once()) == ImportReport(sessions=300)
    assert await exported(storage) == lines


@pytest.mark.usefixtures("small_pieces")
async def test_import_sent_to_two_nodes_has_one_effect(storage: Storage, database: str) -> None:
    await many(storage, 300)
    lines = await exported(storage)
    async with open_storage(database) as other:
        results = await asyncio.gather(
            *(node.import_sessions(W, export_of(lines), "new_id", once=once()) for node in (storage, other)),
            return_exceptions=True,
        )
    reports = [result.response if isinstance(result, AlreadyApplied) else result for result in results]
    report = ImportReport(sessions=300, renamed=300)
    assert report in reports
    assert all(isinstance(result, IdempotencyKeyInUse) or result == report for result in reports)
    assert await storage.count_sessions(W) == 600


async def test_interrupted_cleanup_reports_all_deletions(storage: Storage) -> None:
    await many(storage, 1_500)
    cleanup = CleanUp(older_than_days=0, status=("created",), dry_run=False)
    await given_up(lambda progressed: storage.clean_up_sessions(W, cleanup, once=once(), progressed=progressed))
    assert 0 < await storage.count_sessions(W) < 1_500
    with pytest.raises(IdempotencyKeyReused):
        await storage.import_sessions(W, export_of(await exported(storage)), "skip", once=once(fingerprint="import"))
    later = await storage.create_session(W, NewSession())
    report = await storage.clean_up_sessions(W, cleanup, once=once())
    assert (report.sessions, len(set(report.session_ids))) == (1_500, 1_000)
    assert [session.id for session in await sessions(storage)] == [later.id]


async def test_continued_import_keeps_its_new_ids(storage: Storage, monkeypatch: pytest.MonkeyPatch) -> None:
    lines = family(await storage.create_session("elsewhere", NewSession()))
    await storage.import_sessions(W, export_of(lines), "fail")
    monkeypatch.setattr(removal, "MESSAGES_AT_ONCE", 1)
    written = import_.import_some
    # One piece to begin a session, and one to write it.
    tries = iter(range(2 * 3))

    async def cut_off(*arguments: Any) -> import_.Progress | None:
        if next(tries, None) is None:
            raise StorageUnavailable("it was cut off")
        return await written(*arguments)

    monkeypatch.setattr(import_, "import_some", cut_off)
    with pytest.raises(StorageUnavailable):
        await storage.import_sessions(W, export_of(lines), "new_id", once=IdempotentRequest("k", sha256(b"x")))
    monkeypatch.setattr(import_, "import_some", written)
    report = await storage.import_sessions(W, export_of(lines), "new_id", once=IdempotentRequest("k", sha256(b"x")))
    assert (report.sessions, report.renamed) == (5, 5)
    parents = await parents_by_name(storage)
    copies = {name: next(pair for pair in both if pair[0] != name) for name, both in parents.items()}
    before, root, after, grandchild, _ = sorted(parents)
    assert copies[before][1] == copies[after][1] == copies[root][0]
    assert copies[grandchild][1] == copies[before][0]
