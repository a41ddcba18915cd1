"""The amount of data that PostgreSQL reads for a search, by its own statistics."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractContextManager, AsyncExitStack, asynccontextmanager, nullcontext
from functools import partial
from hashlib import sha256

import asyncpg
import pytest

from amplifierd.storage import open_storage
from amplifierd.storage.model.queries import SearchQuery
from amplifierd.storage.model.records import BatchMessage, NewMessage, NewMessages, NewSession
from amplifierd.storage.postgres.pool import MAX_CONNECTIONS, ConnectionRows
from amplifierd.storage.postgres.search import candidates
from amplifierd.storage.postgres.store import PostgresStorage
from amplifierd.storage.search import results
from amplifierd.testing.storage.messages.test_search import hits
from conftest import postgres_database, template_of
from programs.pgbouncer import pgbouncer

Connect = Callable[[str], AbstractContextManager[str]]

W = "default"
MESSAGES = 5_000
MESSAGES_OF_A_SESSION = 500
# A prepared statement may get another plan from its sixth execution.
EXECUTIONS = 8
# Entries of the index of places, and of the index of words.
READ = """
SELECT
    SUM(idx_tup_read) FILTER (WHERE indexrelname = 'search_pkey'),
    SUM(idx_tup_read) FILTER (WHERE indexrelname = 'search_by_lexeme')
FROM pg_stat_user_indexes
"""

READ_ROWS = """
SELECT idx_tup_fetch
FROM pg_stat_user_tables
WHERE relname = 'search'
"""

READ_OF_LONG_VALUES = """
SELECT toast_blks_read + toast_blks_hit
FROM pg_statio_user_tables
WHERE relname = 'search'
"""
NO_AUTOVACUUM = "ALTER TABLE amplifierd.search SET (autovacuum_enabled = off, toast.autovacuum_enabled = off)"
LONG_MESSAGES = 150
WORDS_OF_A_LONG_MESSAGE = 2_500


@pytest.fixture(scope="module")
def short_messages(postgres: str) -> Iterator[str]:
    """The template of a database with short messages, each with `common`, and one in a thousand with `rare`."""
    with postgres_database(postgres) as url:
        asyncio.run(write_short_messages(url))
        yield template_of(postgres, url)


@pytest.fixture(scope="module")
def long_messages(postgres: str, short_messages: str) -> Iterator[str]:
    """The template of a database that also has long messages, of many different words."""
    with postgres_database(postgres, short_messages) as url:
        asyncio.run(write_long_messages(url))
        yield template_of(postgres, url)


@pytest.fixture(params=["direct", "pgbouncer"])
def connect(request: pytest.FixtureRequest) -> Connect:
    """The URL of a database, without and with a pooler."""
    return nullcontext if request.param == "direct" else partial(pgbouncer, pool_mode="session")


@pytest.fixture
def short_url(postgres: str, short_messages: str, connect: Connect) -> Iterator[str]:
    """The URL of a copy of `short_messages`."""
    with postgres_database(postgres, short_messages) as url, connect(url) as connected:
        yield connected


@pytest.fixture
def long_url(postgres: str, long_messages: str, connect: Connect) -> Iterator[str]:
    """The URL of a copy of `long_messages`."""
    with postgres_database(postgres, long_messages) as url, connect(url) as connected:
        yield connected


@pytest.fixture
async def filled(short_url: str) -> AsyncIterator[PostgresStorage]:
    """A storage with the messages of `short_messages`."""
    async with open_storage(short_url) as storage:
        assert isinstance(storage, PostgresStorage)
        yield storage


@pytest.fixture
async def filled_with_long(long_url: str) -> AsyncIterator[PostgresStorage]:
    """A storage with the messages of `long_messages`."""
    async with open_storage(long_url) as storage:
        assert isinstance(storage, PostgresStorage)
        yield storage


async def write_short_messages(url: str) -> None:
    async with open_storage(url) as storage:
        for first in range(0, MESSAGES, MESSAGES_OF_A_SESSION):
            session = await storage.create_session(W, NewSession())
            numbers = range(first, first + MESSAGES_OF_A_SESSION)
            texts = [text_of(number) for number in numbers]
            await storage.append_messages(W, session.id, NewMessages([BatchMessage(content=text) for text in texts]))
    connection = await asyncpg.connect(url)
    # It reads the table as well.
    await connection.execute(NO_AUTOVACUUM)
    await connection.execute("VACUUM ANALYZE amplifierd.search")
    await connection.close()


async def write_long_messages(url: str) -> None:
    async with open_storage(url) as storage:
        session = await storage.create_session(W, NewSession())
        for number in range(LONG_MESSAGES):
            words = [sha256(f"{number} {place}".encode()).hexdigest()[:9] for place in range(WORDS_OF_A_LONG_MESSAGE)]
            await storage.append_messages(W, session.id, NewMessages([BatchMessage(content=" ".join(words))]))


def text_of(number: int) -> str:
    """The text of a message."""
    return f"common word{number % 97} {'' if number % 1_000 else 'rare'} {'' if number else 'earliest'}"


async def entries_read(storage: PostgresStorage, query: SearchQuery) -> tuple[int, int]:
    """The number of entries of both indexes that a search reads."""
    before = await _counts(storage)
    await storage.search_messages(W, query)
    places, words = [after - count for after, count in zip(await _counts(storage), before, strict=True)]
    return places, words


async def _counts(storage: PostgresStorage) -> list[int]:
    async with _reported(storage) as lent:
        return [int(count) for count in await lent.row(READ, {}) or ()]


async def test_search_for_a_rare_word_uses_the_word_index(filled: PostgresStorage) -> None:
    read = [await entries_read(filled, SearchQuery("rare")) for _ in range(EXECUTIONS)]
    assert max(places for places, _ in read) < MESSAGES / 10, read


async def test_search_of_a_common_word_reads_the_latest_messages(
    filled: PostgresStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(results, "MAX_RANKED", 20)
    places, words = await entries_read(filled, SearchQuery("common"))
    assert places < MESSAGES / 10
    assert words == 0


async def test_search_of_words_of_some_messages_reads_recent_ones(
    filled: PostgresStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(results, "MAX_RANKED", 40)
    query = SearchQuery(" OR ".join(f"word{number}" for number in range(16)), limit=1_000)
    found = sum(number % 97 < 16 for number in range(MESSAGES))
    assert len(await hits(filled, query)) == 40
    before = await _count(filled, READ_ROWS)
    await filled.search_messages(W, query)
    assert await _count(filled, READ_ROWS) - before < found


async def test_search_reads_as_many_messages_as_it_may_rank(
    filled: PostgresStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    read_all, _ = await entries_read(filled, SearchQuery("common"))
    monkeypatch.setattr(results, "MAX_BYTES", 2_000)
    found = await hits(filled, SearchQuery("common", limit=1_000))
    assert 1 < len(found) < results.MAX_BYTES / len("common")
    places, words = await entries_read(filled, SearchQuery("common"))
    assert places < read_all / 3
    assert words == 0


async def test_short_messages_are_found_among_long_ones(filled: PostgresStorage) -> None:
    # The search expects that few messages are enough, because they may be as long as the latest one.
    session = await filled.create_session(W, NewSession())
    await filled.append_message(W, session.id, NewMessage(content="other " * 500_000))
    found = await hits(filled, SearchQuery("word7", limit=1_000))
    assert len(found) == len([number for number in range(MESSAGES) if number % 97 == 7])


async def test_earlier_messages_are_found_by_words_that_the_latest_have(
    filled: PostgresStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The search expects to find as many in the messages that it reads in their order.
    monkeypatch.setattr(results, "MAX_RANKED", candidates.SAMPLE + 1)
    [first] = await hits(filled, SearchQuery("earliest", limit=1))
    session = await filled.create_session(W, NewSession())
    texts = ["earliest and latest"] * candidates.SAMPLE
    await filled.append_messages(W, session.id, NewMessages([BatchMessage(content=text) for text in texts]))
    found = await hits(filled, SearchQuery("earliest", limit=1_000))
    assert len(found) == candidates.SAMPLE + 1
    assert first in found


async def test_search_of_a_rare_word_reads_no_long_messages(filled_with_long: PostgresStorage) -> None:
    before = await pages_of_long_values(filled_with_long)
    assert len(await hits(filled_with_long, SearchQuery("rare"))) == MESSAGES / 1_000
    assert await pages_of_long_values(filled_with_long) - before < LONG_MESSAGES


async def test_search_of_a_common_word_reads_no_long_messages(
    filled_with_long: PostgresStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(results, "MAX_RANKED", candidates.SAMPLE + 50)
    session = await filled_with_long.create_session(W, NewSession())
    texts = ["common"] * candidates.SAMPLE
    await filled_with_long.append_messages(W, session.id, NewMessages([BatchMessage(content=text) for text in texts]))
    before = await pages_of_long_values(filled_with_long)
    assert len(await hits(filled_with_long, SearchQuery("common", limit=1_000))) == candidates.SAMPLE + 50
    assert await pages_of_long_values(filled_with_long) - before < LONG_MESSAGES


async def pages_of_long_values(storage: PostgresStorage) -> int:
    """The number of pages of values too long for their rows that were read from the table of words."""
    return await _count(storage, READ_OF_LONG_VALUES)


async def _count(storage: PostgresStorage, statement: str) -> int:
    async with _reported(storage) as lent:
        [count] = await lent.row(statement, {}) or ()
        return int(count)


@asynccontextmanager
async def _reported(storage: PostgresStorage) -> AsyncIterator[ConnectionRows]:
    """A connection, after each one has reported what it read: an idle one would report that seconds later."""
    async with AsyncExitStack() as all_connections:
        for _ in range(MAX_CONNECTIONS):
            lending = storage._pool.connection()  # noqa: SLF001  # what its connection has read
            lent = await all_connections.enter_async_context(lending)
            await lent.row("SELECT pg_stat_force_next_flush()", {})
        yield lent
