"""The size and time limits of connections: the server responds with an error, and other clients do not wait."""

import asyncio
import resource
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest

from amplifierd.app import create_app
from amplifierd.contract import load_document
from amplifierd.contract.request.target_limit import longest_target
from amplifierd.server.http1.asgi import Receive, Send
from amplifierd.server.http1.limits import LIMITS, Limits
from amplifierd.settings import CONTRACT, Settings
from amplifierd.storage import open_storage
from daemon import Daemon
from programs.short_timeouts import serving
from raw import Connection, Response, assert_problem, exchange, get, post

HEALTH = "/api/v1/health"
SESSIONS = "/api/v1/sessions"
CHUNKED = (
    b"POST /api/v1/sessions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    b"Transfer-Encoding: chunked\r\n\r\n"
)


@pytest.fixture
def app(tmp_path: Path) -> Any:
    """The application of a daemon."""
    settings = Settings(database=f"sqlite:///{tmp_path / 'amplifierd.db'}", log_level="warning")
    return create_app(settings, open_storage(settings.database))


@pytest.fixture
def short_timeouts(app: Any) -> Iterator[int]:
    """The port of a server that waits for half a second."""
    with serving(app) as port:
        yield port


def is_over(connection: Connection) -> bool:
    """Whether the stream has ended."""
    with pytest.raises(ConnectionError):
        connection.response()
    return True


def assert_problem_and_close(response: Response, status: int, words: str) -> None:
    assert_problem(response, status, words)
    assert response.headers["connection"] == "close"
    assert "date" in response.headers


def with_headers(headers: int, size: int) -> bytes:
    """A request with this number of headers, including `Host`, and this number of bytes in them."""
    lines = [b"Host: localhost", *(b"X-%03d: " % number for number in range(headers - 1))]
    rest = size - sum(len(line) + 2 for line in lines)
    lines[-1] += b"x" * rest
    return b"\r\n".join([b"GET /api/v1/health HTTP/1.1", *lines, b"", b""])


@pytest.mark.parametrize("piece", [100, 8_192, 1_000_000])
def test_longest_target_of_the_contract_is_accepted(daemon: Daemon, piece: int) -> None:
    most = longest_target(load_document(CONTRACT))
    for length, status in ((most, 400), (most + 1, 414)):
        request = get(f"{HEALTH}?{'x' * (length - len(HEALTH) - 1)}")
        response = exchange(daemon.port, *(request[at : at + piece] for at in range(0, len(request), piece)))
        assert response.status == status
    assert_problem_and_close(response, 414, f"more than {most} bytes")


@pytest.mark.parametrize("piece", [1_000, 8_192, 1_000_000])
@pytest.mark.parametrize(("headers", "size"), [(100, 2_000), (5, 32 * 1024)])
def test_headers_are_limited_to_100_and_32_kib(daemon: Daemon, headers: int, size: int, piece: int) -> None:
    for request, status in (
        (with_headers(headers, size), 200),
        (with_headers(headers + (headers == 100), size + 1), 431),
    ):
        response = exchange(daemon.port, *(request[at : at + piece] for at in range(0, len(request), piece)))
        assert response.status == status
    assert_problem_and_close(response, 431, "exceed 100 lines or 32768 bytes")


@pytest.mark.parametrize(
    ("beginning", "more", "status"),
    [
        (b"GET /", b"x", 414),
        (b"GET / HTTP/1.1\r\nX: ", b"x", 431),
        (b"GET / HTTP/1.1\r\nX", b"x", 431),
        (b"GET / HTTP/1.1\r\n", b"X: x\r\n", 431),
        (CHUNKED + b"0\r\nX: ", b"x", 431),
        (CHUNKED + b"0\r\n", b"X: x\r\n", 431),
        (CHUNKED + b"1;", b"x", 431),
    ],
)
def test_endless_body_is_refused_early(daemon: Daemon, beginning: bytes, more: bytes, status: int) -> None:
    with Connection(daemon.port) as connection:
        connection.send(beginning, more * (60_000 // len(more)))
        assert_problem_and_close(connection.response(), status, "more than" if status == 414 else "exceed")
        assert is_over(connection)


def test_trailer_does_not_become_a_header(daemon: Daemon, client: httpx.Client) -> None:
    session_id = client.post("/sessions", json={}).json()["id"]
    request = CHUNKED.replace(SESSIONS.encode(), f"{SESSIONS}/{session_id}/messages".encode())
    response = exchange(daemon.port, request + b'e\r\n{"content":""}\r\n0\r\nIf-Match: "7"\r\n\r\n')
    assert response.status == 201


def test_missing_head_is_408(short_timeouts: int) -> None:
    with Connection(short_timeouts) as connection:
        connection.send(get(HEALTH)[:-3])
        assert_problem_and_close(connection.response(), 408, "within 0.5 seconds")
        assert is_over(connection)


def test_next_request_on_a_connection_has_a_time_limit_too(short_timeouts: int) -> None:
    with Connection(short_timeouts) as connection:
        connection.send(get(HEALTH))
        assert connection.response().status == 200
        connection.send(b"G")
        assert_problem_and_close(connection.response(), 408, "within 0.5 seconds")


@pytest.mark.parametrize("nothing", [b"", b"\r\n", b"\r\n\r\n\n\n"])
def test_connection_without_a_request_is_closed(short_timeouts: int, nothing: bytes) -> None:
    with Connection(short_timeouts) as connection:
        connection.send(nothing)
        assert is_over(connection)


@pytest.mark.parametrize("trickle", [False, True])
def test_missing_body_is_408(short_timeouts: int, trickle: bool) -> None:
    with Connection(short_timeouts) as connection:
        connection.send(post(SESSIONS, b" " * 10_000)[:-9_000])
        stopped = threading.Event()

        def send() -> None:
            while trickle and not stopped.wait(0.05):
                connection.send(b" ")

        thread = threading.Thread(target=send)
        thread.start()
        assert_problem_and_close(connection.response(), 408, "1000 bytes of the body")
        stopped.set()
        thread.join()


def test_slow_body_is_accepted(app: Any) -> None:
    body = b'{"context":{"a":"' + b"x" * 15_000 + b'"}}'
    request = post(SESSIONS, body)
    # The body takes longer than the limit, but each of its parts a twentieth of that time.
    with serving(app, Limits(body_seconds=2, body_bytes=1_000)) as port, Connection(port) as connection:
        for start in range(0, len(request), 500):
            connection.send(request[start : start + 500])
            time.sleep(0.1)
        assert connection.response().status == 201
        connection.send(get(HEALTH))
        assert connection.response().status == 200


def test_time_limit_of_a_body_excludes_the_server() -> None:
    received = 0

    async def app(scope: Any, receive: Receive, send: Send) -> None:
        nonlocal received
        if scope["type"] == "http":
            more = True
            while more:
                await asyncio.sleep(0.3)
                message = await receive()
                received, more = received + len(message["body"]), message["more_body"]
            await send({"type": "http.response.start", "status": 204, "headers": []})
            await send({"type": "http.response.body", "body": b""})

    with serving(app) as port:
        assert exchange(port, post("/", b" " * 1_000_000)).status == 204
    assert received == 1_000_000


def test_stream_continues(short_timeouts: int) -> None:
    session_id = exchange(short_timeouts, post(SESSIONS, b"{}")).json["id"]
    with Connection(short_timeouts) as connection:
        connection.send(get(f"{SESSIONS}/{session_id}/events"))
        time.sleep(1.2)
        exchange(short_timeouts, post(f"{SESSIONS}/{session_id}/messages", b'{"content":"late"}'))
        assert connection.event().startswith(b"id: 1\nevent: message")


@pytest.mark.parametrize(
    ("next_request", "status"),
    [
        (b"GET /", None),
        (b"nonsense\r\n\r\n", None),
        (get("/" + "x" * 9_000), None),
        (CHUNKED, 408),
        (CHUNKED + b"x\r\n", 400),
    ],
)
def test_response_is_complete_before_a_refusal(next_request: bytes, status: int | None) -> None:
    async def app(scope: Any, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            while (await receive())["more_body"]:
                continue
            await send({"type": "http.response.start", "status": 200, "headers": []})
            for _ in range(10):
                await asyncio.sleep(0.1)
                await send({"type": "http.response.body", "body": b"x", "more_body": True})
            await send({"type": "http.response.body", "body": b"x"})

    with serving(app) as port, Connection(port) as connection:
        connection.send(get("/") + next_request)
        assert connection.response().body == b"x" * 11
        if status is not None:
            assert_problem_and_close(connection.response(), status, "body" if status == 408 else "RFC 9112")
        assert is_over(connection)


@pytest.mark.parametrize("chunk", [b"x\r\n", b"2\r\n{}}\r\n", b"ffffffffffffffffff\r\n", b"-1\r\n", b"2\n{}"])
def test_invalid_chunk_is_400(daemon: Daemon, chunk: bytes) -> None:
    with Connection(daemon.port) as connection:
        connection.send(CHUNKED, chunk)
        assert_problem_and_close(connection.response(), 400, "RFC 9112")
        assert is_over(connection)


def test_refused_request_has_no_effect(daemon: Daemon, client: httpx.Client) -> None:
    session_id = client.post("/sessions", json={}).json()["id"]
    request = CHUNKED.replace(SESSIONS.encode(), f"{SESSIONS}/{session_id}/start".encode())
    assert_problem_and_close(exchange(daemon.port, request + b"x\r\n"), 400, "RFC 9112")
    assert client.get(f"/sessions/{session_id}").json()["status"] == "created"


def test_pipelined_requests_wait_for_earlier_responses() -> None:
    async def app(scope: Any, _receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            await asyncio.sleep(0.8)
            await send({"type": "http.response.start", "status": 204, "headers": []})
            await send({"type": "http.response.body", "body": b""})

    ahead = get("/") * 3
    with serving(app) as port, Connection(port) as connection:
        connection.send(ahead[:-5])
        assert connection.response().status == 204
        connection.send(ahead[-5:])
        assert [connection.response().status for _ in range(2)] == [204, 204]


def test_started_response_is_not_aborted_by_a_slow_body() -> None:
    async def app(scope: Any, _receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            await send({"type": "http.response.start", "status": 200, "headers": []})
            for _ in range(10):
                await asyncio.sleep(0.1)
                await send({"type": "http.response.body", "body": b"x", "more_body": True})
            await send({"type": "http.response.body", "body": b"x"})

    with serving(app) as port, Connection(port) as connection:
        connection.send(CHUNKED)
        assert connection.response().body == b"x" * 11
        assert is_over(connection)


def test_request_notices_that_its_client_has_disconnected() -> None:
    noticed = threading.Event()

    async def app(scope: Any, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            await send({"type": "http.response.start", "status": 200, "headers": []})
            while (await receive()).get("more_body"):
                continue
            disconnected = asyncio.ensure_future(receive())
            while not disconnected.done():
                await send({"type": "http.response.body", "body": b"x", "more_body": True})
                await asyncio.sleep(0.05)
            assert disconnected.result() == {"type": "http.disconnect"}
            noticed.set()

    with serving(app) as port:
        with Connection(port) as connection:
            connection.send(get("/") * 2)
            assert connection.event() == b"x"
        assert noticed.wait(120)


def test_client_with_an_early_response_may_send_its_body(daemon: Daemon) -> None:
    request = post(HEALTH, b" " * 40_000, b"Connection: close")
    with Connection(daemon.port) as connection:
        for start in range(0, len(request), 5_000):
            connection.send(request[start : start + 5_000])
            time.sleep(0.05)
        assert connection.response().status == 405
        assert is_over(connection)


def test_disconnect_is_noticed_while_a_request_waits() -> None:
    noticed = threading.Event()

    async def app(scope: Any, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            await send({"type": "http.response.start", "status": 200, "headers": []})
            await send({"type": "http.response.body", "body": b"x", "more_body": True})
            while (await receive())["type"] != "http.disconnect":
                continue
            noticed.set()

    with serving(app) as port:
        with Connection(port) as connection:
            connection.send(get("/"))
            assert connection.event() == b"x"
            connection.send(get("/") * 3)
            time.sleep(0.1)
        assert noticed.wait(60)


def test_waiting_request_has_time_for_its_body() -> None:
    async def app(scope: Any, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            while (await receive())["more_body"]:
                continue
            if scope["method"] == "GET":
                await asyncio.sleep(1.2)
            await send({"type": "http.response.start", "status": 204, "headers": []})
            await send({"type": "http.response.body", "body": b""})

    with serving(app) as port, Connection(port) as connection:
        request = post("/", b" " * 2_000, b"Expect: 100-continue")
        connection.send(get("/") + request[:-2_000])
        assert connection.response().status == 204
        assert connection.response().status == 100
        connection.send(request[-2_000:])
        assert connection.response().status == 204


def test_connections_above_the_limit_are_503(app: Any) -> None:
    with serving(app, Limits(connections=8), idle_seconds=60) as port, ExitStack() as stack:
        connections = [stack.enter_context(Connection(port)) for _ in range(8)]
        for connection in connections:
            connection.send(get(HEALTH))
            assert connection.response().status == 200
        with Connection(port) as one_more:
            response = one_more.response()
            assert_problem_and_close(response, 503, "8 connections")
            assert response.headers["retry-after"] == "1"
            assert is_over(one_more)


def test_thousand_connections_are_served(tmp_path: Path) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (1_024, hard))
    try:
        started = Daemon(f"sqlite:///{tmp_path / 'amplifierd.db'}", check_responses=False, start="command")
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, 4_096), hard))
    with started as daemon, ExitStack() as stack:
        connections = [stack.enter_context(Connection(daemon.port)) for _ in range(1_100)]
        for connection in connections:
            connection.send(get(HEALTH))
        assert {connection.response().status for connection in connections} == {200}
    assert LIMITS.connections > 1_100
