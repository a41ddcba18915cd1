"""The ASGI interface of one request: scope, receive, send.

See https://asgi.readthedocs.io/en/latest/specs/www.html, version 2.4. With uvicorn's own classes a GET takes a sixth
more instructions.
"""

import asyncio
import logging
from collections.abc import Callable, Iterable
from http import HTTPStatus
from typing import Any, Protocol
from urllib.parse import unquote

from uvicorn.server import ServerState

from ...contract import IS_DISCONNECTED, SHUTDOWN
from .asgi import Application, Header, Message, Scope
from .error_responses import STATUS_LINES, problem, response
from .request_target import absolute

logger = logging.getLogger(__name__)

_WITHOUT_BODY = frozenset({HTTPStatus.NO_CONTENT.value, HTTPStatus.NOT_MODIFIED.value})
_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
_DEFECT = "The server failed on this request; see its log."


class ClientDisconnected(OSError):
    """A response is sent to a client that has disconnected (ASGI, "Send")."""


class Connection(Protocol):
    """The part of a connection that a request uses."""

    # The write buffer is full, so that a response of several parts must wait.
    is_full: bool
    # The headers of every response.
    server_state: ServerState
    # Writes data after earlier data.
    write: Callable[[bytes], None]
    # Closes the connection after sending what was written.
    close: Callable[[], None]
    # Closes it at once.
    abort: Callable[[], None]

    async def drain(self) -> None:
        """Wait until it is no longer `is_full`."""

    def read_on(self) -> None:
        """Resume reading, if it was paused."""

    def continue_after(self, request: "Request") -> None:
        """Continue after the response to this request."""


class Request:
    """A request for `app` on `connection`, which stays open after it if `keep_alive` is set.

    If `expects_continue` is set, the client sends the body after 100 Continue.
    """

    __slots__ = (
        "_body",
        "_connection",
        "_expects_continue",
        "_is_chunked",
        "_is_whole",
        "_left",
        "_news",
        "_waiting",
        "app",
        "has_begun",
        "held_bytes",
        "is_cut",
        "is_done",
        "keep_alive",
        "scope",
    )

    def __init__(
        self, app: Application, scope: Scope, connection: Connection, *, keep_alive: bool, expects_continue: bool
    ) -> None:
        self.app = app
        self.scope = scope
        self.keep_alive = keep_alive
        # Whether the head of the response was sent, and whether all of it was.
        self.has_begun = False
        self.is_done = False
        # Whether the client has disconnected, or has got an error response already.
        self.is_cut = False
        # The number of bytes of the body that the application has not received yet.
        self.held_bytes = 0
        self._body: list[bytes] = []
        self._is_whole = False
        self._connection = connection
        self._expects_continue = expects_continue
        # Whether there is something to receive.
        self._news = False
        self._waiting: asyncio.Event | None = None
        # The bytes left of the response; None if its head does not declare a length.
        self._left: int | None = None
        self._is_chunked = False

    async def run(self) -> None:
        """Run the application. If it does not finish, send a 500 problem or abort the connection."""
        try:
            await self.app(self.scope, self.receive, self.send)
        except asyncio.CancelledError:
            logger.warning("Response aborted: the server is shutting down")
        except ClientDisconnected:
            logger.debug("The client has disconnected before the end of the response")
        except Exception as error:
            logger.exception("The application failed", exc_info=error)
        if not (self.is_done or self.is_cut):
            self._break_off()

    def feed(self, body: bytes) -> None:
        """Add a received part of the body."""
        self._body.append(body)
        self.held_bytes += len(body)
        self._tell()

    def end(self) -> None:
        """Mark the body as complete."""
        self._is_whole = True
        self._tell()

    def abort(self) -> None:
        """Mark the client as disconnected."""
        self.is_cut = True
        self._tell()

    async def receive(self) -> Message:
        """The part of the body received since the last call, or the disconnection."""
        if self._expects_continue and not self.is_cut:
            self._expects_continue = False
            self._connection.write(_CONTINUE)
        if not self._news:
            await self._next()
        self._news = False
        if self.is_cut or self.is_done:
            return {"type": "http.disconnect"}
        body, self._body, self.held_bytes = b"".join(self._body), [], 0
        return {"type": "http.request", "body": body, "more_body": not self._is_whole}

    async def send(self, message: Message) -> None:
        """Send the head of the response, then its body in one or more parts.

        Raises `ClientDisconnected` after the client has disconnected, so that long responses end; and `RuntimeError`
        for an invalid response: out of order, with a wrong length, with a transfer coding other than chunked, or with
        line ends in its headers.
        """
        if self._connection.is_full:
            await self._connection.drain()
        if self.is_cut:
            raise ClientDisconnected
        kind = message["type"]
        if kind == "http.response.start" and not self.has_begun:
            self._send_head(message["status"], message.get("headers", ()))
        elif kind == "http.response.body" and self.has_begun and not self.is_done:
            self._send_body(message.get("body", b""), more=message.get("more_body", False))
        else:
            due = "nothing" if self.is_done else f"http.response.{'body' if self.has_begun else 'start'}"
            raise RuntimeError(f"The application sent {kind}; expected {due}.")

    async def _next(self) -> None:
        if self.is_cut or self.is_done:
            return
        self._connection.read_on()
        if self._waiting is None:
            self._waiting = asyncio.Event()
        await self._waiting.wait()
        self._waiting = None

    def _tell(self) -> None:
        self._news = True
        if self._waiting is not None:
            self._waiting.set()

    def _send_head(self, status: int, headers: Iterable[Header]) -> None:
        headers = list(headers)
        named, state = dict(headers), self._connection.server_state
        if b"transfer-encoding" in named:
            headers = _without_coding(headers)
        lines = [STATUS_LINES[status], *map(b": ".join, state.default_headers), *map(b": ".join, headers)]
        if b"connection" in named:
            self.keep_alive = self.keep_alive and b"close" not in named[b"connection"].lower()
        elif not self.keep_alive:
            lines.append(b"connection: close")
        if self.scope["method"] == "HEAD" or status in _WITHOUT_BODY:
            self._left = 0
        elif b"content-length" in named:
            self._left = int(named[b"content-length"])
        elif self.scope["http_version"] != "1.0":
            self._is_chunked = True
            lines.append(b"transfer-encoding: chunked")
        # HTTP/1.0 has no chunks: the body ends with the connection (RFC 9112, section 6.3).
        head = b"\r\n".join((*lines, b"", b""))
        if head.count(b"\n") != len(lines) + 1 or head.count(b"\r") != len(lines) + 1:
            raise RuntimeError(f"A header of the response contains a line end: {headers}.")
        self.has_begun = True
        self._expects_continue = False
        self._connection.write(head)

    def _send_body(self, body: bytes, *, more: bool) -> None:
        if self._is_chunked:
            if body:
                self._connection.write(b"%x\r\n%b\r\n" % (len(body), body))
            if not more:
                self._connection.write(b"0\r\n\r\n")
        elif self.scope["method"] != "HEAD":
            if self._left is not None:
                self._left -= len(body)
                if self._left < 0 or (self._left and not more):
                    by = f"{abs(self._left)} bytes"
                    raise RuntimeError(f"The body of the response and its Content-Length differ by {by}.")
            self._connection.write(body)
        if not more:
            self.is_done = True
            self._tell()
            self._connection.continue_after(self)

    def _break_off(self) -> None:
        if self.has_begun:
            logger.warning("The response is incomplete: aborting its connection")
        else:
            self._connection.write(response(problem(500, _DEFECT), self._connection.server_state.default_headers))
        self.abort()
        # A client that does not read the response would keep a closing connection open.
        (self._connection.abort if self._connection.is_full else self._connection.close)()


def _without_coding(headers: list[Header]) -> list[Header]:
    """Headers without `Transfer-Encoding`, because the server makes the chunks.

    Raises `RuntimeError` for another coding, which the body would need.
    """
    for name, value in headers:
        if name == b"transfer-encoding" and value.lower() != b"chunked":
            raise RuntimeError(f"The application set Transfer-Encoding {value!r}; the server supports only chunked.")
    return [(name, value) for name, value in headers if name != b"transfer-encoding"]


def connection_scope(transport: asyncio.Transport, shutdown: asyncio.Future[None]) -> dict[str, Any]:
    """The part of the scope that all requests on a connection share; `shutdown` is done when the server shuts down."""
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.4"},
        "scheme": "http",
        "server": _address(transport.get_extra_info("sockname")),
        "client": _address(transport.get_extra_info("peername")),
        "root_path": "",
        "extensions": {IS_DISCONNECTED: transport.is_closing, SHUTDOWN: shutdown},
        **dict.fromkeys(("http_version", "method", "path", "raw_path", "query_string", "headers")),
    }


def scope_of(
    connection: dict[str, Any], method: bytes, version: str, target: bytes, headers: list[Header]
) -> dict[str, Any]:
    """The scope of a request with this head, from the scope of its connection.

    Raises `httptools.HttpParserError` for an invalid target.
    """
    # `find`, because `in` first tries to convert the bytes to an integer, and creates an exception when that fails.
    if target.startswith(b"/") and target.find(b"#") < 0:
        raw_path, _, query = target.partition(b"?")
    else:
        raw_path, query, headers = absolute(target, headers)
    path = raw_path.decode("ascii")
    # Copying a dict with all keys takes half the time of a new one.
    scope = connection.copy()
    scope["http_version"] = version
    scope["method"] = method.decode("ascii")
    scope["path"] = unquote(path) if "%" in path else path
    scope["raw_path"] = raw_path
    scope["query_string"] = query
    scope["headers"] = headers
    return scope


def _address(name: Any) -> tuple[str, int] | None:
    return (name[0], name[1]) if name else None
