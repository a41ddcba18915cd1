"""The HTTP/1.1 protocol of one connection for uvicorn's server: parses with httptools, in order and within limits."""

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Any

import httptools
import uvicorn
from uvicorn.server import ServerState

from ...contract import Problem
from .asgi import Application, Header
from .body_chunks import BODY, HEAD, IDLE, ChunkedBody, ParseState, Pieces
from .eager_task import eager_tasks
from .error_responses import (
    SUPPORTED,
    check_supported,
    parser_problem,
    problem,
    problem_application,
    response,
)
from .idle_timer import IdleTimer
from .limits import LIMITS, Limits
from .request import ClientDisconnected, Request, connection_scope, scope_of
from .upgrade_stripping import without_upgrade_offer
from .write_buffer import WriteBuffer

# The maximum number of bytes to parse at once, except of one body. Further pipelined requests wait unparsed.
PIECE_BYTES = 8 * 1024
# The limit of buffered bytes of a body, and of pipelined requests. Beyond it the server stops reading, and does not
# notice when the client disconnects.
_MAX_HELD_BYTES = 64 * 1024


class Protocol(asyncio.Protocol):
    """Passes requests to uvicorn's application in order; refuses invalid HTTP with a problem body.

    A request for an upgrade is served as if it did not ask for one. httptools stops at such headers, and would lose the
    following body, so the headers go to a new parser, without the two that ask for the upgrade.

    A refused request is the last on its connection, because the start of the next one is unknown.
    """

    # See `Connection`.
    write: Callable[[bytes], None]
    close: Callable[[], None]
    abort: Callable[[], None]

    def __init__(
        self,
        config: uvicorn.Config,
        server_state: ServerState,
        app_state: dict[str, Any],  # noqa: ARG002  # uvicorn gives it; nothing of ours asks for it
        _loop: asyncio.AbstractEventLoop | None = None,
        *,
        limits: Limits = LIMITS,
    ) -> None:
        self.is_full = False
        self._app: Application = config.loaded_app
        self._idle_seconds = config.timeout_keep_alive
        self.server_state = server_state
        self._loop = _loop or asyncio.get_running_loop()
        self._limits = limits
        # Any target that the application's contract allows fits (see contract/request/target_limit.py).
        self._target_bytes: int = max(limits.target_bytes, getattr(config.loaded_app, "longest_target", 0))
        self._parser = self._new_parser()
        self._parse_state: ParseState = IDLE
        self._target = b""
        self._headers: list[Header] = []
        self._codings: list[bytes] = []
        self._expects_continue = False
        # The last request with a complete head; the request in progress; the requests that wait for their turn.
        self._last: Request | None = None
        self._current: Request | None = None
        self._pipelined: deque[Request] = deque()
        # Whether the parser state has changed since the last piece.
        self._state_changed = False
        # The bytes received of a head or of trailers, and the bytes of a body since the last check.
        self._head_bytes = 0
        self._body_bytes = 0
        # Unparsed bytes.
        self._unparsed: bytes | memoryview = b""
        self._pieces = Pieces()
        self._is_paused = False
        self._is_refused = False

    def connection_made(  # type: ignore[override]  # a server has no other transports than these
        self, transport: asyncio.Transport
    ) -> None:
        self.server_state.connections.add(self)  # type: ignore[arg-type]  # it lists uvicorn's own
        self._transport = WriteBuffer(transport, self._loop)
        self.write, self.close, self.abort = self._transport.write, self._transport.close, self._transport.abort
        self._eager = eager_tasks(self._loop, self.server_state.tasks)
        self._drained = asyncio.Event()
        self._shutdown: asyncio.Future[None] = self._loop.create_future()
        self._scope = connection_scope(transport, self._shutdown)
        least = min(self._limits.head_seconds, self._idle_seconds)
        self._idle_timer = IdleTimer(self._loop, least, self._overdue)
        self._idle_timer.wait(self._limits.head_seconds)
        if len(self.server_state.connections) > self._limits.connections:
            self._refuse(problem(503, f"The server has reached its limit of {self._limits.connections} connections."))

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002  # whatever it was, the client is gone
        self.server_state.connections.discard(self)
        self._idle_timer.end()
        # Break reference cycles, so that the garbage collector is not needed.
        del self._parser
        requests = [self._current, *self._pipelined]
        self._pipelined, self._last, self._current = deque(), None, None
        self._unparsed, self._is_refused = b"", True
        for request in requests:
            if request is not None:
                request.abort()
        self.resume_writing()
        self._eager.end()

    def data_received(self, data: bytes) -> None:
        if not self._is_refused:
            self._unparsed = b"".join((self._unparsed, data)) if self._unparsed else data
            self._parse()

    def pause_writing(self) -> None:
        self.is_full = True
        self._drained.clear()

    def resume_writing(self) -> None:
        self.is_full = False
        self._drained.set()

    def shutdown(self) -> None:
        """Close the connection after the pending responses; uvicorn calls this when the server shuts down."""
        if not self._shutdown.done():
            self._shutdown.set_result(None)
        if self._last is None or self._last.is_done:
            self.close()
        else:
            self._last.keep_alive = False

    def on_message_begin(self) -> None:
        self._parse_state = HEAD
        self._state_changed = True
        self._target = b""
        self._headers = []
        self._codings = []
        self._expects_continue = False

    def on_url(self, target: bytes) -> None:
        self._target += target

    def on_header(self, name: bytes, value: bytes) -> None:
        # Trailing spaces and tabs are not part of a value (RFC 9112, section 5.1); httptools drops leading ones.
        name, value = name.lower(), value.rstrip(b" \t")
        self._headers.append((name, value))
        if name == b"content-length":
            self._pieces.body_left = int(value)
        elif name == b"transfer-encoding":
            self._codings.append(value)
        elif name == b"expect" and value.lower() == b"100-continue":
            self._expects_continue = True

    def on_headers_complete(self) -> None:
        self._check_head()
        parser = self._parser
        method, version = parser.get_method(), parser.get_http_version()
        if self._codings or (method, version) not in SUPPORTED:
            check_supported(method, version, self._codings)
        if parser.should_upgrade():
            return
        scope = scope_of(self._scope, method, version, self._target, self._headers)
        # A client of HTTP/1.0 does not know 100 (RFC 9110, section 10.1.1).
        is_current = version == "1.1"
        keep_alive, expects_continue = is_current and parser.should_keep_alive(), is_current and self._expects_continue
        request = Request(self._app, scope, self, keep_alive=keep_alive, expects_continue=expects_continue)
        self._parse_state = BODY
        self._pieces.chunks = ChunkedBody() if self._codings else None
        self._state_changed = True
        self._head_bytes = 0
        # Trailers go into another list, because they are not headers (RFC 9110, section 6.5.1).
        self._headers = []
        if self._current is None:
            self._current = request
        else:
            self._pipelined.append(request)
        self._last = request

    def on_body(self, body: bytes) -> None:
        self._body_bytes += len(body)
        self._pieces.body_left -= len(body)
        request = self._last
        if request is not None and not request.is_done:
            request.feed(body)
            if request.held_bytes > _MAX_HELD_BYTES:
                self._pause()

    def on_message_complete(self) -> None:
        if self._last is not None and not self._parser.should_upgrade():
            self._last.end()
            self._parse_state = IDLE
            self._pieces.chunks = None
            self._head_bytes = 0

    async def drain(self) -> None:
        """Wait until the write buffer is almost empty. Raises `ClientDisconnected` if the client does not read."""
        try:
            async with asyncio.timeout(self._limits.read_seconds):
                await self._drained.wait()
        except TimeoutError:
            self._transport.abort()
            raise ClientDisconnected from None

    def read_on(self) -> None:
        """Resume reading once everything received is parsed."""
        if self._unparsed:
            self._loop.call_soon(self._parse)
        elif self._is_paused:
            self._resume()

    def _resume(self) -> None:
        self._is_paused = False
        self._transport.resume_reading()
        if self._parse_state is not IDLE:
            # The client could not send while the server did not read.
            self._expect()

    def continue_after(self, request: Request) -> None:
        """Start the next request, or wait for it; without keep-alive, close the connection."""
        self._current = None
        if not request.keep_alive:
            if self._parse_state is not IDLE or self._unparsed or self._pipelined:
                self._stop_parsing()
            self.close()
        elif self._unparsed or self._is_paused or self._pipelined:
            self._next()
        elif self._parse_state is IDLE:
            self._idle_timer.wait(self._idle_seconds)

    def _next(self) -> None:
        if self._transport.is_closing():
            return
        self.read_on()
        if self._parse_state is not IDLE:
            self._expect()
        if self._pipelined:
            self._current = self._pipelined.popleft()
            self._eager.run(self._current.run())
        elif self._parse_state is IDLE:
            self._idle_timer.wait(self._idle_seconds)

    def _new_parser(self) -> httptools.HttpRequestParser:
        parser = httptools.HttpRequestParser(self)
        # Bytes after a request that closes the connection are ignored, and do not prevent its response. Versions
        # are checked here, so that they get their own status.
        parser.set_dangerous_leniencies(lenient_data_after_close=True, lenient_version=True)
        return parser

    def _pause(self) -> None:
        if not self._is_paused:
            self._is_paused = True
            self._transport.pause_reading()

    def _parse(self) -> None:
        """Parse the received bytes, until a request must wait for the response to the previous one, and begin one."""
        if not self._unparsed:
            return
        before, piece, is_begun = self._current, b"", False
        try:
            while self._unparsed and not self._pipelined:
                is_begun = self._parse_state is HEAD
                most = PIECE_BYTES
                if len(self._unparsed) > most:
                    most = max(most, self._pieces.left(self._parse_state))
                piece, size = self._pieces.take(bytes(self._unparsed[:most]), self._parse_state)
                # A view, because a large body is split into many pieces.
                self._unparsed = memoryview(self._unparsed)[size:] if size < len(self._unparsed) else b""
                self._feed(piece, size)
                if self._pieces.has_many_chunks():
                    # Others get their turn.
                    self._pause()
                    self._loop.call_soon(self._parse)
                    break
        except httptools.HttpParserError as error:
            self._refuse(parser_problem(error, piece, is_begun=is_begun))
        except Problem as refused:
            self._refuse(refused)
        else:
            self._go_on()
        request = self._current
        if request is not None and request is not before and not request.is_cut:
            # Begin only after parsing, so that the received body is available, and a refused request has no effect.
            self._eager.run(request.run())

    def _feed(self, piece: bytes, size: int) -> None:
        body_bytes = self._body_bytes
        try:
            if piece:
                self._parser.feed_data(piece)
        except httptools.HttpParserUpgrade as upgrade:
            self._unparsed = b"".join((self._without_upgrade_offer(), piece[upgrade.args[0] :], self._unparsed))
        if self._parse_state is not IDLE and self._body_bytes == body_bytes:
            # The parser buffers a header or a trailer until it ends.
            self._head_bytes += size
            self._check_head()

    def _check_head(self) -> None:
        """Raises a problem if the target, the headers or the trailers exceed their limits."""
        limits = self._limits
        if len(self._target) > self._target_bytes:
            raise problem(414, f"The target has more than {self._target_bytes} bytes, which is the limit.")
        # A head that arrived in one piece is not too large.
        if len(self._headers) > limits.headers or (self._head_bytes and self._head_size() > limits.header_bytes):
            raise problem(431, f"The headers exceed {limits.headers} lines or {limits.header_bytes} bytes; send fewer.")

    def _head_size(self) -> int:
        whole = sum(len(name) + len(value) + 4 for name, value in self._headers)
        return max(whole, self._head_bytes - len(self._target) - PIECE_BYTES)

    def _go_on(self) -> None:
        """Set the next deadline; resume reading unless there is more to parse."""
        if self._last is None:
            # The first head of a connection has a deadline from the start.
            return
        if self._parse_state is IDLE:
            self._idle_timer.due = None
        elif self._state_changed:
            self._expect()
        self._state_changed = False
        if len(self._unparsed) > _MAX_HELD_BYTES:
            self._pause()
        elif self._current is None:
            # The next request, if any.
            self.read_on()
            if self._parse_state is IDLE:
                self._idle_timer.wait(self._idle_seconds)

    def _expect(self) -> None:
        self._body_bytes = 0
        self._idle_timer.wait(self._limits.body_seconds if self._parse_state is BODY else self._limits.head_seconds)

    def _without_upgrade_offer(self) -> bytes:
        """The head of the request without its upgrade headers, for a new parser, which replaces the present one."""
        parser, self._parser = self._parser, self._new_parser()
        return without_upgrade_offer(parser.get_method(), self._target, parser.get_http_version(), self._headers)

    def _overdue(self) -> None:
        limits = self._limits
        if self._parse_state is IDLE:
            self.close()
        elif (
            self._is_paused or self._pipelined or (self._parse_state is BODY and self._body_bytes >= limits.body_bytes)
        ):
            self._expect()
        elif self._parse_state is BODY:
            least, seconds = limits.body_bytes, limits.body_seconds
            self._refuse(problem(408, f"Less than {least} bytes of the body arrived within {seconds:g} seconds."))
        else:
            self._refuse(problem(408, f"The head did not arrive within {limits.head_seconds:g} seconds."))

    def _refuse(self, refused: Problem) -> None:
        """Respond with a problem to the request that is being received, in its turn, and read nothing after it."""
        is_in_body = self._parse_state is BODY
        self._stop_parsing()
        last = self._last
        if last is not None and is_in_body:
            self._refuse_body(last, refused)
        elif last is None or last.is_done:
            self._write_problem(refused)
        else:
            # The client would take the problem for the response to the previous request: that response is the last one.
            last.keep_alive = False

    def _stop_parsing(self) -> None:
        """Discard further bytes, so that the client can finish sending."""
        self._is_refused, self._unparsed = True, b""
        self._parse_state = IDLE
        self._idle_timer.due = None
        self._transport.lingers = True
        self.read_on()

    def _refuse_body(self, request: Request, refused: Problem) -> None:
        request.keep_alive = False
        if request.is_done:
            self.close()
        elif self._pipelined:
            # The request waits for its turn, and is then refused.
            request.app = problem_application(refused)
        elif not request.has_begun:
            request.abort()
            self._write_problem(refused)

    def _write_problem(self, refused: Problem) -> None:
        self.write(response(refused, self.server_state.default_headers))
        self.close()
