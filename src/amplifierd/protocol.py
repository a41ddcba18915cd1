"""HTTP/1.1 as uvicorn speaks it, with these things mended: upgrades, refusals, bounds, and how often it writes."""

import asyncio
from dataclasses import dataclass
from typing import Any

import httptools
from uvicorn._types import ASGI3Application, HTTPScope
from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from .contract import Problem
from .corked import CorkedTransport
from .eager import EagerTask
from .patience import Patience
from .refusals import problem, refusing, response
from .unchunked import unchunked


@dataclass(frozen=True, slots=True)
class Limits:
    """The most that a request may have before its body, in bytes, and how slow a client may be.

    A head has to be there in `head_seconds`; of a body, `body_bytes` have to come in each `body_seconds` in which the
    server reads, or its end. Past so many `connections` a new one is refused.
    """

    target_bytes: int = 8 * 1024
    header_bytes: int = 32 * 1024
    headers: int = 100
    head_seconds: float = 10
    body_seconds: float = 30
    body_bytes: int = 30 * 1024
    connections: int = 4_096


LIMITS = Limits()

# So much is parsed at once. Requests that were sent ahead past that wait as the bytes that they are.
PIECE_BYTES = 8 * 1024

_NOT_HTTP = "This is not HTTP/1.1 as RFC 9112 has it."
_OFFERS = (b"upgrade", b"http2-settings")


class Protocol(HttpToolsProtocol):
    """Serves a request that asks to upgrade as if it had not asked; refuses what is no HTTP with a problem body.

    Java's HttpClient sends `Upgrade: h2c` with every request, and a server may ignore it (RFC 9110, section 7.8).
    httptools stops at such headers, and what follows them, the body, would be lost: the headers are given to a new
    parser without the two that ask.

    What is refused is the last on its connection: where the next request begins would be a guess.
    """

    def __init__(self, *arguments: Any, limits: Limits = LIMITS, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._limits = limits
        # The last request whose head is here, and the last of which all is, each by its scope.
        self._headed: HTTPScope | None = None
        self._whole: HTTPScope | None = None
        # What came of a head or of trailers; and of a body, since that was looked at.
        self._gathered = 0
        self._body_bytes = 0
        # The request that begins once all that came of it is parsed.
        self._beginning: tuple[RequestResponseCycle, ASGI3Application] | None = None
        self._is_parsing = False
        # What is not parsed yet.
        self._rest: bytes | memoryview = b""
        self._refused = False

    def connection_made(  # type: ignore[override]  # a server has no other transports than these
        self, transport: asyncio.Transport
    ) -> None:
        self._eager = EagerTask(self.loop, self.tasks)
        self._corked = CorkedTransport(transport, self.loop)
        super().connection_made(self._corked)
        self.flow = _Flow(self.transport, self)
        least = min(self._limits.head_seconds, self.timeout_keep_alive)
        self._patience = Patience(self.loop, least, self._overdue)
        self._patience.wait(self._limits.head_seconds)
        if len(self.connections) > self._limits.connections:
            self._refuse(problem(503, f"There are {self._limits.connections} connections, as many as may be."))

    def connection_lost(self, exc: Exception | None) -> None:
        self._patience.end()
        super().connection_lost(exc)
        self._eager.end()

    def data_received(self, data: bytes) -> None:
        if not self._refused:
            self._rest = b"".join((self._rest, data)) if self._rest else data
            self._parse()

    def on_headers_complete(self) -> None:
        self._check_head()
        if self.expect_100_continue and self.parser.get_http_version() == "1.0":
            # It could not read that it may go on (RFC 9110, section 10.1.1).
            self.expect_100_continue = False
        super().on_headers_complete()
        # Trailers come into another list: they are no headers (RFC 9110, section 6.5.1).
        self.headers = []
        self._headed = self.scope
        self._gathered = 0

    def on_body(self, body: bytes) -> None:
        self._body_bytes += len(body)
        super().on_body(body)

    def on_message_complete(self) -> None:
        super().on_message_complete()
        self._whole = self.scope
        self._gathered = 0

    def on_response_complete(self) -> None:
        self.server_state.total_requests += 1
        if self.transport.is_closing():
            return
        self.flow.resume_reading()
        if self.pipeline:
            self._start_asgi_task(*self.pipeline.pop())
        elif self.scope is self._whole:
            self._patience.wait(self.timeout_keep_alive)

    def may_read(self) -> bool:
        """Whether all that was read is parsed; what is not is parsed then."""
        if self._rest:
            self.loop.call_soon(self._parse)
        return not self._rest

    def reads_again(self) -> None:
        """While the server did not read, its client could not send."""
        if self._is_receiving():
            self._expect()

    def _should_upgrade(self) -> bool:
        # uvicorn then leaves the request alone, and `_feed` goes on with it.
        return True

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: ASGI3Application) -> None:
        if cycle.scope["http_version"] == "1.0":
            app = unchunked(app, cycle)
        if self._is_parsing:
            self._beginning = cycle, app
        else:
            super()._start_asgi_task(cycle, app)

    def _parse(self) -> None:
        self._is_parsing = True
        self._parse_what_is_there()
        self._is_parsing = False
        if self._beginning is not None:
            beginning, self._beginning = self._beginning, None
            self._begin(*beginning)

    def _begin(self, cycle: RequestResponseCycle, app: ASGI3Application) -> None:
        if self._eager.may_run():
            self._eager.run(cycle.run_asgi(app))
        else:
            super()._start_asgi_task(cycle, app)

    def _parse_what_is_there(self) -> None:
        """Parse until a request has to wait for the answer to the one before it."""
        scope, headed = self.scope, self._headed
        try:
            while self._rest and not self.pipeline and self.parser is not None:
                piece, self._rest = self._rest, b""
                if len(piece) > PIECE_BYTES:
                    whole = memoryview(piece)
                    piece, self._rest = whole[:PIECE_BYTES], whole[PIECE_BYTES:]
                self._feed(piece)
        except httptools.HttpParserError as error:
            # What a callback raises is the context of the parser's error.
            cause = error.__context__
            self._refuse(cause if isinstance(cause, Problem) else problem(400, _NOT_HTTP))
        except Problem as refused:
            self._refuse(refused)
        else:
            # The first head of a connection is due from the beginning.
            if self.cycle is not None:
                self._go_on(began=self.scope is not scope or self._headed is not headed)

    def _is_receiving(self) -> bool:
        return self.scope is not self._whole

    def _is_in_body(self) -> bool:
        return self._is_receiving() and self.scope is self._headed

    def _feed(self, piece: bytes | memoryview) -> None:
        body_bytes = self._body_bytes
        try:
            self.parser.feed_data(piece)
        except httptools.HttpParserUpgrade as upgrade:
            self._rest = b"".join((self._without_offer(), piece[upgrade.args[0] :], self._rest))
        if self.scope is not self._whole and self._body_bytes == body_bytes:
            # The parser keeps a header, or a trailer, until it ends.
            self._gathered += len(piece)
            self._check_head()

    def _check_head(self) -> None:
        """Raises a problem where the target, the headers or the trailers are more than they may be."""
        limits = self._limits
        if len(self.url) > limits.target_bytes:
            raise problem(414, f"The target has more than {limits.target_bytes} bytes, the most that it may have.")
        # What came in one piece is not large.
        if len(self.headers) > limits.headers or (self._gathered and self._gathered_bytes() > limits.header_bytes):
            raise problem(
                431, f"There are more than {limits.headers} headers, or {limits.header_bytes} bytes of them: send less."
            )

    def _gathered_bytes(self) -> int:
        whole = sum(len(name) + len(value) + 4 for name, value in self.headers)
        return max(whole, self._gathered - self._limits.target_bytes - PIECE_BYTES)

    def _go_on(self, *, began: bool) -> None:
        """Say what is due next; read it unless there is more to parse."""
        if self.scope is self._whole:
            self._patience.due = None
        elif began:
            self._expect()
        if self._rest:
            self.flow.pause_reading()
        elif self.cycle.response_complete:
            self._wait()

    def _expect(self) -> None:
        self._body_bytes = 0
        self._patience.wait(self._limits.body_seconds if self._is_in_body() else self._limits.head_seconds)

    def _wait(self) -> None:
        """Read what comes next, if it comes."""
        self.flow.resume_reading()
        if self.scope is self._whole:
            self._patience.wait(self.timeout_keep_alive)

    def _without_offer(self) -> bytes:
        """The head of the request that asked to upgrade without its asking, for a new parser."""
        method, version = self.parser.get_method(), self.parser.get_http_version().encode()
        if method == b"CONNECT":
            raise problem(400, "CONNECT is for proxies, and this is none.")
        kept = (_without_upgrade(name, value) for name, value in self.scope["headers"])
        head = b"".join(b"%b: %b\r\n" % header for header in kept if header is not None)
        self.parser = httptools.HttpRequestParser(self)
        return b"%b %b HTTP/%b\r\n%b\r\n" % (method, self.url, version, head)

    def _overdue(self) -> None:
        limits = self._limits
        if not self._is_receiving():
            self.transport.close()
        elif self.flow.read_paused or (self._is_in_body() and self._body_bytes >= limits.body_bytes):
            self._expect()
        elif self._is_in_body():
            least, seconds = limits.body_bytes, limits.body_seconds
            self._refuse(problem(408, f"Less than {least} bytes of the body came within {seconds:g} seconds."))
        else:
            self._refuse(problem(408, f"The head did not come within {limits.head_seconds:g} seconds."))

    def _refuse(self, refused: Problem) -> None:
        """Answer what is being received with a problem, in its turn; nothing after it is read."""
        is_in_body = self._is_in_body()
        self._read_no_more()
        cycle: RequestResponseCycle | None = self.cycle
        if cycle is not None and is_in_body:
            self._refuse_body(cycle, refused)
        elif cycle is None or cycle.response_complete:
            self._answer(refused)
        else:
            # The answer would be taken for that to the request before, which comes first, and is the last.
            cycle.keep_alive = False

    def _read_no_more(self) -> None:
        """Leave what still comes alone, so that the client can send it."""
        self._refused, self._rest = True, b""
        self._whole = self.scope
        self._patience.due = None
        self._corked.lingers = True
        self.flow.resume_reading()

    def _refuse_body(self, cycle: RequestResponseCycle, refused: Problem) -> None:
        cycle.keep_alive = False
        if cycle.response_complete:
            self.transport.close()
        elif self.pipeline:
            # It waits for its turn, in which it is refused.
            self.pipeline[0] = (cycle, refusing(refused))
        elif not cycle.response_started:
            cycle.disconnected = True
            cycle.message_event.set()
            self._answer(refused)

    def _answer(self, refused: Problem) -> None:
        self.transport.write(response(refused))
        self.transport.close()


class _Flow(FlowControl):
    """Reads on only where its protocol may, and tells it."""

    def __init__(self, transport: asyncio.Transport, protocol: Protocol) -> None:
        super().__init__(transport)
        self._protocol = protocol

    def resume_reading(self) -> None:
        if self.read_paused and self._protocol.may_read():
            super().resume_reading()
            self._protocol.reads_again()


def _without_upgrade(name: bytes, value: bytes) -> tuple[bytes, bytes] | None:
    """A header as it is without the offer to upgrade; None where nothing is left of it."""
    if name in _OFFERS:
        return None
    if name == b"connection":
        value = b", ".join(token for token in value.split(b",") if token.strip().lower() not in _OFFERS)
    return name, value
