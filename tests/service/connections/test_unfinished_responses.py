"""Applications with invalid, missing or unfinished responses, or responses without a length."""

import asyncio
import http.client
import logging
import threading
from contextvars import ContextVar
from typing import Any

import pytest

from amplifierd.server.http1.asgi import Receive, Send
from programs.short_timeouts import serving
from raw import Connection, exchange, get

OK: dict[str, Any] = {"type": "http.response.start", "status": 200, "headers": []}


def start(*headers: tuple[bytes, bytes]) -> dict[str, Any]:
    return OK | {"headers": list(headers)}


def body(text: bytes, *, more: bool = False) -> dict[str, Any]:
    return {"type": "http.response.body", "body": text, "more_body": more}


def answering(*messages: dict[str, Any], error: Exception | None = None) -> Any:
    """An application that sends these messages for each request, and raises the error."""

    async def app(scope: Any, _receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            for message in messages:
                await send(message)
            if error is not None:
                raise error

    return app


@pytest.mark.parametrize(
    "app",
    [
        answering(),
        answering(error=ValueError("a defect")),
        answering(start((b"x-name", b"a\r\nx-other: b")), body(b"")),
        answering(start((b"x-name", b"a\nb")), body(b"")),
        answering(start((b"x-name\r", b"a")), body(b"")),
        answering(body(b"")),
        answering(start((b"transfer-encoding", b"gzip, chunked")), body(b"")),
        answering(start((b"content-length", b"one")), body(b"")),
    ],
)
def test_invalid_responses_become_500(app: Any, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.CRITICAL)
    with serving(app) as port:
        response = exchange(port, get("/"))
    assert (response.status, response.json["detail"]) == (500, "The server failed on this request; see its log.")
    assert response.headers["content-type"] == "application/problem+json"
    assert {"date", "connection"} <= set(response.headers)


@pytest.mark.parametrize(
    "app",
    [
        answering(start((b"content-length", b"5")), body(b"four", more=True), body(b"")),
        answering(start((b"content-length", b"5")), body(b"four", more=True), body(b"56")),
        answering(start((b"content-length", b"5")), body(b"four", more=True)),
        answering(start((b"content-length", b"5")), body(b"four", more=True), error=ValueError("a defect")),
        answering(OK, body(b"four", more=True), OK, body(b"")),
        # In chunks, the last of which never arrives.
        answering(OK, body(b"four", more=True)),
    ],
)
def test_response_of_wrong_length_is_cut_off(app: Any, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.CRITICAL)
    with serving(app) as port:
        client = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        client.request("GET", "/")
        with pytest.raises(http.client.IncompleteRead):
            client.getresponse().read()
        client.close()


@pytest.mark.parametrize(("version", "closes"), [(b"1.1", False), (b"1.0", True)])
def test_response_without_a_length_is_chunked_or_ends_the_connection(version: bytes, closes: bool) -> None:
    app = answering(OK, body(b"one, ", more=True), body(b"two"))
    with serving(app) as port, Connection(port) as connection:
        connection.send(get("/").replace(b"1.1", version))
        if closes:
            assert connection.read_all().endswith(b"connection: close\r\n\r\none, two")
        else:
            assert connection.response().body == b"one, two"
            connection.send(get("/", "HEAD"))
            assert connection.response("HEAD").body == b""
            connection.send(get("/"))
            assert connection.response().body == b"one, two"


def test_chunked_header_of_the_application_is_replaced() -> None:
    for headers in ([], [(b"content-length", b"3")]):
        app = answering(start((b"transfer-encoding", b"chunked"), *headers), body(b"one"))
        with serving(app) as port, Connection(port) as connection:
            connection.send(get("/") + get("/", "HEAD") + get("/"))
            assert connection.response().body == b"one"
            assert connection.response("HEAD").body == b""
            assert connection.response().body == b"one"
            connection.send(get("/").replace(b"1.1", b"1.0"))
            head, _, rest = connection.read_all().partition(b"\r\n\r\n")
            assert (b"transfer-encoding" in head, rest) == (False, b"one")


def test_headers_may_be_an_iterator() -> None:
    async def app(scope: Any, _receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            headers = iter([[b"content-length", b"3"], (b"x-name", b"a")])
            await send({"type": "http.response.start", "status": 200, "headers": headers})
            await send(body(b"one"))

    with serving(app) as port, Connection(port) as connection:
        for _ in range(2):
            connection.send(get("/"))
            response = connection.response()
            assert (response.headers["x-name"], response.body) == ("a", b"one")


def test_messages_after_the_response_are_logged(
    caplog: pytest.LogCaptureFixture,
) -> None:
    app = answering(start((b"content-length", b"3")), body(b"one"), OK, body(b"two"))
    caplog.set_level(logging.ERROR)
    with serving(app) as port, Connection(port) as connection:
        for _ in range(2):
            connection.send(get("/"))
            assert connection.response().body == b"one"
    assert "The application sent http.response.start; expected nothing." in caplog.text


VARIABLE: ContextVar[int] = ContextVar("VARIABLE", default=0)


def test_context_variables_end_with_the_request() -> None:
    async def app(scope: Any, _receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            seen = [VARIABLE.get()]
            VARIABLE.set(VARIABLE.get() + 1)
            if scope["path"] == "/waits":
                for _ in range(3):
                    await asyncio.sleep(0)
                    VARIABLE.set(VARIABLE.get() + 1)
                seen.append(VARIABLE.get())
            text = repr(seen).encode()
            await send(start((b"content-length", b"%d" % len(text))))
            await send(body(text))

    with serving(app) as port, Connection(port) as connection:
        for path, seen in (("/", [0]), ("/waits", [0, 4]), ("/", [0]), ("/waits", [0, 4]), ("/", [0])):
            connection.send(get(path))
            assert connection.response().json == seen
        connection.send(get("/waits") + get("/") + get("/waits"))
        assert [connection.response().json for _ in range(3)] == [[0, 4], [0], [0, 4]]


def test_endless_response_stops_after_a_disconnect() -> None:
    ended = threading.Event()

    async def endless(scope: Any, _receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            await send(OK)
            try:
                while True:
                    await send(body(b"x" * 65536, more=True))
                    await asyncio.sleep(0)
            except OSError:
                ended.set()
                raise

    with serving(endless) as port:
        with Connection(port) as connection:
            connection.send(get("/"))
        assert ended.wait(60)
