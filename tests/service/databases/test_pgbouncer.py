"""PgBouncer between a daemon and its database, configured to ignore the daemon's start-up parameters."""

import asyncio
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import pytest

from amplifierd.storage import open_storage
from amplifierd.storage.model.database_errors import DatabaseUnusable
from amplifierd.storage.model.interface import Storage
from amplifierd.storage.model.records import NewMessage, NewSession
from conftest import execute
from daemon import Daemon, http_get
from keys import amplifierd_keys
from programs.pgbouncer import pgbouncer

W = "default"
OUTSIDE = """
SELECT schemaname || '.' || tablename
FROM pg_tables
WHERE schemaname NOT IN ('amplifierd', 'pg_catalog', 'information_schema')
"""
SETTINGS = """
SELECT current_schema(), current_setting('lock_timeout'), current_setting('row_security')
"""


async def fetch(url: str, statement: str) -> list[Any]:
    connection = await asyncpg.connect(url)
    try:
        return [tuple(row) for row in await connection.fetch(statement)]
    finally:
        await connection.close()


def create_key(url: str) -> str:
    return amplifierd_keys("create", "--name", "x", "--database", url).strip()


def test_keys_created_without_the_pooler_are_seen(second_postgres: str) -> None:
    with pgbouncer(second_postgres, "session") as url, Daemon(url) as daemon, daemon.client() as client:
        session_id = client.post("/sessions").json()["id"]
        for number in range(60):
            assert client.post(f"/sessions/{session_id}/messages", json={"content": f"{number}"}).status_code == 201
        key = create_key(second_postgres)
        _wait_until_closed(daemon, client)
        allowed = client.get("/sessions", headers={"Authorization": f"Bearer {key}"})
        assert [each["messageCount"] for each in allowed.json()] == [60]
    assert asyncio.run(fetch(second_postgres, OUTSIDE)) == []
    assert "Traceback" not in daemon.log


def _wait_until_closed(daemon: Daemon, client: httpx.Client) -> None:
    for _ in range(1_000):
        if client.get("/sessions").status_code == 401:
            return
        asyncio.run(asyncio.sleep(0.05))
    raise AssertionError(f"Requests without a key are served: {daemon.log}")


async def test_connections_through_the_pooler_are_set_up(second_postgres: str) -> None:
    with pgbouncer(second_postgres, "session") as url:
        async with open_storage(url) as storage:
            session = await storage.create_session(W, NewSession())
            await asyncio.gather(*(storage.append_message(W, session.id, NewMessage(content="x")) for _ in range(50)))
            pool = storage._pool  # type: ignore[attr-defined]  # noqa: SLF001  # what no other can tell
            async with pool.connection() as first, pool.connection() as second:
                for lent in (first, second):
                    assert await lent.row(SETTINGS, {}) == ("amplifierd", "5s", "off")


@pytest.mark.parametrize("settings", [(), ("server_round_robin = 1",), ("default_pool_size = 2",)])
async def test_storage_refuses_transaction_pooling(second_postgres: str, settings: tuple[str, ...]) -> None:
    with pgbouncer(second_postgres, "transaction", *settings) as url:
        for _ in range(3):
            with pytest.raises(DatabaseUnusable, match="pool_mode = session"):
                await open_storage(url).open()
    assert await fetch(second_postgres, OUTSIDE) == []


async def test_transaction_pooling_is_refused(second_postgres: str) -> None:
    with pgbouncer(second_postgres, "transaction") as url:
        busy = [asyncio.create_task(_keep_busy(url)) for _ in range(5)]
        try:
            for _ in range(3):
                with pytest.raises(DatabaseUnusable, match="pool_mode = session"):
                    await open_storage(url).open()
        finally:
            for task in busy:
                task.cancel()
            await asyncio.gather(*busy, return_exceptions=True)


async def _keep_busy(url: str) -> None:
    connection = await asyncpg.connect(url)
    try:
        while True:
            await connection.execute("SELECT 1")
    finally:
        connection.terminate()


async def test_tables_in_another_schema_are_found(second_postgres: str) -> None:
    async with open_storage(second_postgres) as storage:
        await storage.create_session(W, NewSession())
    await _execute(second_postgres, "DROP SCHEMA public; ALTER SCHEMA amplifierd RENAME TO public")
    with pytest.raises(DatabaseUnusable, match="ALTER SCHEMA public RENAME TO amplifierd"):
        await open_storage(second_postgres).open()
    await _execute(second_postgres, "ALTER SCHEMA public RENAME TO amplifierd")
    async with open_storage(second_postgres) as storage:
        assert await storage.count_sessions(W) == 1


async def test_rows_that_a_policy_hides_open_no_door(second_postgres: str) -> None:
    async with open_storage(second_postgres):
        pass
    policy = "ALTER TABLE amplifierd.api_key ENABLE ROW LEVEL SECURITY"
    name = f"reader_{second_postgres.rpartition('_')[2]}"
    grants = f"GRANT USAGE ON SCHEMA amplifierd TO {name}; GRANT ALL ON ALL TABLES IN SCHEMA amplifierd TO {name}"
    await _execute(second_postgres, f"{policy}; CREATE ROLE {name} LOGIN; {grants}")
    try:
        async with open_storage(second_postgres.replace("postgres@", f"{name}@")) as storage:
            assert isinstance(storage, Storage)
            with pytest.raises(Exception, match="row-level security policy"):
                await storage.has_keys()
    finally:
        await _execute(second_postgres, f"DROP OWNED BY {name}; DROP ROLE {name}")


async def _execute(url: str, statement: str) -> None:
    await asyncio.to_thread(execute, url, statement)


@pytest.mark.parametrize("variable", ["PGPASSWORD", "PGPASSFILE"])
def test_password_need_not_be_in_a_command_line(
    second_postgres: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    users, passwords = tmp_path / "users", tmp_path / "passwords"
    users.write_text('"postgres" "correct horse"\n')
    passwords.write_text("*:*:*:*:correct horse\n")
    passwords.chmod(0o600)
    tmp_path.chmod(0o755)
    monkeypatch.setenv(variable, "correct horse" if variable == "PGPASSWORD" else str(passwords))
    with pgbouncer(second_postgres, "session", "auth_type = plain", f"auth_file = {_readable(users)}") as url:
        with Daemon(url, start="command") as daemon:
            assert http_get(f"{daemon.api}/sessions").status_code == 200
            arguments = Path(f"/proc/{daemon.process.pid}/cmdline").read_bytes()
        monkeypatch.delenv(variable)
        with pytest.raises(RuntimeError, match="can't be opened"):
            Daemon(url)
    assert b"horse" not in arguments
    assert "horse" not in daemon.log


def _readable(file: Path) -> Path:
    """Let PgBouncer's user search the folders of the file. Returns the file."""
    for folder in [*file.parents][:4]:
        folder.chmod(0o755)
    return file
