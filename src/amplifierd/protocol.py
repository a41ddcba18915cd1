"""HTTP/1.1 as uvicorn speaks it, with three things mended: upgrades, refusals, and how often it writes."""

import asyncio
import secrets

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from .corked import CorkedTransport

_PROBLEM = (
    b'{"type":"urn:amplifierd:problem:bad-request","title":"Bad Request","status":400,'
    b'"detail":"This is not HTTP/1.1 as RFC 9112 has it.","requestId":"%b"}'
)

_HEAD = (
    b"HTTP/1.1 400 Bad Request\r\ncontent-type: application/problem+json\r\nx-request-id: %b\r\n"
    b"content-length: %d\r\nconnection: close\r\n\r\n"
)
_OFFERS = (b"upgrade", b"http2-settings")


class Protocol(HttpToolsProtocol):
    """Serves a request that asks to upgrade as if it had not asked; refuses what is no HTTP with a problem body.

    Java's HttpClient sends `Upgrade: h2c` with every request, and a server may ignore it (RFC 9110, section 7.8).
    httptools stops at such headers, and what follows them, the body, would be lost: the headers are given to a new
    parser without the two that ask.
    """

    def connection_made(  # type: ignore[override]  # a server has no other transports than these
        self, transport: asyncio.Transport
    ) -> None:
        super().connection_made(CorkedTransport(transport, self.loop))

    def data_received(self, data: bytes) -> None:
        self._unset_keepalive_if_required()
        try:
            while data:
                data = self._feed(data)
        except httptools.HttpParserError:
            self._refuse()

    def _should_upgrade(self) -> bool:
        # uvicorn then leaves the request alone, and `_feed` goes on with it.
        return True

    def _feed(self, data: bytes) -> bytes:
        """Parse; what must be parsed again where a request asked to upgrade."""
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            method, version = self.parser.get_method(), self.parser.get_http_version().encode()
            if method == b"CONNECT":
                raise httptools.HttpParserError("CONNECT is for proxies.") from None
            kept = (_without_upgrade(name, value) for name, value in self.headers)
            head = b"".join(b"%b: %b\r\n" % header for header in kept if header is not None)
            self.parser = httptools.HttpRequestParser(self)
            return b"%b %b HTTP/%b\r\n%b\r\n" % (method, self.url, version, head) + data[upgrade.args[0] :]
        return b""

    def _refuse(self) -> None:
        cycle: RequestResponseCycle | None = self.cycle
        if cycle is not None and not cycle.response_complete:
            # The answer to the request before would be taken for this one's: it comes first, and is the last.
            cycle.keep_alive = False
            return
        self.send_400_response("")

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002  # uvicorn's signature
        request_id = secrets.token_hex(4).encode()
        body = _PROBLEM % request_id
        head = _HEAD % (request_id, len(body))
        self.transport.write(head + body)
        self.transport.close()


def _without_upgrade(name: bytes, value: bytes) -> tuple[bytes, bytes] | None:
    """A header as it is without the offer to upgrade; None where nothing is left of it."""
    if name in _OFFERS:
        return None
    if name == b"connection":
        value = b", ".join(token for token in value.split(b",") if token.strip().lower() not in _OFFERS)
    return name, value
