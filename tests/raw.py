"""HTTP as bytes on a socket, for what no well-behaved client sends."""

import http.client
import json
import re
import socket
from dataclasses import dataclass, replace
from types import TracebackType
from typing import Any, Self

SECONDS = 120


@dataclass(frozen=True)
class Response:
    """One response."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)


class Connection:
    """A connection to a daemon, on which several requests may be sent ahead."""

    def __init__(self, port: int, *, seconds: float = SECONDS, receive_bytes: int | None = None) -> None:
        """`receive_bytes` limits what the kernel takes before it is read; without them, that may be many megabytes."""
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        if receive_bytes is not None:
            # The window is negotiated when the connection begins.
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
        self._socket.settimeout(seconds)
        self._socket.connect(("127.0.0.1", port))
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._file = self._socket.makefile("rb")
        self._streaming = False

    def send(self, *pieces: bytes) -> None:
        """Send bytes, each piece on its own."""
        for piece in pieces:
            self._socket.sendall(piece)

    def response(self, method: str = "GET") -> Response:
        """The next response; `method` is the request's."""
        head = self.head()
        return head if head.status == http.client.CONTINUE else self.rest_of(head, method)

    def rest_of(self, head: Response, method: str = "GET") -> Response:
        """The response with this head, which was read before; `method` is the request's."""
        if head.headers.get("transfer-encoding") == "chunked":
            return replace(head, body=b"".join(iter(self.chunk, b"")))
        length = 0 if method == "HEAD" else int(head.headers.get("content-length", 0))
        return replace(head, body=self._file.read(length))

    def head(self) -> Response:
        """The head of the next response, whose body is left where it is."""
        status_line = self._file.readline()
        if not status_line:
            raise ConnectionError("The daemon closed the connection without an answer.")
        status = int(status_line.split()[1])
        headers = {name.lower(): value for name, value in http.client.parse_headers(self._file).items()}
        return Response(status, headers, b"")

    def chunk(self) -> bytes:
        """The next chunk of a response whose head was read before; the last is empty."""
        line = self._file.readline()
        if not line.endswith(b"\r\n"):
            raise ConnectionError("The daemon cut the response short.")
        chunk = self._file.read(int(line, 16))
        self._file.readline()
        return chunk

    def event(self) -> bytes:
        """The next chunk of a stream, once its head is read."""
        if not self._streaming:
            while self._file.readline() != b"\r\n":
                self._streaming = True
        return self.chunk()

    def rest(self) -> bytes:
        """All that comes until the daemon hangs up."""
        return self._file.read()

    def close(self) -> None:
        """Hang up."""
        self._file.close()
        self._socket.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def exchange(port: int, *pieces: bytes) -> Response:
    """The response to a request that is sent in these pieces."""
    with Connection(port) as connection:
        connection.send(*pieces)
        return connection.response()


def assert_problem(response: Response, status: int, words: str) -> None:
    """Asserts that it is a problem of such a status, whose sentence has these words."""
    assert response.status == status, response
    assert response.headers["content-type"] == "application/problem+json"
    problem = response.json
    assert problem["status"] == status
    assert problem["requestId"] == response.headers["x-request-id"]
    assert words in problem["detail"]


_STATUS = re.compile(rb"HTTP/1\.1 ([1-5]\d\d) [ -~]*")
_HEADER = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+): ([ -~]*)")


def responses_in(received: bytes) -> list[Response]:
    """The responses that these bytes are, none to HEAD. Raises ValueError where they are not HTTP to the letter."""
    responses = []
    while received:
        head, _, received = received.partition(b"\r\n\r\n")
        status_line, *lines = head.split(b"\r\n")
        status, headers = _STATUS.fullmatch(status_line), [_HEADER.fullmatch(line) for line in lines]
        if status is None or None in headers:
            raise ValueError(f"This is no head of a response: {head!r}.")
        fields = {header[1].decode().lower(): header[2].decode() for header in headers if header is not None}
        body, received = _body(int(status[1]), fields, received)
        responses.append(Response(int(status[1]), fields, body))
    return responses


def _body(status: int, headers: dict[str, str], received: bytes) -> tuple[bytes, bytes]:
    """The body, and what comes after it."""
    if status < 200 or status in (204, 304):
        return b"", received
    if headers.get("transfer-encoding") != "chunked":
        length = int(headers["content-length"])
        if len(received) < length:
            raise ValueError("The response is cut short.")
        return received[:length], received[length:]
    body = b""
    while True:
        size, _, received = received.partition(b"\r\n")
        length = int(size, 16)
        chunk, end, received = received[:length], received[length : length + 2], received[length + 2 :]
        if len(chunk) < length or end != b"\r\n":
            raise ValueError("The response is cut short.")
        if not chunk:
            return body, received
        body += chunk


def post(path: str, body: bytes, *headers: bytes, content_type: bytes | None = b"application/json") -> bytes:
    """A POST request with a Content-Length."""
    return _with_body(b"POST", path, body, headers, content_type)


def patch(path: str, body: bytes, *headers: bytes) -> bytes:
    """A PATCH request of JSON with a Content-Length."""
    return _with_body(b"PATCH", path, body, headers, b"application/json")


def _with_body(method: bytes, path: str, body: bytes, headers: tuple[bytes, ...], content_type: bytes | None) -> bytes:
    length = b"Content-Length: %d" % len(body)
    lines = [method + b" " + path.encode() + b" HTTP/1.1", b"Host: 127.0.0.1", length, *headers]
    if content_type is not None:
        lines.append(b"Content-Type: " + content_type)
    return b"\r\n".join([*lines, b"", body])


def get(path: str, method: str = "GET") -> bytes:
    """A request without a body."""
    return f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode()
