"""Request targets in absolute form, as clients send them to proxies (RFC 9112, section 3.2.2)."""

import re

import httptools

from .asgi import Header

# A colon after the host without a port, which httptools does not accept (RFC 3986, section 3.2.3).
_EMPTY_PORT = re.compile(rb"(?<=^http://)([^/?#]*):(?=[/?#]|$)", re.IGNORECASE)


def absolute(target: bytes, headers: list[Header]) -> tuple[bytes, bytes, list[Header]]:
    """The path and query of a target in absolute form, and the headers with its host as `Host`.

    Raises `httptools.HttpParserError` if the target is invalid.
    """
    url = httptools.parse_url(_EMPTY_PORT.sub(rb"\1", target, count=1))
    if not url.host:
        return url.path, url.query or b"", headers
    # httptools removes the brackets.
    host = b"[%b]" % url.host if b":" in url.host else url.host
    if url.port is not None:
        host = b"%b:%d" % (host, url.port)
    named = [(name, host if name == b"host" else value) for name, value in headers]
    return url.path or b"/", url.query or b"", named
