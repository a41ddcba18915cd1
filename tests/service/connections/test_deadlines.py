"""A request whose response does not begin in time gets 503, and frees its resources."""

# ruff: noqa: SLF001  # slow steps are injected where the storage waits

import asyncio
import json
import time
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import apsw
import asyncpg
import httpx
import pytest

from amplifierd.app import create_app
from amplifierd.server.http1.limits import Limits
from amplifierd.settings import Settings
from amplifierd.storage import open_storage
from amplifierd.storage.model.interface import Storage
from daemon import Daemon, http_client
from programs.short_timeouts import serving
from raw import Connection, get

SECONDS = 1.0
KIND = "urn:amplifierd:problem:deadline-exceeded"
FOREVER = "WITH RECURSIVE number (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM number) SELECT COUNT(*) FROM number"
HEALTH = get("/api/v1/health")


@pytest.fixture
def hasty(tmp_path: Path) -> Iterator[tuple[Any, httpx.Client]]:
    """A storage, and a client of a server on it with a request timeout of one second."""
    settings = Settings(
        database=f"sqlite:///{tmp_path / 'a.db'}", data_path=tmp_path, log_level="warning", request_timeout=SECONDS
    )
    storage = open_storage(settings.database)
    # The clients are slow; the deadline does not apply to them.
    with (
        serving(create_app(settings, storage), Limits(body_seconds=10, body_bytes=1)) as port,
        http_client(base_url=f"http://127.0.0.1:{port}/api/v1", timeout=60) as client,
    ):
        yield storage, client


def given_up(response: httpx.Response, words: str) -> None:
    assert response.status_code == 503, response.text
    assert response.headers["retry-after"] == "1"
    problem = response.json()
    assert problem["type"] == KIND
    assert "The response did not begin within" in problem["detail"]
    assert words in problem["detail"]


def instead(monkeypatch: pytest.MonkeyPatch, storage: Storage, name: str, work: Callable[..., Awaitable[Any]]) -> None:
    monkeypatch.setattr(storage, name, work)


def test_endless_statements_do_not_block_other_requests(
    hasty: tuple[Any, httpx.Client], monkeypatch: pytest.MonkeyPatch
) -> None:
    storage, client = hasty

    async def count_forever() -> None:
        await storage._readers.work(lambda connection: connection.execute(FOREVER).fetchall())

    instead(monkeypatch, storage, "ping", count_forever)
    with ThreadPoolExecutor(20) as threads:
        for response in threads.map(lambda _: client.get("/health"), range(40)):
            given_up(response, "Request less at a time, or retry later.")
    assert client.get("/search", params={"q": "x"}).json() == []


def test_endless_request_gets_a_response(hasty: tuple[Any, httpx.Client], monkeypatch: pytest.MonkeyPatch) -> None:
    storage, client = hasty
    released = asyncio.Event()

    async def hold_on(*_arguments: object, **_options: object) -> None:
        while not released.is_set():
            try:
                await released.wait()
            except asyncio.CancelledError:
                continue

    instead(monkeypatch, storage, "ping", hold_on)
    with Connection(client.base_url.port or 0) as connection:
        for _ in range(2):
            connection.send(HEALTH)
            response = connection.response()
            assert (response.status, response.json["type"]) == (503, KIND)
        monkeypatch.undo()
        connection.send(HEALTH)
        assert connection.response().status == 200
        instead(monkeypatch, storage, "create_session", hold_on)
        given_up(client.post("/sessions", json={}), "It may have been applied completely, partly or not at all.")
        storage._writer._loop.call_soon_threadsafe(released.set)


def test_connection_continues_after_timed_out_requests(
    hasty: tuple[Any, httpx.Client], monkeypatch: pytest.MonkeyPatch
) -> None:
    storage, client = hasty

    async def sleep() -> None:
        await asyncio.sleep(3_600)

    with Connection(client.base_url.port or 0) as connection:
        for _ in range(2):
            instead(monkeypatch, storage, "ping", sleep)
            connection.send(HEALTH + HEALTH)
            assert [connection.response().status for _ in range(2)] == [503, 503]
            monkeypatch.undo()
            connection.send(HEALTH + HEALTH)
            assert [connection.response().status for _ in range(2)] == [200, 200]


def test_time_limit_applies_to_each_part_of_bodies_and_streams(hasty: tuple[Any, httpx.Client]) -> None:
    _, client = hasty

    def slowly(*parts: bytes) -> Iterator[bytes]:
        for part in parts:
            time.sleep(SECONDS * 0.4)
            yield part

    headers = {"Content-Type": "application/json"}
    created = client.post("/sessions", content=slowly(b"{", b" ", b" ", b"}"), headers=headers)
    assert created.status_code == 201
    header = json.dumps({"header": {"format": "amplifierd-export", "version": 1}}).encode()
    headers = {"Content-Type": "application/x-ndjson"}
    imported = client.post("/import", content=slowly(header, b"\n", b"\n", b"\n"), headers=headers)
    assert imported.json()["sessions"] == 0
    with client.stream("GET", f"/sessions/{created.json()['id']}/events") as events:
        time.sleep(SECONDS * 1.2)
        client.post(f"/sessions/{created.json()['id']}/messages", json={"content": "x"})
        assert next(line for line in events.iter_lines() if line.startswith("event")) == "event: message"


@contextmanager
def locked(database: str) -> Iterator[None]:
    """Lock the database against other writers within the `with` block."""
    if database.startswith("sqlite"):
        connection = apsw.Connection(database.removeprefix("sqlite:///"))
        connection.execute("BEGIN IMMEDIATE")
        yield
        connection.close()
        return
    with asyncio.Runner() as runner:
        lent = runner.run(asyncpg.connect(database))
        runner.run(lent.execute("BEGIN; LOCK TABLE amplifierd.message, amplifierd.session IN SHARE MODE"))
        yield
        # A statement that is being cancelled must not get the lock first.
        while runner.run(lent.fetchval("SELECT COUNT(*) FROM pg_locks WHERE NOT granted")):
            time.sleep(0.05)
        runner.run(lent.close())


def test_waiting_write_is_withdrawn(database: str) -> None:
    with Daemon(database, "--request-timeout", "1") as daemon, daemon.client() as client:
        path = f"/sessions/{client.post('/sessions').json()['id']}"
        # Whether PostgreSQL has the append already depends on what came first.
        appended = "nothing was written" if database.startswith("sqlite") else "the request was aborted"
        with locked(database), ThreadPoolExecutor(8) as threads:
            patches = [threads.submit(client.patch, path, json={"name": "x"}) for _ in range(3)]
            appends = [threads.submit(client.post, f"{path}/messages", json={"content": "x"}) for _ in range(3)]
            for patch in patches:
                given_up(patch.result(), "nothing was written")
            given_up(appends[0].result(), appended)
            assert client.get(path).status_code == 200
        assert client.post(f"{path}/messages", json={"content": "kept"}).json()["sequence"] == 1
        assert "name" not in client.get(path).json()
