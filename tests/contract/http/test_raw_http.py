"""Invalid, ambiguous or unusual HTTP gets a response or a closed connection; the server never guesses."""

import asyncio
import itertools
import json
import logging
import re
import socket
import struct
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from amplifierd.app import create_app
from amplifierd.settings import Settings
from amplifierd.storage import open_storage
from daemon import Daemon
from programs.short_timeouts import serving
from random_requests.fuzzing import Fuzz
from random_requests.mutations import CHUNKED, mutations, pieces
from raw import Connection, Response, exchange, get, post, responses_in

SECONDS = 60
AT_ONCE = 64
# The number of requests for each seed.
ROUNDS = 8
NEXT = get("/api/v1/next")
JSON = b"POST /api/v1/sessions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
OF_CHUNKS = JSON + b"Transfer-Encoding: chunked\r\n"


@pytest.fixture
def short_timeouts(tmp_path: Path) -> Iterator[int]:
    """The port of a server that waits for half a second."""
    settings = Settings(database=f"sqlite:///{tmp_path / 'amplifierd.db'}", log_level="warning")
    with serving(create_app(settings, open_storage(settings.database))) as port:
        yield port


@pytest.mark.parametrize(
    "request_",
    [
        JSON + b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        JSON + b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
        JSON + b"Content-Length: 2\r\nContent-Length: 2\r\n\r\n{}",
        JSON + b"Content-Length: 2\r\nContent-Length: 50\r\n\r\n{}",
        JSON + b"Content-Length: 2, 2\r\n\r\n{}",
        JSON + b"Content-Length: +2\r\n\r\n{}",
        JSON + b"Content-Length: -2\r\n\r\n{}",
        JSON + b"Content-Length: 2 2\r\n\r\n{}",
        JSON + b"Content-Length: 0x2\r\n\r\n{}",
        JSON + b"Content-Length: 2.0\r\n\r\n{}",
        JSON + b"Content-Length: \r\n\r\n{}",
        JSON + b"Content-Length: 99999999999999999999\r\n\r\n{}",
        JSON + b"Content-Length:\r\n 2\r\n\r\n{}",
        JSON + b"Content-Length : 2\r\n\r\n{}",
        JSON + b"Connection: Upgrade\r\nUpgrade: h2c\r\nContent-Length: 2\r\nContent-Length: 50\r\n\r\n{}",
        JSON
        + b"Connection: Upgrade\r\nUpgrade: h2c\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        OF_CHUNKS + b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
        JSON + b"Transfer-Encoding: chunked, chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
        JSON + b"Transfer-Encoding: chunked, identity\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
        JSON + b"Transfer-Encoding: identity\r\n\r\n{}",
        JSON + b"Transfer-Encoding: xchunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
        JSON + b"Transfer-Encoding: \x0bchunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
        JSON + b"Transfer-Encoding: chunked\0\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
        JSON + b"Transfer-Encoding : chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
        JSON + b"Transfer-Encoding:\r\n chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
        OF_CHUNKS + b"\r\n0x2\r\n{}\r\n0\r\n\r\n",
        OF_CHUNKS + b"\r\n+2\r\n{}\r\n0\r\n\r\n",
        OF_CHUNKS + b"\r\n-2\r\n{}\r\n0\r\n\r\n",
        OF_CHUNKS + b"\r\n2 \r\n{}\r\n0\r\n\r\n",
        OF_CHUNKS + b"\r\n2;a\nb\r\n{}\r\n0\r\n\r\n",
        OF_CHUNKS + b"\r\n2\n{}\n0\n\n",
        OF_CHUNKS + b"\r\n10000000000000002\r\n{}\r\n0\r\n\r\n",
        OF_CHUNKS + b"\r\n2\r\n{}0\r\n\r\n",
        OF_CHUNKS + b"\r\n3\r\n{}\r\n0\r\n\r\n",
        OF_CHUNKS + b"\r\n\r\n{}\r\n0\r\n\r\n",
        OF_CHUNKS + b"\r\n2\r\n{}\r\n0\r\nContent-Length: 50\r\n\r\n",
        JSON + b"X: a\r\n b\r\nContent-Length: 2\r\n\r\n{}",
        JSON + b"X: a\nContent-Length: 50\r\nContent-Length: 2\r\n\r\n{}",
        JSON + b"X: a\rContent-Length: 50\r\nContent-Length: 2\r\n\r\n{}",
        JSON + b"X: a\0b\r\nContent-Length: 2\r\n\r\n{}",
        JSON + b"X\0: a\r\nContent-Length: 2\r\n\r\n{}",
        JSON + b"X Y: a\r\nContent-Length: 2\r\n\r\n{}",
        JSON + b" X: a\r\nContent-Length: 2\r\n\r\n{}",
        JSON + b": a\r\nContent-Length: 2\r\n\r\n{}",
        JSON + b"XYZ\r\nContent-Length: 2\r\n\r\n{}",
        b"GET /api/v1/health HTTP/1.1\nHost: localhost\n\n",
        b"GET /api/v1/health\r\n",
        b"GET /api/v1/hea lth HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET\t/api/v1/health\tHTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET x:80 HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b" GET /api/v1/health HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0",
        bytes.fromhex("16030100c8010000c40303") + b"x" * 190,
    ],
)
def test_ambiguous_request_is_400_and_closes(daemon: Daemon, request_: bytes) -> None:
    refused_as_the_last(daemon, request_, 400)


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (b"GET /api/v1/health HTTP/1.2\r\nHost: localhost\r\n\r\n", 505),
        (b"CONNECT x:80 HTTP/1.1\r\nHost: localhost\r\n\r\n", 501),
        (b"get /api/v1/health HTTP/1.1\r\nHost: localhost\r\n\r\n", 501),
        (JSON + b"Transfer-Encoding: gzip, chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n", 501),
    ],
)
def test_unsupported_request_is_refused_and_closes(daemon: Daemon, request_: bytes, status: int) -> None:
    refused_as_the_last(daemon, request_, status)


def refused_as_the_last(daemon: Daemon, request: bytes, status: int) -> None:
    [response] = until_closed(daemon.port, request + NEXT)
    assert response.status == status
    assert response.headers["connection"] == "close"
    assert response.json["requestId"] == response.headers["x-request-id"]


def test_client_of_http_1_0_gets_no_chunks(daemon: Daemon, client: httpx.Client) -> None:
    session_id = client.post("/sessions").json()["id"]
    for _ in range(3):
        messages = [{"content": "x" * 1_000}] * 400
        assert client.post(f"/sessions/{session_id}/messages/batch", json={"messages": messages}).status_code == 201
    path = f"/sessions/{session_id}/messages"
    response = read_until_closed(daemon, f"GET /api/v1{path} HTTP/1.0\r\n\r\n")
    head, _, body = response.partition(b"\r\n\r\n")
    assert b"transfer-encoding" not in head.lower()
    assert json.loads(body) == client.get(path).json()
    head, _, body = read_until_closed(daemon, f"HEAD /api/v1{path} HTTP/1.0\r\n\r\n").partition(b"\r\n\r\n")
    assert (head.startswith(b"HTTP/1.1 200 "), body) == (True, b"")


def read_until_closed(daemon: Daemon, request: str) -> bytes:
    """Send a request. Returns all bytes until the daemon closes the connection."""
    with socket.create_connection(("127.0.0.1", daemon.port), timeout=120) as connection:
        connection.sendall(request.encode())
        return connection.makefile("rb").read()


def test_client_that_disconnects_during_a_response_causes_no_error(tmp_path: Path) -> None:
    with Daemon(f"sqlite:///{tmp_path}/a.db") as daemon:
        for _ in range(50):
            with socket.create_connection(("127.0.0.1", daemon.port)) as connection:
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                connection.sendall(get("/api/v1/health") * 4)
        assert exchange(daemon.port, get("/api/v1/health")).status == 200
    assert "Traceback" not in daemon.log


def test_stream_has_one_connection_header(daemon: Daemon) -> None:
    with socket.create_connection(("127.0.0.1", daemon.port), timeout=120) as connection:
        connection.sendall(b"GET /api/v1/events HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        head = b"".join(iter(connection.makefile("rb").readline, b"\r\n"))
    assert re.findall(rb"(?i)\nconnection: *(.*)\r", head) == [b"close"]


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (JSON + b"Content-Length:\t2 \r\n\r\n{}", 201),
        (JSON + b"Content-Length: 002\r\n\r\n{}", 201),
        (JSON + b"transfer-encoding:\tCHUNKED\r\n\r\n00002;a=b\r\n{}\r\n000\r\n\r\n", 201),
        (OF_CHUNKS + b"\r\n2\r\n{}\r\n0\r\nX-Trailer: x\r\n\r\n", 201),
        (b"GET /api/v1/health HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n" % len(NEXT) + NEXT, 200),
        (b"\r\n\r\nGET /api/v1/health HTTP/1.1\r\nHost: localhost\r\n\r\n", 200),
        (b"GET http://localhost/api/v1/health HTTP/1.1\r\nHost: localhost\r\n\r\n", 200),
        (b"OPTIONS * HTTP/1.1\r\nHost: localhost\r\n\r\n", 404),
        (b"TRACE /api/v1/health HTTP/1.1\r\nHost: localhost\r\n\r\n", 405),
        (get("//api/v1/health"), 404),
        (get("/api/v1%2fhealth"), 404),
        (get("/api/v1/sessions/%2e%2e%2fhealth"), 404),
        (get("/api/v1/sessions/%zz"), 404),
        (get("/api/v1/sessions/%"), 404),
        (get("/api/v1/sessions/%00"), 404),
        (get("/api/v1/sessions/%ff%c0%af%ed%a0%80"), 404),
        (get("/api/v1/sessions?name=%ff"), 400),
    ],
)
def test_unusual_request_is_one_request(daemon: Daemon, request_: bytes, status: int) -> None:
    with Connection(daemon.port) as connection:
        connection.send(request_ + NEXT)
        assert connection.response().status == status
        assert "/api/v1/next" in connection.response().json["detail"]
        connection.send(get("/api/v1/health"))
        assert connection.response().status == 200


def test_client_of_http_1_0_gets_no_100_continue(daemon: Daemon) -> None:
    request = (
        JSON.replace(b"1.1", b"1.0") + b"Expect: 100-continue\r\nContent-Length: 2\r\nConnection: keep-alive\r\n\r\n"
    )
    [response] = until_closed(daemon.port, request + b"{}" + NEXT)
    assert response.status == 201


def test_client_that_sends_invalid_http_after_100_gets_one_400(
    short_timeouts: int, caplog: pytest.LogCaptureFixture
) -> None:
    request = OF_CHUNKS + b"Expect: 100-continue\r\n\r\nno chunk\r\n"
    [response] = until_closed(short_timeouts, request)
    assert response.status == 400
    assert exchange(short_timeouts, get("/api/v1/health")).status == 200
    assert [record for record in caplog.records if record.levelno >= logging.ERROR] == []


def test_response_is_complete_before_invalid_http_is_refused(short_timeouts: int) -> None:
    for _ in range(10):
        [response] = until_closed(short_timeouts, get("/openapi.json") + b"no HTTP\r\n" * 100_000)
        assert response.status == 200


def test_pipelined_requests_get_responses_in_order(daemon: Daemon) -> None:
    paths = [f"/api/v1/sessions/{number}" for number in range(200)]
    requests = b"".join(get(path) if number % 3 else post(f"{path}/resume", b"") for number, path in enumerate(paths))
    for size in (1, 7, 1_000, 10_000, len(requests)):
        with Connection(daemon.port) as connection:
            connection.send(*(requests[start : start + size] for start in range(0, len(requests), size)))
            details = [connection.response().json["detail"] for _ in paths]
        assert details == [f"Session {number} not found" for number in range(200)]


@pytest.mark.parametrize("size", [1_000, 8_192, 70_000, 1_000_000])
def test_requests_that_follow_a_long_body_are_not_part_of_it(daemon: Daemon, size: int) -> None:
    texts = [str(length) + "x" * length for length in (10, 8_000, 8_192, 100_000)]
    posts = [post("/api/v1/sessions", b'{"context":{"text":"%b"}}' % text.encode()) for text in texts]
    requests = b"".join(each + get("/api/v1/health") for each in posts)
    with Connection(daemon.port) as connection:
        connection.send(*(requests[start : start + size] for start in range(0, len(requests), size)))
        for text in texts:
            assert connection.response().json["context"] == {"text": text}
            assert connection.response().json["status"] == "healthy"


@pytest.mark.parametrize("request_", [post("/api/v1/sessions", b'{"name":"whole"}'), CHUNKED])
def test_incomplete_request_is_408_without_an_effect(short_timeouts: int, request_: bytes) -> None:
    async def send() -> list[list[Response]]:
        return await asyncio.gather(*(outcome(short_timeouts, [request_[:length]]) for length in range(len(request_))))

    nothing, *others = asyncio.run(send())
    assert nothing == []
    assert [[response.status for response in responses] for responses in others] == [[408]] * len(others)
    assert exchange(short_timeouts, get("/api/v1/sessions")).json == []


@pytest.mark.timeout(0)
def test_server_responds_or_closes(short_timeouts: int, fuzz: Fuzz, caplog: pytest.LogCaptureFixture) -> None:
    sent = 0
    for seed in fuzz.seeds():
        requests = mutations(seed)
        for _ in range(ROUNDS):
            some = list(itertools.islice(requests, AT_ONCE))
            asyncio.run(send_all(short_timeouts, some, seed + sent))
            sent += len(some)
            assert exchange(short_timeouts, get("/api/v1/health")).status == 200
    assert [record for record in caplog.records if record.levelno >= logging.ERROR] == []
    fuzz.tell(f"Sent {sent} mutated requests.")


async def send_all(port: int, requests: list[bytes], seed: int) -> None:
    cut = [pieces(request, seed + number) for number, request in enumerate(requests)]
    for request, responses in zip(
        requests, await asyncio.gather(*(outcome(port, parts) for parts in cut)), strict=True
    ):
        for response in responses:
            assert response.status != 500, request
            if response.status >= 400:
                assert response.headers["content-type"] == "application/problem+json", request
                assert response.json["status"] == response.status, request


async def outcome(port: int, parts: list[bytes]) -> list[Response]:
    """The responses to a request sent in parts, until the server closes the connection, which it must do soon."""
    async with asyncio.timeout(SECONDS):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        received = b""
        try:
            for part in parts:
                writer.write(part)
                await writer.drain()
                await asyncio.sleep(0)
            while some := await reader.read(65_536):
                received += some
        except ConnectionResetError:
            # The server closed the connection while more data arrived than it would read.
            pass
        finally:
            writer.close()
        try:
            return responses_in(received)
        except ValueError as error:
            raise ValueError(f"{error} What was sent: {parts}") from error


def until_closed(port: int, request: bytes) -> list[Response]:
    """All responses, after which the server must close the connection at once."""
    return asyncio.run(outcome(port, [request]))
