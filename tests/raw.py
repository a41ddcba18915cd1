"""HTTP as bytes on a socket, for requests that no well-behaved client sends."""

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
    """An HTTP response."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)


class Connection:
    """A connection to a daemon, on which requests can be pipelined."""

    def __init__(self, port: int, *, seconds: float = SECONDS, receive_bytes: int | None = None) -> None:
        """`receive_bytes` limits the kernel's receive buffer, which otherwise may hold many megabytes."""
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        if receive_bytes is not None:
            # Set before connecting, because the window is negotiated then.
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
        self._socket.settimeout(seconds)
        self._socket.connect(("127.0.0.1", port))
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._file = self._socket.makefile("rb")
        self._streaming = False

    def send(self, *pieces: bytes) -> None:
        """Send bytes, each piece separately."""
        for piece in pieces:
            self._socket.sendall(piece)

    def response(self, method: str = "GET") -> Response:
        """The next response; `method` is the method of its request."""
        head = self.head()
        return head if head.status == http.client.CONTINUE else self.read_body(head, method)

    def read_body(self, head: Response, method: str = "GET") -> Response:
        """The response with this head, which was read before; `method` is the method of its request."""
        if head.headers.get("transfer-encoding") == "chunked":
            return replace(head, body=b"".join(iter(self.chunk, b"")))
        length = 0 if method == "HEAD" else int(head.headers.get("content-length", 0))
        return replace(head, body=self._file.read(length))

    def head(self) -> Response:
        """The head of the next response; the body stays unread."""
        status_line = self._file.readline()
        if not status_line:
            raise ConnectionError("The daemon closed the connection without a response.")
        status = int(status_line.split()[1])
        headers = {name.lower(): value for name, value in http.client.parse_headers(self._file).items()}
        return Response(status, headers, b"")

    def chunk(self) -> bytes:
        """The next chunk of a response whose head was read before; the last chunk is empty."""
        line = self._file.readline()
        if not line.endswith(b"\r\n"):
            raise ConnectionError("The daemon cut the response short.")
        chunk = self._file.read(int(line, 16))
        self._file.readline()
        return chunk

    def event(self) -> bytes:
        """The next chunk of a stream, after its head."""
        if not self._streaming:
            while self._file.readline() != b"\r\n":
                self._streaming = True
        return self.chunk()

    def read_all(self) -> bytes:
        """Everything until the daemon closes the connection."""
        return self._file.read()

    def close(self) -> None:
        """Close the connection."""
        self._file.close()
        self._socket.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def exchange(port: int, *pieces: bytes) -> Response:
    """Send a request in these pieces. Returns the response."""
    with Connection(port) as connection:
        connection.send(*pieces)
        return connection.response()


def assert_problem(response: Response, status: int, words: str) -> None:
    """Assert that the response is a problem with this status, and that its detail contains these words."""
    assert response.status == status, response
    assert response.headers["content-type"] == "application/problem+json"
    problem = response.json
    assert problem["status"] == status
    assert problem["requestId"] == response.headers["x-request-id"]
    assert words in problem["detail"]


_STATUS = re.compile(rb"HTTP/1\.1 ([1-5]\d\d) [ -~]*")
_HEADER = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+): ([ -~]*)")


def responses_in(received: bytes) -> list[Response]:
    """The responses in these bytes (none to HEAD). Raises ValueError if they are not strictly valid HTTP."""
    responses = []
    while received:
        head, _, received = received.partition(b"\r\n\r\n")
        status_line, *lines = head.split(b"\r\n")
        status, headers = _STATUS.fullmatch(status_line), [_HEADER.fullmatch(line) for line in lines]
        if status is None or None in headers:
            raise ValueError(f"Invalid response head: {head!r}.")
        fields = {header[1].decode().lower(): header[2].decode() for header in headers if header is not None}
        body, received = _body(int(status[1]), fields, received)
        responses.append(Response(int(status[1]), fields, body))
    return responses


def _body(status: int, headers: dict[str, str], received: bytes) -> tuple[bytes, bytes]:
    """The body, and the bytes after it."""
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
