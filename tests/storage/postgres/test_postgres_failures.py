"""Errors of PostgreSQL, the driver and the network: which of them are a 503."""

import asyncio
import ssl

import asyncpg
import pytest

from amplifierd.storage import open_storage
from amplifierd.storage.model.database_errors import DatabaseDamaged
from amplifierd.storage.model.errors import StorageUnavailable
from amplifierd.storage.model.records import NewSession
from amplifierd.storage.postgres import pool as pool_module
from amplifierd.storage.postgres.binding import bound
from amplifierd.storage.postgres.errors import as_storage_error
from amplifierd.storage.postgres.pool import Pool
from amplifierd.storage.postgres.statements import PostgresStatements
from programs.stalling_proxy import stalling

PROCESS = "SELECT pg_backend_pid()"
AWAY = [
    TimeoutError(),
    ConnectionResetError("reset"),
    asyncio.IncompleteReadError(b"", 1),
    ssl.SSLError("bad record"),
    OSError("no route"),
    asyncpg.InterfaceError("cannot perform operation: connection is closed"),
    asyncpg.InternalClientError("unexpected"),
    asyncpg.exceptions.ProtocolError("unexpected"),
    asyncpg.exceptions.OutdatedSchemaCacheError("changed"),
    asyncpg.TargetServerAttributeNotMatched("only replicas"),
    asyncpg.ConnectionDoesNotExistError("closed in the middle of an operation"),
    asyncpg.ProtocolViolationError("no more connections allowed"),
    asyncpg.InvalidPasswordError("password authentication failed"),
    asyncpg.InvalidAuthorizationSpecificationError("role is not permitted to log in"),
    asyncpg.InvalidCatalogNameError("database does not exist"),
    asyncpg.InsufficientPrivilegeError("permission denied for table session"),
    asyncpg.InvalidSQLStatementNameError("prepared statement does not exist"),
    asyncpg.InvalidCachedStatementError("cached plan must not change result type"),
    asyncpg.ReadOnlySQLTransactionError("cannot execute INSERT in a read-only transaction"),
    asyncpg.IdleInTransactionSessionTimeoutError("terminating connection"),
    asyncpg.SerializationError("could not serialize access"),
    asyncpg.DeadlockDetectedError("deadlock detected"),
    asyncpg.TooManyConnectionsError("sorry, too many clients already"),
    asyncpg.DiskFullError("could not extend file"),
    asyncpg.OutOfMemoryError("out of memory"),
    asyncpg.LockNotAvailableError("canceling statement due to lock timeout"),
    asyncpg.ObjectNotInPrerequisiteStateError("database is not accepting connections"),
    asyncpg.QueryCanceledError("canceling statement due to statement timeout"),
    asyncpg.AdminShutdownError("terminating connection due to administrator command"),
    asyncpg.CannotConnectNowError("the database system is starting up"),
    asyncpg.PostgresIOError("could not read block"),
]
OWN = [
    asyncpg.UniqueViolationError("duplicate key"),
    asyncpg.PostgresSyntaxError("syntax error"),
    asyncpg.UndefinedTableError("relation does not exist"),
    asyncpg.DataError("invalid input for query argument"),
    ValueError("x"),
]


@pytest.mark.parametrize("error", AWAY, ids=lambda error: type(error).__name__)
def test_passing_error_is_an_unavailable_storage(error: Exception) -> None:
    assert isinstance(as_storage_error(error), StorageUnavailable)
    # The reason is never empty.
    assert "says: ." not in str(as_storage_error(error))


@pytest.mark.parametrize("error", OWN, ids=lambda error: type(error).__name__)
def test_defect_is_raised_unchanged(error: Exception) -> None:
    assert as_storage_error(error) is error


def test_damaged_page_is_reported_as_damage() -> None:
    assert isinstance(as_storage_error(asyncpg.DataCorruptedError("invalid page")), DatabaseDamaged)


@pytest.mark.parametrize("kind", ["json", "jsonb"])
async def test_text_that_is_not_json_is_reported_as_damage(second_postgres: str, kind: str) -> None:
    with pytest.raises(DatabaseDamaged, match="invalid input syntax for type json"):
        await _convert(second_postgres, "{[", kind)


@pytest.mark.parametrize("kind", ["bigint", "boolean", "bigint[]"])
async def test_text_that_is_invalid_for_another_type_is_a_defect(second_postgres: str, kind: str) -> None:
    with pytest.raises(asyncpg.InvalidTextRepresentationError, match='"json"'):
        await _convert(second_postgres, "json", kind)


async def test_unreturnable_connection_fails_no_request(
    second_postgres: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async with stalling(second_postgres) as (proxy, url):
        pool = await Pool.open(url)
        waiting = asyncio.create_task(pool.row("SELECT pg_sleep(600)", {}))
        await _until_asleep(second_postgres)
        monkeypatch.setattr(pool_module, "WAIT_SECONDS", 0.2)
        proxy.stall()
        # asyncpg asks the server to cancel, and the release waits for that in vain.
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        proxy.resume()
        monkeypatch.setattr(pool_module, "WAIT_SECONDS", 30)
        assert await pool.row("SELECT 1", {}) == (1,)
        pool.terminate()
    assert "could not be given back: The storage is not available: PostgreSQL did not answer in time" in caplog.text


async def test_connection_that_hangs_does_not_delay_the_reads_after_it(second_postgres: str) -> None:
    async with stalling(second_postgres) as (proxy, url), open_storage(url) as storage:
        session = await storage.create_session("default", NewSession())
        assert await storage.get_session("default", session.id) == session
        proxy.hang(await _port_of(second_postgres, PostgresStatements.SHORT_SESSIONS))
        for _ in range(2):
            reads = asyncio.gather(*(storage.get_session("default", session.id) for _ in range(5)))
            # Less than the limit of a command, which would end the read in the hanging connection.
            assert await asyncio.wait_for(reads, pool_module.COMMAND_SECONDS / 2) == [session] * 5
        proxy.resume()


async def _port_of(url: str, statement: str) -> int:
    """The port from which the last of these statements was sent."""
    text, _ = bound(statement, {"workspace": "", "session_ids": []})
    connection = await asyncpg.connect(url)
    found = "SELECT client_port FROM pg_stat_activity WHERE datname = current_database() AND query = $1"
    port: int = await connection.fetchval(f"{found} ORDER BY query_start DESC", text)
    await connection.close()
    return port


async def test_unfinished_transaction_does_not_reach_the_next_user(second_postgres: str) -> None:
    pool = await Pool.open(second_postgres)
    async with pool.connection() as lent:
        await lent.connection.execute("BEGIN")
        await lent.connection.execute("CREATE TABLE unfinished (number BIGINT)")
    async with pool.connection() as lent:
        assert not lent.connection.is_in_transaction()
        assert await lent.one("SELECT to_regclass('unfinished')", {}) == (None,)
    await pool.close()


async def test_cancelled_request_leaves_a_usable_connection(second_postgres: str) -> None:
    pool = await Pool.open(second_postgres)
    process = await pool.row(PROCESS, {})
    waiting = asyncio.create_task(pool.row("SELECT pg_sleep(600)", {}))
    await _until_asleep(second_postgres)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert await pool.row(PROCESS, {}) == process
    await pool.close()


async def test_closing_waits_for_lent_connections(second_postgres: str) -> None:
    pool = await Pool.open(second_postgres)
    async with pool.connection() as lent:
        closing = asyncio.create_task(pool.close())
        # Closing has begun, and waits.
        done, _ = await asyncio.wait([closing], timeout=0.1)
        assert not done
        assert await lent.row("SELECT 1", {}) == (1,)
    await closing
    with pytest.raises(StorageUnavailable):
        await pool.row("SELECT 1", {})


async def _until_asleep(url: str) -> None:
    connection = await asyncpg.connect(url)
    asleep = "SELECT COUNT(*) FROM pg_stat_activity WHERE query = 'SELECT pg_sleep(600)' AND state = 'active'"
    async with asyncio.timeout(60):
        while not await connection.fetchval(asleep):  # noqa: ASYNC110  # what is waited for is in the server
            await asyncio.sleep(0.05)
    await connection.close()


async def _convert(url: str, text: str, kind: str) -> None:
    pool = await Pool.open(url)
    try:
        await pool.row(f"SELECT CAST(CAST(:text AS text) AS {kind})", {"text": text})
    finally:
        pool.terminate()
