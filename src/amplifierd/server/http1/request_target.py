"""Targets that are more than a path: in absolute form, as clients send them to proxies (RFC 9112, section 3.2.2)."""

import re

import httptools

from .asgi import Header

# A colon after the host with no port after it, which httptools does not take (RFC 3986, section 3.2.3).
_EMPTY_PORT = re.compile(rb"(?<=^http://)([^/?#]*):(?=[/?#]|$)", re.IGNORECASE)


def absolute(target: bytes, headers: list[Header]) -> tuple[bytes, bytes, list[Header]]:
    """The path and the query that such a target has, and the headers, whose `Host` is the one that it names.

    Raises `httptools.HttpParserError` where it is no target.
    """
    url = httptools.parse_url(_EMPTY_PORT.sub(rb"\1", target, count=1))
    if not url.host:
        return url.path, url.query or b"", headers
    # httptools takes the brackets off.
    host = b"[%b]" % url.host if b":" in url.host else url.host
    if url.port is not None:
        host = b"%b:%d" % (host, url.port)
    named = [(name, host if name == b"host" else value) for name, value in headers]
    return url.path or b"/", url.query or b"", named
