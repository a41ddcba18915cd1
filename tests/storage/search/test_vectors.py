"""Vectors of messages are written once, even with failing services, concurrent processes and other work."""

import asyncio
import logging
from collections.abc import AsyncIterator, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import asyncpg
import pytest

from amplifierd.storage import open_storage
from amplifierd.storage.model.interface import Storage
from amplifierd.storage.model.queries import SessionQuery
from amplifierd.storage.model.records import BatchMessage, NewMessages, NewSession, SessionSummary
from amplifierd.storage.operations.vectors import statements, writing
from amplifierd.storage.search.embedders.entry_point import EmbedderOptions
from amplifierd.storage.search.embedders.openai import OpenAIEmbedder
from amplifierd.storage.sql.ports import Bindings, Transaction
from amplifierd.testing.storage.steps import found_by_meaning, records, until, until_found_by_meaning
from faults.remains import rows_of
from programs.embedding_service import MODEL, EmbeddingService, embedding_service

W = "default"
OTHER = "other letters"


@pytest.fixture
def service() -> Iterator[EmbeddingService]:
    """A service with two models."""
    with embedding_service() as running:
        running.models.add(OTHER)
        yield running


def opened(database: str, service: EmbeddingService, model: str = MODEL) -> AbstractAsyncContextManager[Storage]:
    """A storage like that of one of several processes that share a database."""
    return open_storage(database, embedder=OpenAIEmbedder(EmbedderOptions(service.url, model)))


@asynccontextmanager
async def connected(url: str) -> AsyncIterator["asyncpg.Connection[asyncpg.Record]"]:
    connection = await asyncpg.connect(url)
    try:
        yield connection
    finally:
        await connection.close()


async def create_session(storage: Storage, *texts: str, workspace: str = W) -> None:
    session = await storage.create_session(workspace, NewSession())
    messages = [BatchMessage(content=text) for text in texts]
    await storage.append_messages(workspace, session.id, NewMessages(messages))


async def test_vectors_of_one_model_survive_another(
    database: str, service: EmbeddingService, caplog: pytest.LogCaptureFixture
) -> None:
    async with opened(database, service) as before:
        await create_session(before, *["xx"] * 40)
        await until_found_by_meaning(before, 40)
        async with opened(database, service, OTHER) as after:
            await until_found_by_meaning(after, 40)
            with caplog.at_level(logging.WARNING):
                for _ in range(5):
                    await create_session(before, "yy")
                    await asyncio.sleep(0.3)

            async def is_said() -> bool:
                return "This process stops writing vectors of messages" in caplog.text

            await until(is_said)
            await until_found_by_meaning(after, 45)
            assert sum(texts.count("xx") for texts in service.batches) == 80
            assert caplog.text.count("This process stops writing vectors of messages") == 1


async def test_model_used_again_computes_all_vectors_again(
    database: str, service: EmbeddingService, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with opened(database, service) as storage:
        await create_session(storage, *["xx"] * 40)
        await until_found_by_meaning(storage, 40)
    forget = writing._forget  # noqa: SLF001  # before the first pause between vectors
    with monkeypatch.context() as steps:

        async def forget_one(transaction: Transaction, lease: Bindings, statement: str) -> bool:
            if statement == statements.FORGET_VECTORS:
                steps.setattr(writing, "PAUSE_SECONDS", 3600)
            return await forget(transaction, lease, statement)

        async def are_some_forgotten() -> bool:
            return await asyncio.to_thread(rows_of, database, "embedding") < 40

        steps.setattr(writing, "VECTORS_FORGOTTEN", 1)
        steps.setattr(writing, "_forget", forget_one)
        async with opened(database, service, OTHER):
            await until(are_some_forgotten)
        assert await asyncio.to_thread(rows_of, database, "embedding") > 0
    async with opened(database, service) as storage:
        await until_found_by_meaning(storage, 40)


async def test_service_slower_than_the_lease_still_gets_vectors_written(
    database: str, service: EmbeddingService, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writing, "LEASE_SECONDS", 2)
    monkeypatch.setattr(writing, "RENEWAL_SECONDS", 0.5)
    async with opened(database, service) as storage, opened(database, service):
        service.delay = 4
        await create_session(storage, "xx")

        async def is_written() -> bool:
            return await storage.waiting_vectors() == 0

        await until(is_written)


async def test_batch_has_a_limited_time(
    database: str, service: EmbeddingService, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    service.is_slow = True
    async with opened(database, service) as storage:

        async def is_said() -> bool:
            return "did not respond within 0.5 seconds" in caplog.text

        with monkeypatch.context() as patch:
            patch.setattr(writing, "BATCH_SECONDS", 0.5)
            await create_session(storage, "xx")
            await until(is_said)
        service.is_slow = False
        await until_found_by_meaning(storage, 1)


async def test_steady_writes_do_not_delay_vectors(database: str, service: EmbeddingService) -> None:
    async with opened(database, service) as storage:

        async def has_vectors() -> bool:
            await create_session(storage, "xx")
            return bool(service.batches)

        await until(has_vectors)


async def test_busy_workspace_does_not_delay_others(
    database: str, service: EmbeddingService, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writing, "STEPS_IN_TURN", 3)
    service.held = "xx"
    async with opened(database, service) as storage:
        await create_session(storage, *["xx"] * 320, workspace="busy")

        async def write() -> None:
            while True:
                await create_session(storage, "yy", workspace="busy")
                await asyncio.sleep(0.1)

        writes = asyncio.create_task(write())
        await create_session(storage, "quiet", workspace="quiet")
        service.delay, service.held = 0.2, "\0"

        async def is_sent() -> bool:
            return ["quiet"] in service.batches

        await until(is_sent)
        writes.cancel()
        assert sum(texts.count("xx") for texts in service.batches) < 320


async def test_text_that_breaks_the_service_is_skipped(database: str, service: EmbeddingService) -> None:
    service.failing = "poison"
    async with opened(database, service) as storage:
        await create_session(storage, "xx", "poison", "yy")
        await create_session(storage, "poison")
        await create_session(storage, "zz")
        await until_found_by_meaning(storage, 3)


async def test_failing_service_loses_no_vector(database: str, service: EmbeddingService) -> None:
    service.status = 500
    async with opened(database, service) as storage:
        await create_session(storage, "xx", "yy")

        async def has_failed() -> bool:
            return ["text"] in service.batches

        await until(has_failed)
        service.status = 200
        await until_found_by_meaning(storage, 2)


async def test_server_without_vectors_leaves_none(second_postgres: str, service: EmbeddingService) -> None:
    async with opened(second_postgres, service) as storage, connected(second_postgres) as earlier:
        await create_session(storage, "xx", "yy", "zz")
        await create_session(storage, "ww")
        await until_found_by_meaning(storage, 4)
        # As a server of the previous version does, which has another search path.
        await earlier.execute(
            """
            UPDATE amplifierd.message
            SET record = replace(record, 'yy', 'corrected')
            WHERE record LIKE '%yy%'
            """
        )
        assert await earlier.fetchval("SELECT COUNT(*) FROM amplifierd.embedding") == 3
        await earlier.execute(
            """
            UPDATE amplifierd.session
            SET revision = revision + 10
            WHERE message_count = 3
            """
        )
        await until_found_by_meaning(storage, 4)
        assert ["corrected"] in service.batches
        await earlier.execute("DELETE FROM amplifierd.message WHERE record LIKE '%ww%'")
        assert await earlier.fetchval("SELECT COUNT(*) FROM amplifierd.embedding") == 3
        await earlier.execute(
            """
            INSERT INTO amplifierd.removal (workspace, session_id, lease_until)
            SELECT workspace, id, 1e12
            FROM amplifierd.session
            WHERE message_count = 1
            """
        )
        await earlier.execute("DELETE FROM amplifierd.removal")
        assert await earlier.fetchval("SELECT COUNT(*) FROM amplifierd.embedding_session") == 1


async def test_memory_keeps_vectors_and_skips_deleted_messages(service: EmbeddingService) -> None:
    service.refused = "forbidden"
    async with opened("memory://", service) as storage:
        await create_session(storage, *["xx", "yy"] * 30, "forbidden")
        assert await found_by_meaning(storage) == 60
        requests = len(service.batches)
        assert await found_by_meaning(storage) == 60
        # The vector of the query.
        assert service.batches[requests:] == [["zzz"]]
        await create_session(storage, "ww")
        service.held = "ww"
        searching = asyncio.create_task(found_by_meaning(storage))

        async def is_asked() -> bool:
            return ["ww"] in service.batches

        await until(is_asked)
        page = await records(await storage.list_sessions(W, SessionQuery()), SessionSummary)
        for session in page:
            await storage.delete_session(W, session.id)
        service.held = "\0"
        assert await searching == 0
