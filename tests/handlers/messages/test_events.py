"""Server-Sent Events over a real socket, parsed as the EventSource specification requires."""

import json
import re
import signal
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from daemon import Daemon
from raw import Connection, get

Event = dict[str, str]


@pytest.fixture
def path(client: httpx.Client) -> str:
    """The path of a new session."""
    return f"/sessions/{client.post('/sessions').json()['id']}"


def events_of(response: httpx.Response) -> Iterator[Event]:
    """The fields of each event."""
    event: Event = {}
    for line in response.iter_lines():
        name, _, value = line.partition(": ")
        if name:
            event[name] = value
        elif event:
            yield event
            event = {}


@contextmanager
def following(daemon: Daemon, path: str, **headers: str) -> Iterator[Iterator[Event]]:
    """Open a stream of events, which is closed at the end."""
    with daemon.client() as client, client.stream("GET", path, headers=headers) as response:
        assert response.status_code == 200, response.read()
        assert response.headers["content-type"] == "text/event-stream; charset=utf-8"
        assert response.headers["cache-control"] == "no-store"
        yield events_of(response)


def append(client: httpx.Client, path: str, *contents: str) -> None:
    for content in contents:
        assert client.post(f"{path}/messages", json={"content": content}).status_code == 201


def test_conversation_is_followed(daemon: Daemon, client: httpx.Client, path: str) -> None:
    with following(daemon, f"{path}/events") as events:
        append(client, path, "Zeile\r\neins\n\nid: 7", "two")
        first, session, second = (next(events) for _ in range(3))
        assert (first["event"], first["id"]) == ("message", "1")
        assert json.loads(first["data"]) == client.get(f"{path}/messages/1").json()
        assert (session["event"], json.loads(session["data"])["status"]) == ("session", "active")
        assert (second["event"], second["id"]) == ("message", "2")
        client.delete(path)
        deleted = next(events)
        assert (deleted["event"], json.loads(deleted["data"])) == ("deleted", {"id": path.rpartition("/")[2]})
        assert next(events, None) is None


def test_transcript_is_followed_from_its_beginning(daemon: Daemon, client: httpx.Client, path: str) -> None:
    append(client, path, "one", "two")
    with following(daemon, f"{path}/events?after_sequence=0") as events:
        assert [next(events)["id"] for _ in range(3)] == ["1", "1.2", "2"]
    with following(daemon, f"{path}/events?after_sequence=0", **{"Last-Event-ID": "1.2"}) as events:
        assert next(events)["id"] == "2"


def test_creation_is_a_change_after_message_0(daemon: Daemon, path: str) -> None:
    with following(daemon, f"{path}/events?after_sequence=0") as events:
        event = next(events)
        assert (event["event"], event["id"]) == ("session", "0.1")


@pytest.mark.parametrize("last", ["9007199254740991", "1.9007199254740991"])
def test_largest_number_is_accepted_as_position(client: httpx.Client, path: str, last: str) -> None:
    assert client.head(f"{path}/events", headers={"Last-Event-ID": last}).status_code == 200


def test_workspace_stream_reports_all_sessions(daemon: Daemon, client: httpx.Client, path: str) -> None:
    with following(daemon, "/events") as events:
        append(client, path, "one")
        changed = next(events)
        created = client.post("/sessions").json()["id"]
        made = next(events)
        client.delete(f"/sessions/{created}")
        assert [changed["event"], made["event"], next(events)["event"]] == ["changed", "created", "deleted"]
    with following(daemon, "/events", **{"Last-Event-ID": changed["id"]}) as events:
        assert next(events)["event"] == "deleted"


@pytest.mark.parametrize(
    ("query", "headers"),
    [
        ("after_sequence=-1", {}),
        ("after_sequence=x", {}),
        ("from=1", {}),
        ("", {"Last-Event-ID": "x"}),
        ("", {"Last-Event-ID": ""}),
        ("", {"Last-Event-ID": "1.2.3"}),
    ],
)
def test_invalid_position_is_400(client: httpx.Client, path: str, query: str, headers: dict[str, str]) -> None:
    assert client.get(f"{path}/events?{query}", headers=headers).status_code == 400


def test_missing_record_is_404(client: httpx.Client) -> None:
    assert client.get("/sessions/nobody/events").status_code == 404
    assert client.get("/events", headers={"Last-Event-ID": "1.2"}).status_code == 400


def test_head_does_not_wait(client: httpx.Client, path: str) -> None:
    for stream in (f"{path}/events", "/events"):
        response = client.head(stream)
        assert (response.status_code, response.content) == (200, b"")


@pytest.mark.parametrize("workers", ["1", "2"])
def test_shutdown_ends_streams_in_order(database: str, workers: str) -> None:
    with Daemon(database, "--workers", workers, check_responses=False) as daemon:
        with daemon.client() as client:
            path = f"/sessions/{client.post('/sessions').json()['id']}"
        all_follow = threading.Barrier(9)

        def follow(stream: str) -> list[Event]:
            with following(daemon, stream) as events:
                all_follow.wait(120)
                return list(events)

        with ThreadPoolExecutor(8) as threads:
            followers = [threads.submit(follow, stream) for stream in [f"{path}/events", "/events"] * 4]
            all_follow.wait(120)
            daemon.process.send_signal(signal.SIGTERM)
            assert [follower.result(timeout=120) for follower in followers] == [[]] * 8
        assert daemon.wait() == 0
    assert "ERROR" not in daemon.log


def test_reader_on_another_worker_gets_events(database: str) -> None:
    with Daemon(database, "--workers", "2", check_responses=False) as daemon, daemon.client() as client:
        path = f"/sessions/{client.post('/sessions').json()['id']}"

        def first_event(_number: int) -> dict[str, Any]:
            with following(daemon, f"{path}/events?after_sequence=0") as events:
                return next(event for event in events if event["event"] == "message")

        with ThreadPoolExecutor(8) as threads:
            first_events = threads.map(first_event, range(8))
            time.sleep(0.5)
            append(client, path, "one")
            assert [event["id"] for event in first_events] == ["1"] * 8


def test_disconnected_reader_is_released(daemon: Daemon, client: httpx.Client, path: str) -> None:
    with Connection(daemon.port) as connection:
        connection.send(get(f"/api/v1{path}/events"))
        time.sleep(0.3)
    append(client, path, "one")
    daemon.wait_for_log(f"{path}/events")
    assert re.search(rf"GET /api/v1{path}/events \d+ [\d.]+ ms", daemon.log)


def resident_mebibytes(daemon: Daemon) -> int:
    status = Path(f"/proc/{daemon.process.pid}/status").read_text()
    [resident] = re.findall(r"VmRSS:\s+(\d+) kB", status)
    return int(resident) // 1024


def test_stalled_reader_takes_little_memory(database: str) -> None:
    with Daemon(database, check_responses=False) as daemon, daemon.client() as client, ExitStack() as connections:
        path = f"/sessions/{client.post('/sessions').json()['id']}"
        for _ in range(5):
            connection = connections.enter_context(Connection(daemon.port))
            connection.send(get(f"/api/v1{path}/events"))
        time.sleep(0.3)
        client.post(f"{path}/messages", json={"content": "x"})
        before = resident_mebibytes(daemon)
        for _ in range(20):
            client.post(f"{path}/messages/batch", json={"messages": [{"content": "x" * 2_000}] * 1_000})
        # 40 MB were sent, and none of the five readers has read any of it.
        assert resident_mebibytes(daemon) - before < 60
