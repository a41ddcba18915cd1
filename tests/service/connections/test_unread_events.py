"""Streams of events that many clients do not read: they take little memory, and none once their clients have gone."""

import gc
import json
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx
import pytest

from amplifierd.app import create_app
from amplifierd.contract.response.unsent_data import UnsentData
from amplifierd.server.http1.limits import Limits
from amplifierd.server.http1.request import Request
from amplifierd.settings import Settings
from amplifierd.storage import open_storage
from daemon import Daemon
from programs.short_timeouts import serving
from raw import SECONDS, Connection, get
from waits import until
from worst_requests.measurement import Server

MIB = 1024 * 1024
# Less than the events of a session, and than the kernel keeps otherwise.
RECEIVED_BYTES = 64 * 1024
MESSAGES = 4_000
REPLAYS = 300
# Each replay took 0.7 MiB before its events waited in the storage.
MAX_MIB = 100
# More than what wakes at once, so that they read each message together.
TAILS = 20
EACH = 5
LARGE_BYTES = 7 * MIB


def session_of_messages(client: httpx.Client) -> str:
    """The path of a session of 4 MB."""
    path = f"/sessions/{client.post('/sessions').raise_for_status().json()['id']}"
    batch = {"messages": [{"content": "word " * 200}] * 1_000}
    for _ in range(MESSAGES // 1_000):
        client.post(f"{path}/messages/batch", json=batch).raise_for_status()
    return path


def begun(running: ExitStack, port: int, target: str) -> Connection:
    """A connection on which a stream has begun, and which nobody reads after its head."""
    connection = running.enter_context(Connection(port, receive_bytes=RECEIVED_BYTES))
    connection.send(get(f"/api/v1{target}"))
    assert connection.head().status == httpx.codes.OK
    return connection


def events_of(connection: Connection) -> Iterator[tuple[int, str]]:
    """The sequence and content of each message of a stream."""
    received = bytearray()
    while True:
        received += connection.chunk()
        # To search for the end of a long event in every chunk would take longer than to receive it.
        if not received.endswith(b"\n\n"):
            continue
        events = bytes(received).split(b"\n\n")
        received.clear()
        for event in events:
            kind, _, data = event.partition(b"\ndata: ")
            if kind.endswith(b"event: message"):
                message = json.loads(data)
                yield message["sequence"], message["content"]


def test_unread_replays_wait_in_the_storage(database: str) -> None:
    with Daemon(database, check_responses=False) as daemon, daemon.client() as client, ExitStack() as running:
        path = session_of_messages(client)
        server = Server(daemon.process.pid, daemon.port)
        server.wait_until_idle()
        before = server.memory()
        server.reset_peak()
        target = f"{path}/events?after_sequence=0"
        unread = [begun(running, daemon.port, target) for _ in range(REPLAYS)]
        server.wait_until_idle()
        assert server.memory("VmHWM") - before < MAX_MIB
        read = events_of(unread[0])
        assert [next(read)[0] for _ in range(MESSAGES)] == list(range(1, MESSAGES + 1))


@contextmanager
def served(database: str, folder: Path) -> Iterator[tuple[int, httpx.Client]]:
    """A server in this process: its port, and a client."""
    app = create_app(Settings(database=database, data_path=folder), open_storage(database))
    with (
        serving(app, Limits()) as port,
        httpx.Client(base_url=f"http://127.0.0.1:{port}/api/v1", timeout=SECONDS) as client,
    ):
        yield port, client


@pytest.mark.parametrize("first", ["?after_sequence=0", ""], ids=["replays", "tails"])
def test_disconnected_stream_needs_no_garbage_collector(database: str, tmp_path: Path, first: str) -> None:
    with served(database, tmp_path) as (port, client):
        path = session_of_messages(client)
        # Those of earlier tests that something still refers to.
        gc.collect()
        before = requests()
        gc.disable()
        try:
            with ExitStack() as running:
                for _ in range(EACH):
                    begun(running, port, f"{path}/events{first}")
                assert requests() > before
            until(lambda: requests() <= before)
        finally:
            gc.enable()


def requests() -> int:
    """The number of requests in this process, whether they are in use or wait for the garbage collector."""
    return sum(type(found) is Request for found in gc.get_objects())


def test_long_text_takes_room_once_for_all_its_receivers(
    monkeypatch: pytest.MonkeyPatch, database: str, tmp_path: Path
) -> None:
    monkeypatch.setattr(UnsentData.__init__, "__defaults__", (3 * LARGE_BYTES, 0))
    with served(database, tmp_path) as (port, client), ExitStack() as running:
        path = f"/sessions/{client.post('/sessions').raise_for_status().json()['id']}"
        tails = [begun(running, port, f"{path}/events") for _ in range(TAILS)]
        content = "x" * LARGE_BYTES
        client.post(f"{path}/messages", json={"content": content}).raise_for_status()
        assert [next(events_of(tail)) == (1, content) for tail in tails] == [True] * TAILS
