"""HTTP/1.1 as uvicorn speaks it, with two things mended."""

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

_PROBLEM = (
    b'{"type":"urn:amplifierd:problem:bad-request","title":"Bad Request","status":400,'
    b'"detail":"This is not HTTP/1.1 as RFC 9112 has it.","requestId":"-"}'
)

_OFFERS = (b"upgrade", b"http2-settings")


class Protocol(HttpToolsProtocol):
    """Serves a request that asks to upgrade as if it had not asked; refuses what is no HTTP with a problem body.

    Java's HttpClient sends `Upgrade: h2c` with every request, and a server may ignore it (RFC 9110, section 7.8).
    httptools stops at such headers, and what follows them, the body, would be lost: the headers are given to a new
    parser without the two that ask.
    """

    def data_received(self, data: bytes) -> None:
        self._unset_keepalive_if_required()
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            self._start_again_without_upgrade(data[upgrade.args[0] :])
        except httptools.HttpParserError:
            self.send_400_response("")

    def on_headers_complete(self) -> None:
        if not self.parser.should_upgrade():
            super().on_headers_complete()

    def on_message_complete(self) -> None:
        if not self.parser.should_upgrade():
            super().on_message_complete()

    def _start_again_without_upgrade(self, rest: bytes) -> None:
        method, version = self.parser.get_method(), self.parser.get_http_version().encode()
        if method == b"CONNECT":
            self.send_400_response("")
            return
        kept = (_without_upgrade(name, value) for name, value in self.headers)
        head = b"".join(b"%b: %b\r\n" % header for header in kept if header is not None)
        start = b"%b %b HTTP/%b\r\n" % (method, self.url, version)
        self.parser = httptools.HttpRequestParser(self)
        self.data_received(start + head + b"\r\n" + rest)

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002  # uvicorn's signature
        self.transport.write(
            b"HTTP/1.1 400 Bad Request\r\ncontent-type: application/problem+json\r\n"
            b"content-length: %d\r\nconnection: close\r\n\r\n%b" % (len(_PROBLEM), _PROBLEM)
        )
        self.transport.close()


def _without_upgrade(name: bytes, value: bytes) -> tuple[bytes, bytes] | None:
    """A header as it is without the offer to upgrade; None where nothing is left of it."""
    if name in _OFFERS:
        return None
    if name == b"connection":
        value = b", ".join(token for token in value.split(b",") if token.strip().lower() not in _OFFERS)
    return name, value
