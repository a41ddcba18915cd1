"""Many responses that clients do not read stay within the server's limits, and are complete when read later."""

import asyncio
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from hashlib import sha256
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.requests import ClientDisconnect

from amplifierd.app import create_app
from amplifierd.contract.core.problems import Problem
from amplifierd.contract.response import large_responses
from amplifierd.contract.response.large_responses import CallerTurns, LargeResponses
from amplifierd.contract.response.unsent_data import UnsentData
from amplifierd.server.http1.asgi import Receive, Send
from amplifierd.server.http1.limits import Limits
from amplifierd.settings import Settings
from amplifierd.storage import open_storage
from daemon import Daemon
from keys import create_key
from programs.short_timeouts import serving
from raw import SECONDS, Connection, exchange, get, patch
from waits import until

MIB = 1024 * 1024
FORMATS = ("amplifierd", "openai", "anthropic", "sharegpt", "markdown", "html")
# Together they exceed the memory for unread responses.
EACH = 3
# Smaller than a response, and than the kernel's default buffer.
RECEIVED_BYTES = 64 * 1024
LARGE_BYTES = 20 * MIB
# Larger than a piece, but small enough to be written at once.
SHORT_BYTES = 150_000
PIPELINED = 60
CHUNKS_READ = 128
WAITING = 6
LARGE_TEXT = "x" * (2 * MIB)


def test_unread_responses_are_complete_when_read(database: str) -> None:
    with ExitStack() as running:
        # Checked responses are collected before they are sent.
        daemon = running.enter_context(Daemon(database, check_responses=False))
        client = running.enter_context(daemon.client())
        text = "".join(sha256(b"%d" % number).hexdigest() for number in range(7 * MIB // 64))
        session = client.post("/sessions", json={"context": {"text": text}}).raise_for_status().json()
        path = f"/sessions/{session['id']}"
        client.post(f"{path}/messages", json={"content": text}).raise_for_status()
        targets = [path, f"{path}/messages/1", f"{path}/messages"]
        targets += [f"{path}/export?format={form}" for form in FORMATS]
        read = {target: client.get(target).raise_for_status().content for target in targets}
        assert all(text.encode() in body for body in read.values())
        unread = []
        for target in targets * EACH:
            connection = running.enter_context(Connection(daemon.port, receive_bytes=RECEIVED_BYTES))
            connection.send(get(f"/api/v1{target}"))
            unread.append((target, connection, connection.head()))
        assert [client.get(target).content == read[target] for target in targets] == [True] * len(targets)
        for target, connection, head in unread:
            assert (head.status, connection.read_body(head).body == read[target]) == (200, True), target


def large(unsent: UnsentData, ended: list[str]) -> Any:
    """An application whose responses have a large block."""

    async def app(scope: Any, _receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            await send({"type": "http.response.start", "status": 200, "headers": []})
            try:
                await unsent.send(send, b"x" * LARGE_BYTES)
                await send({"type": "http.response.body", "body": b"end"})
            finally:
                ended.append(scope["path"])

    return app


def test_longest_unread_response_is_aborted_first() -> None:
    ended: list[str] = []
    unsent = UnsentData(memory_bytes=MIB, file_bytes=2 * LARGE_BYTES + MIB)
    with serving(large(unsent, ended)) as port, ExitStack() as running:
        unread = []
        for number in range(2):
            connection = running.enter_context(Connection(port, receive_bytes=RECEIVED_BYTES))
            connection.send(get(f"/unread/{number}"))
            unread.append((connection, connection.head()))
        connection, head = unread[1]
        # Larger than the kernel's buffers.
        begun = b"".join(connection.chunk() for _ in range(CHUNKS_READ))
        assert exchange(port, get("/read")).body == b"x" * LARGE_BYTES + b"end"
        until(lambda: ended == ["/unread/0", "/read"])
        assert begun + connection.read_body(head).body == b"x" * LARGE_BYTES + b"end"
        connection, head = unread[0]
        with pytest.raises(ConnectionError):
            connection.read_body(head)


def test_block_written_at_once_counts_until_it_is_read() -> None:
    async def hold_while_one_is_unread() -> None:
        unsent = UnsentData(memory_bytes=2 * SHORT_BYTES - 1, file_bytes=0)
        is_read = asyncio.Event()
        parts: list[Any] = []

        async def send_to_slow(message: Any) -> None:
            if parts:
                # The connection is full.
                await is_read.wait()
            parts.append(message)

        sending = asyncio.create_task((await unsent.hold(b"x" * SHORT_BYTES)).send(send_to_slow, more=False))
        await asyncio.sleep(0)
        assert [len(part["body"]) for part in parts] == [SHORT_BYTES]
        with pytest.raises(Problem):
            await unsent.hold(b"y" * SHORT_BYTES)
        is_read.set()
        await sending
        assert [part["more_body"] for part in parts] == [True, False]
        (await unsent.hold(b"y" * SHORT_BYTES)).close()

    asyncio.run(hold_while_one_is_unread())


# The connection is full after this number of sends; if 0, already with another response.
@pytest.mark.parametrize("read_bytes", [0, 1])
def test_block_written_at_once_times_out_if_unread(read_bytes: int) -> None:
    async def send_to_gone() -> None:
        unsent = UnsentData(memory_bytes=SHORT_BYTES, file_bytes=0)
        parts: list[Any] = []

        async def send(message: Any) -> None:
            if len(parts) == read_bytes:
                await asyncio.Event().wait()
            parts.append(message)

        with pytest.raises(ClientDisconnect):
            async with asyncio.timeout(SECONDS):
                await (await unsent.hold(b"x" * SHORT_BYTES)).send(send, more=False, stall_seconds=0.05)
        (await unsent.hold(b"y" * SHORT_BYTES)).close()

    asyncio.run(send_to_gone())


def test_transcript_written_at_once_is_complete(database: str) -> None:
    with Daemon(database, check_responses=False) as daemon, daemon.client() as client:
        path = f"/sessions/{client.post('/sessions', json={}).raise_for_status().json()['id']}/messages"
        for number in range(50):
            client.post(path, json={"content": f"{number} " + "ä\n" * 1_000}).raise_for_status()
        read = client.get(path, headers={"Accept-Encoding": "identity"}).raise_for_status()
        assert SHORT_BYTES < len(read.content) == int(read.headers["content-length"])
        assert [message["sequence"] for message in read.json()["messages"]] == list(range(1, 51))
        with Connection(daemon.port, receive_bytes=RECEIVED_BYTES) as connection:
            # Larger than the kernel's buffers, so that the connection is sometimes full.
            connection.send(*[get(f"/api/v1{path}")] * PIPELINED)
            assert all(connection.response().body == read.content for _ in range(PIPELINED))


def test_response_larger_than_the_whole_limit_is_refused() -> None:
    with serving(large(UnsentData(memory_bytes=MIB, file_bytes=MIB), [])) as port, pytest.raises(ConnectionError):
        exchange(port, get("/"))


def test_reader_takes_room_from_an_ending_response() -> None:
    async def hold_when_the_other_is_overdue() -> bytes:
        unsent = UnsentData(memory_bytes=0, file_bytes=LARGE_BYTES)
        loop, is_overdue, never = asyncio.get_running_loop(), asyncio.Event(), asyncio.Event()

        async def send_nothing(_message: object) -> None:
            await never.wait()

        unread = asyncio.create_task(
            (await unsent.hold(b"x" * LARGE_BYTES)).send(send_nothing, more=True, stall_seconds=0.1)
        )
        await asyncio.sleep(0)
        # In the same turn of the event loop in which the response ends.
        loop.call_later(0.05, time.sleep, 0.1)
        loop.call_later(0.09, is_overdue.set)
        await is_overdue.wait()
        parts: list[bytes] = []

        async def keep(message: Any) -> None:
            parts.append(message["body"])

        await (await unsent.hold(b"y" * LARGE_BYTES)).send(keep, more=False)
        with pytest.raises(ClientDisconnect):
            await unread
        return b"".join(parts)

    assert asyncio.run(hold_when_the_other_is_overdue()) == b"y" * LARGE_BYTES


@pytest.fixture
def client_without_room(monkeypatch: pytest.MonkeyPatch, database: str, tmp_path: Path) -> Iterator[httpx.Client]:
    """A client of a server in this process with room for 100 kB of unread responses, in memory and in files."""
    monkeypatch.setattr(UnsentData.__init__, "__defaults__", (100_000, 100_000))
    settings = Settings(database=database, data_path=tmp_path)
    with serving(create_app(settings, open_storage(settings.database)), Limits()) as port:
        # Responses are not compressed.
        headers = {"Accept-Encoding": "identity"}
        with httpx.Client(base_url=f"http://127.0.0.1:{port}/api/v1", headers=headers, timeout=SECONDS) as client:
            yield client


def test_writes_get_their_response_even_without_room(client_without_room: httpx.Client) -> None:
    client = client_without_room
    path = f"/sessions/{client.post('/sessions', json={}).json()['id']}"
    message = {"role": "user", "content": "a" * 300_000}
    for headers in ({}, {"Idempotency-Key": "k"}, {"Idempotency-Key": "k"}):
        appended = client.post(f"{path}/messages", json=message, headers=headers)
        assert (appended.status_code, appended.json().get("content")) == (201, message["content"])
    assert client.get(path).json()["messageCount"] == 2
    refused = client.get(f"{path}/messages/1")
    assert (refused.status_code, refused.json()["type"].rpartition(":")[2]) == (503, "busy")


def test_head_request_takes_no_room(client_without_room: httpx.Client) -> None:
    client = client_without_room
    path = f"/sessions/{client.post('/sessions', json={}).json()['id']}"
    client.post(f"{path}/messages", json={"role": "user", "content": "a" * 300_000}).raise_for_status()
    for target in ("messages/1", "messages", "export?format=html", "export"):
        assert (client.head(f"{path}/{target}").status_code, target) == (200, target)


def test_requests_of_disconnected_clients_do_not_block_others(database: str) -> None:
    with Daemon(database, "--max-requests", "50", check_responses=False) as daemon, daemon.client() as client:
        session_id = client.post("/sessions", json={"context": {"text": "x" * (7 * MIB)}}).json()["id"]
        path = f"/sessions/{session_id}"
        whole = client.get(path).raise_for_status().content
        for _ in range(300):
            with Connection(daemon.port, receive_bytes=RECEIVED_BYTES) as connection:
                connection.send(get(f"/api/v1{path}"))
        # Not immediately: the server accepts some of these connections before it reads their requests.
        until(lambda: client.get("/sessions").status_code == httpx.codes.OK)
        until(lambda: client.get(path).content == whole)


def test_unread_pipelined_response_times_out() -> None:
    async def app(scope: Any, _receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            headers = [(b"content-length", b"%d" % LARGE_BYTES)]
            try:
                await send({"type": "http.response.start", "status": 200, "headers": headers})
                await send({"type": "http.response.body", "body": b"x" * LARGE_BYTES})
            finally:
                ended.append(scope["path"])

    ended: list[str] = []
    with serving(app, Limits(read_seconds=0.5)) as port, Connection(port, receive_bytes=RECEIVED_BYTES) as connection:
        connection.send(get("/1") + get("/2") + get("/3"))
        until(lambda: len(ended) > 1)


@pytest.fixture
def client_without_places(monkeypatch: pytest.MonkeyPatch, database: str, tmp_path: Path) -> Iterator[httpx.Client]:
    """A client of a server in this process without places for large responses: waiting requests get 503."""
    monkeypatch.setattr(large_responses, "_AT_A_TIME", 0)
    settings = Settings(database=database, data_path=tmp_path, request_timeout=1)
    with (
        serving(create_app(settings, open_storage(settings.database)), Limits()) as port,
        httpx.Client(base_url=f"http://127.0.0.1:{port}/api/v1", timeout=SECONDS) as client,
    ):
        yield client


@pytest.mark.parametrize("keys", [[None] * 3, ["a", "b", "c"]], ids=["without keys", "with keys"])
def test_small_responses_do_not_wait_for_large_ones(
    client_without_places: httpx.Client, keys: list[str | None]
) -> None:
    client = client_without_places
    # The message contains the text of parts twice, so it is large although the request is not.
    contents = [{"content": LARGE_TEXT}, {"parts": [{"type": "text", "text": LARGE_TEXT[: MIB * 3 // 4]}]}]
    headers = [{} if key is None else {"Idempotency-Key": key} for key in keys]
    large = client.post("/sessions", json={"context": {"text": LARGE_TEXT}}, headers=headers[0]).raise_for_status()
    assert client.post("/sessions", json={}).status_code == httpx.codes.CREATED
    messages = f"/sessions/{large.json()['id']}/messages"
    for content, header in zip(contents, headers[1:], strict=True):
        client.post(messages, json=content, headers=header).raise_for_status()
        assert client.post(messages, json={"content": "small"}).status_code == httpx.codes.CREATED
    assert client.get(messages).status_code == httpx.codes.SERVICE_UNAVAILABLE
    assert client.post(messages, json={"content": "small"}).status_code == httpx.codes.CREATED


def test_small_request_waits_if_its_result_is_known_to_be_large(client_without_places: httpx.Client) -> None:
    client = client_without_places
    path = f"/sessions/{client.post('/sessions', json={'context': {'text': LARGE_TEXT}}).json()['id']}"
    assert [client.patch(path, json={"name": name}).status_code for name in ("first", "second")] == [200, 503]
    [session] = client.get("/sessions").json()
    assert session["name"] == "first"


@contextmanager
def serving_one_place(monkeypatch: pytest.MonkeyPatch, database: str, folder: Path) -> Iterator[int]:
    """The port of a server in this process with one place for large responses, from `/hold` until `/give` taken."""
    places, is_given = CallerTurns(1), asyncio.Event()
    create = LargeResponses.__init__

    def create_with_one_place(limits: LargeResponses) -> None:
        create(limits)
        limits.whole = places

    async def app(scope: Any, receive: Receive, send: Send) -> None:
        if scope.get("path") == "/hold":
            async with places.place("another"):
                await is_given.wait()
        elif scope.get("path") == "/give":
            is_given.set()
        await served(scope, receive, send)

    monkeypatch.setattr(LargeResponses, "__init__", create_with_one_place)
    served = create_app(Settings(database=database, data_path=folder), open_storage(database))
    with serving(app, Limits()) as port:
        yield port


def test_waiting_write_is_applied_after_its_client_has_disconnected(
    monkeypatch: pytest.MonkeyPatch, database: str, tmp_path: Path
) -> None:
    with (
        serving_one_place(monkeypatch, database, tmp_path) as port,
        httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=SECONDS) as client,
    ):
        session = client.post("/api/v1/sessions", json={"context": {"text": LARGE_TEXT}}).raise_for_status().json()
        path = f"/api/v1/sessions/{session['id']}"
        client.patch(path, json={"name": "first"}).raise_for_status()
        with Connection(port) as holding:
            holding.send(get("/hold"))
            client.get("/api/v1/health").raise_for_status()
            with Connection(port) as connection:
                connection.send(patch(path, b'{"name": "second"}'))
                client.get("/api/v1/health").raise_for_status()
            client.get("/api/v1/health").raise_for_status()
            client.get("/give")
        until(lambda: client.get("/api/v1/sessions").json()[0]["name"] == "second")


def test_large_responses_to_two_keys_take_turns(monkeypatch: pytest.MonkeyPatch, database: str, tmp_path: Path) -> None:
    keys = [create_key(database, name=name) for name in ("many", "one")]
    many, one = (f"Authorization: Bearer {key}".encode() for key in keys)
    with (
        serving_one_place(monkeypatch, database, tmp_path) as port,
        httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=SECONDS) as client,
        ExitStack() as running,
    ):
        session: dict[str, Any] = {}
        for key in keys:
            client.headers["Authorization"] = f"Bearer {key}"
            created = client.post("/api/v1/sessions", json={"context": {"text": LARGE_TEXT}})
            session = created.raise_for_status().json()
        path = f"/api/v1/sessions/{session['id']}"
        client.patch(path, json={"name": "first"}).raise_for_status()
        running.enter_context(Connection(port)).send(get("/hold"))
        client.get("/api/v1/health").raise_for_status()
        connections = []
        for key_of_change in [*[many] * WAITING, one]:
            connections.append(running.enter_context(Connection(port)))
            connections[-1].send(patch(path, b'{"name": "x"}', key_of_change))
            client.get("/api/v1/health").raise_for_status()
            client.get("/api/v1/health").raise_for_status()
        client.get("/give")
        *others, alone = [connection.response().json["version"] for connection in connections]
        assert alone < max(others)


def test_callers_take_turns() -> None:
    async def order_of_places() -> str:
        limit = CallerTurns(2)
        order: list[str] = []

        async def take(caller: str) -> None:
            async with limit.place(caller):
                order.append(caller)
                await asyncio.sleep(0)

        await asyncio.gather(*map(take, "aaaaaabb"))
        return "".join(order)

    assert asyncio.run(order_of_places()) == "aabbaaaa"
