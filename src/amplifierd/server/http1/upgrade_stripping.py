"""Removes upgrade headers, so that such requests are served as plain HTTP/1.1.

Java's HttpClient sends `Upgrade: h2c` with every request, and a server may ignore it (RFC 9110, section 7.8).
"""

from collections.abc import Iterable

from .asgi import Header

_OFFERS = (b"upgrade", b"http2-settings")


def without_upgrade_offer(method: bytes, target: bytes, version: str, headers: Iterable[Header]) -> bytes:
    """The head of a request without its upgrade headers."""
    remaining = (_without_upgrade(name, value) for name, value in headers)
    lines = b"".join(b"%b: %b\r\n" % header for header in remaining if header is not None)
    return b"%b %b HTTP/%b\r\n%b\r\n" % (method, target, version.encode(), lines)


def _without_upgrade(name: bytes, value: bytes) -> Header | None:
    """A header without the upgrade; None if nothing is left."""
    if name in _OFFERS:
        return None
    if name == b"connection":
        value = b", ".join(token for token in value.split(b",") if token.strip().lower() not in _OFFERS)
    return name, value
