"""Probes of a daemon: during the start, and while its storage accepts no writes."""

import asyncio
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import asyncpg
import httpx
import pytest

from amplifierd.storage.postgres.migrations import LOCK
from conftest import execute
from daemon import Daemon, http_get, http_post
from faults.small_disk import SmallDisk, limit_files, unlimit_files
from waits import until

SECONDS = 90
PROBES = ("/live", "/health")


def try_get(api: str, path: str) -> httpx.Response | None:
    try:
        return http_get(f"{api}{path}", timeout=SECONDS)
    except httpx.TransportError:
        return None


def has_status(api: str, path: str, status: int) -> bool:
    response = try_get(api, path)
    return response is not None and response.status_code == status


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


@contextmanager
def migration_held(url: str) -> Iterator[None]:
    """Another program migrates the database within the `with` block."""
    with asyncio.Runner() as runner:
        connection = runner.run(asyncpg.connect(url))
        runner.run(connection.execute(f"SELECT pg_advisory_lock({LOCK})"))
        yield
        runner.run(connection.close())


def end_those_who_wait(url: str) -> int:
    """End the connections that wait for the other program's migration. Returns their number."""

    async def end() -> int:
        connection = await asyncpg.connect(url)
        try:
            ended: int = await connection.fetchval(
                "SELECT COUNT(pg_terminate_backend(pid)) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
            )
        finally:
            await connection.close()
        return ended

    return asyncio.run(end())


@contextmanager
def starting(url: str, data_path: Path, *options: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A daemon whose database may not be open yet, and the base URL of its operations."""
    port = free_port()
    command = [sys.executable, "-m", "amplifierd", "serve", "--port", str(port), "--data-path", str(data_path)]
    with subprocess.Popen([*command, "--database", url, *options], stderr=subprocess.PIPE, text=True) as process:
        try:
            yield process, f"http://127.0.0.1:{port}/api/v1"
        finally:
            process.kill()


@pytest.mark.parametrize("workers", ["1", "2"])
def test_daemon_is_live_but_not_ready_during_a_migration(second_postgres: str, tmp_path: Path, workers: str) -> None:
    with starting(second_postgres, tmp_path, "--workers", workers) as (process, api):
        with migration_held(second_postgres):
            until(lambda: has_status(api, "/live", 200))
            for path in ("/health", "/status", "/sessions", "/nowhere"):
                refused = http_get(f"{api}{path}", timeout=SECONDS)
                assert (refused.status_code, refused.headers["retry-after"]) == (503, "1")
                assert refused.json()["type"] == "urn:amplifierd:problem:starting"
                assert refused.json()["detail"].startswith("The daemon is starting")
            probe = [
                sys.executable,
                "-m",
                "amplifierd",
                "health",
                "--timeout",
                "60",
                "--url",
                api.removesuffix("/api/v1"),
            ]
            outcome = subprocess.run(probe, capture_output=True, text=True, check=False)
            assert (outcome.returncode, outcome.stdout) == (1, "")
            assert outcome.stderr.startswith("Error: The daemon is starting")
            assert subprocess.run([*probe, "--live"], stdout=subprocess.PIPE, check=False).returncode == 0
        until(lambda: has_status(api, "/health", 200))
        assert http_post(f"{api}/sessions", timeout=SECONDS).status_code == 201
        process.send_signal(signal.SIGTERM)
        assert process.wait(SECONDS) == 0


@pytest.mark.parametrize("workers", ["1", "2"])
def test_failed_start_during_requests_prints_a_sentence(second_postgres: str, tmp_path: Path, workers: str) -> None:
    with starting(second_postgres, tmp_path, "--workers", workers) as (process, api):
        with migration_held(second_postgres):
            until(lambda: has_status(api, "/live", 200))
            # The daemon is live before it requests the lock.
            until(lambda: end_those_who_wait(second_postgres) > 0)
            assert process.wait(SECONDS) == 1
        assert process.stderr is not None
        errors = process.stderr.read()
    assert errors.splitlines()[-1].startswith("Error: The database ")
    assert "can't be opened" in errors
    assert "Traceback" not in errors


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[SmallDisk]:
    with SmallDisk(tmp_path) as mounted:
        yield mounted


def is_unwritable(response: httpx.Response | None) -> bool:
    return (
        response is not None
        and response.status_code == 503
        and response.json()["type"] == "urn:amplifierd:problem:storage-unavailable"
        and "Retry-After" in response.headers
    )


@pytest.mark.parametrize("writes", [True, False], ids=["under writes", "idle"])
@pytest.mark.parametrize("of_space", [True, False], ids=["no space", "no growth of files"])
def test_disk_without_writes_is_unhealthy(disk: SmallDisk, *, of_space: bool, writes: bool) -> None:
    with Daemon(f"sqlite:///{disk.directory}/a.db", within=disk.within) as daemon, daemon.client() as client:
        assert client.get("/health").status_code == 200
        if of_space and disk.is_mounted:
            disk.fill()
        else:
            limit_files(daemon.process.pid)
        if writes:
            until(lambda: client.post("/sessions", json={"name": "x" * 200}).status_code == 503)
        until(lambda: is_unwritable(client.get("/health")))
        assert client.get("/live").status_code == 200
        assert client.get("/sessions").status_code == 200
        if writes:
            daemon.wait_for_log("WARNING The storage refuses writes: ")
        if of_space and disk.is_mounted:
            disk.free()
        else:
            unlimit_files(daemon.process.pid)
        until(lambda: client.get("/health").status_code == 200)
        assert client.post("/sessions").status_code == 201
        if writes:
            daemon.wait_for_log("The storage accepts writes again")


def test_read_only_server_is_unhealthy(second_postgres: str) -> None:
    name = second_postgres.rpartition("/")[2].partition("?")[0]
    with Daemon(second_postgres) as daemon, daemon.client() as client:
        assert client.get("/health").status_code == 200
        execute(second_postgres, f"ALTER DATABASE {name} SET default_transaction_read_only = on")
        execute(
            second_postgres,
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE datname = current_database() AND application_name = 'amplifierd'",
        )
        until(lambda: is_unwritable(client.get("/health")) and "only read" in client.get("/health").json()["detail"])
        with_writes = f"BEGIN READ WRITE; ALTER DATABASE {name} RESET default_transaction_read_only; COMMIT"
        execute(second_postgres, with_writes)
        execute(
            second_postgres,
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE datname = current_database() AND application_name = 'amplifierd'",
        )
        until(lambda: client.get("/health").status_code == 200)
