"""Requests that arrive together share a transaction or a round trip on PostgreSQL, and each gets its own result."""

import asyncio
from hashlib import sha256, sha512

import asyncpg
import pytest
from msgspec import Raw

from amplifierd.storage import open_storage
from amplifierd.storage.model.database_errors import DatabaseDamaged
from amplifierd.storage.model.directories import NewDirectory
from amplifierd.storage.model.errors import SessionNotFound
from amplifierd.storage.model.profile_records import NewProfile
from amplifierd.storage.model.records import (
    AlreadyApplied,
    BatchMessage,
    IdempotentRequest,
    Messages,
    NewMessage,
    NewMessages,
    NewSession,
)
from amplifierd.storage.postgres.pool import connect

W = "default"


@pytest.fixture
def url(second_postgres: str) -> str:
    return second_postgres


async def transactions(url: str, table: str) -> int:
    """The number of transactions that wrote the rows of a table."""
    connection = await connect(url)
    counted: int = await connection.fetchval(f"SELECT COUNT(DISTINCT xmin::text) FROM {table}")  # noqa: S608  # a test's
    await connection.close()
    return counted


async def test_appends_of_many_requests_share_a_transaction(url: str) -> None:
    async with open_storage(url) as storage:
        session = await storage.create_session(W, NewSession())
        new = NewMessages([BatchMessage(content="x")])
        await asyncio.gather(*(storage.append_messages(W, session.id, new) for _ in range(200)))
        # The first write is a transaction alone; those that arrive meanwhile are the second.
        assert 0 < await transactions(url, "message") <= 3


async def connections(url: str) -> int:
    """The number of connections that the storages on a database have open."""
    connection = await asyncpg.connect(url)
    counted: int = await connection.fetchval(
        "SELECT COUNT(*) FROM pg_stat_activity WHERE application_name = 'amplifierd' AND datname = current_database()"
    )
    await connection.close()
    return counted


async def test_reads_of_many_sessions_share_a_connection(url: str) -> None:
    async with open_storage(url) as storage:
        requests = [NewSession(), NewSession(context=Raw(b'{"a":"' + b"x" * 10_000 + b'"}')), NewSession(name="a")] * 20
        created = [await storage.create_session(W, new) for new in requests]
        before = await connections(url)
        short = [session for session in created if len(bytes(session.context)) < 100]
        assert await asyncio.gather(*(storage.get_session(W, session.id.upper()) for session in short)) == short
        assert await connections(url) == before
        ids = [*(session.id for session in created), f"{created[0].id[:-1]}!", "a\0"]
        *found, wrong, strange = await asyncio.gather(
            *(storage.get_session(W, session_id) for session_id in ids), return_exceptions=True
        )
        assert found == created
        assert isinstance(wrong, SessionNotFound)
        assert isinstance(strange, SessionNotFound)


async def test_damaged_session_does_not_fail_reads_of_others(url: str) -> None:
    # Too long for the row, so that it is in a table of its own, where a part of it can get lost.
    labels = {str(number): sha512(b"%d" % number).hexdigest() for number in range(64)}
    async with open_storage(url) as storage:
        damaged = await storage.create_session(W, NewSession(labels=labels))
        sound = [await storage.create_session(W, NewSession()) for _ in range(10)]
        connection = await asyncpg.connect(url)
        parts = await connection.fetchval(
            "SELECT reltoastrelid::regclass::text FROM pg_class WHERE oid = 'amplifierd.session'::regclass"
        )
        # PostgreSQL refuses to change a table of parts, unless it is marked as a plain one.
        await connection.execute("UPDATE pg_class SET relkind = 'r' WHERE oid = $1::text::regclass", parts)
        await connection.execute(f"DELETE FROM {parts}")  # noqa: S608  # a name from the catalog
        await connection.execute("UPDATE pg_class SET relkind = 't' WHERE oid = $1::text::regclass", parts)
        await connection.close()
        read = (storage.get_session(W, session.id) for session in [damaged, *sound])
        error, *found = await asyncio.gather(*read, return_exceptions=True)
        assert isinstance(error, DatabaseDamaged)
        assert found == sound


async def test_creates_with_profiles_share_transactions(url: str) -> None:
    async with open_storage(url) as storage:
        await storage.create_profile(W, NewProfile("a/b"))
        await storage.create_directory(W, NewDirectory("x", "a/b"))
        # The first session of a new profile looks up its modules.
        await storage.create_session(W, NewSession(profile="a/b"))
        requests = [NewSession(), NewSession(profile="a/b"), NewSession(amplified_dir="x")] * 60
        opened = await asyncio.gather(*(storage.create_session(W, new) for new in requests))
        # One of them is that of the session before.
        assert 1 < await transactions(url, "session") <= 4
        assert [session.profile for session in opened] == ["default", "a/b", "a/b"] * 60
        assert (await storage.get_directory(W, "x")).session_count == 60


async def test_appends_with_keys_share_transactions(url: str) -> None:
    async with open_storage(url) as storage:
        session = await storage.create_session(W, NewSession())

        async def append(number: int) -> int:
            new = NewMessage(content=str(number), expected_sequence=number)
            once = IdempotentRequest(str(number), sha256(b"%d" % number))
            message = await storage.append_message(W, session.id, new, versions=(number, 0), once=once)
            return message.sequence

        assert await asyncio.gather(*map(append, range(1, 201))) == [*range(1, 201)]
        assert 0 < await transactions(url, "message") <= 3


async def test_key_sent_many_times_at_once_has_one_effect(url: str) -> None:
    async with open_storage(url) as storage:
        session = await storage.create_session(W, NewSession())
        new = NewMessages([BatchMessage(content='a"b\0', agent="x"), BatchMessage(content="ß", token_count=3)])
        once = IdempotentRequest("key", sha256(b"1"))
        results = await asyncio.gather(
            *(storage.append_messages(W, session.id, new, once=once) for _ in range(50)), return_exceptions=True
        )
        [first] = [result for result in results if isinstance(result, Messages)]
        assert [error.response for error in results if isinstance(error, AlreadyApplied)] == [first] * 49
        assert (await storage.get_session(W, session.id)).message_count == 2
