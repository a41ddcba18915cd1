"""How much PostgreSQL reads for a search, counted by itself."""

from collections.abc import AsyncIterator, Iterator
from contextlib import nullcontext
from itertools import pairwise

import asyncpg
import pytest

from amplifierd.storage import open_storage
from amplifierd.storage.model.queries import SearchQuery
from amplifierd.storage.model.records import BatchMessage, NewMessages, NewSession
from amplifierd.storage.postgres.store import PostgresStorage
from pgbouncer import pgbouncer

W = "default"
MESSAGES = 5_000
MESSAGES_OF_A_SESSION = 500
# A prepared statement may get another plan from its sixth execution.
EXECUTIONS = 8
READ = """
SELECT idx_tup_read
FROM pg_stat_user_indexes
WHERE indexrelname = 'search_pkey'
"""


@pytest.fixture(params=["direct", "pgbouncer"])
def url(request: pytest.FixtureRequest, second_postgres: str) -> Iterator[str]:
    """The URL of a database, without and with a pooler."""
    with nullcontext(second_postgres) if request.param == "direct" else pgbouncer(second_postgres, "session") as url:
        yield url


@pytest.fixture
async def filled(url: str, second_postgres: str) -> AsyncIterator[PostgresStorage]:
    """A storage with short messages, of which each has `common`, and one in a thousand has `rare`."""
    async with open_storage(url) as storage:
        assert isinstance(storage, PostgresStorage)
        for first in range(0, MESSAGES, MESSAGES_OF_A_SESSION):
            session = await storage.create_session(W, NewSession())
            numbers = range(first, first + MESSAGES_OF_A_SESSION)
            texts = [f"common word{number % 97} {'rare' if number % 1_000 == 0 else ''}" for number in numbers]
            await storage.append_messages(W, session.id, NewMessages([BatchMessage(content=it) for it in texts]))
        connection = await asyncpg.connect(second_postgres)
        await connection.execute("VACUUM ANALYZE amplifierd.search")
        await connection.close()
        yield storage


async def read_in_order(storage: PostgresStorage) -> int:
    """The number of entries that the index of places has given so far."""
    async with storage._pool.connection() as lent:  # noqa: SLF001  # the counts of its connection
        await lent.connection.execute("SELECT pg_stat_force_next_flush()")
        count: int = await lent.connection.fetchval(READ)
        return count


async def test_every_search_of_a_rare_word_uses_the_index_of_words(filled: PostgresStorage) -> None:
    counts = [await read_in_order(filled)]
    for _ in range(EXECUTIONS):
        await filled.search_messages(W, SearchQuery("rare"))
        counts.append(await read_in_order(filled))
    read = [after - before for before, after in pairwise(counts)]
    assert max(read) < MESSAGES / 10, read
