"""Error responses to requests that reach no operation."""

import re
import secrets
from collections.abc import Sequence
from http import HTTPStatus
from itertools import product

import httptools

from ...contract import Problem, render
from .asgi import Application, Header, Receive, Scope, Send

RETRY_AFTER_SECONDS = 1

STATUS_LINES = {
    status.value: b"HTTP/1.1 %d %b" % (status.value, status.phrase.encode()) for status in HTTPStatus if status >= 200
}

KINDS = {
    400: "bad-request",
    408: "request-timeout",
    414: "target-too-long",
    431: "headers-too-large",
    # As in the contract: the title is enough.
    500: "",
    501: "not-implemented",
    503: "too-many-connections",
    505: "version-not-supported",
}

_NOT_HTTP = "The request is not valid HTTP/1.1 (RFC 9112)."

# The methods of RFC 9110 (section 9) and RFC 5789, without CONNECT, which is for proxies.
_METHODS = frozenset({b"GET", b"HEAD", b"POST", b"PUT", b"PATCH", b"DELETE", b"OPTIONS", b"TRACE"})
_METHOD_NAMES = b", ".join(sorted(_METHODS)).decode()
_VERSIONS = ("1.0", "1.1")
SUPPORTED = frozenset(product(_METHODS, _VERSIONS))

# What the parser says of a method that it knows from RTSP, or from the preface of HTTP/2, in a request of HTTP/1.
_OF_OTHER_PROTOCOLS = frozenset({"Invalid method for HTTP/x.x request", "Expected HTTP/2 Connection Preface"})

# A method at the start of a request, or its received part (RFC 9110, section 5.6.2); lines before a request
# may be empty (RFC 9112, section 2.2).
_METHOD = re.compile(rb"[\r\n]*[!#$%&'*+.^_`|~0-9A-Za-z-]+(?: |$)")


def problem(status: int, detail: str) -> Problem:
    """The problem for a status."""
    headers = {"Retry-After": str(RETRY_AFTER_SECONDS)} if status == HTTPStatus.SERVICE_UNAVAILABLE else None
    return Problem(status, KINDS[status], detail, headers=headers)


def check_supported(method: bytes, version: str, codings: list[bytes]) -> None:
    """Raises the problem with a request's method, version or `Transfer-Encoding` headers.

    505 for a version other than HTTP/1.0 and 1.1, 501 for an unknown method or a transfer coding other than chunked.
    """
    if version not in _VERSIONS:
        raise problem(505, f"HTTP/{version} is not supported; send HTTP/1.1.")
    if method not in _METHODS:
        raise _unknown_method()
    names = [name for name in (item.strip(b" \t").lower() for item in b",".join(codings).split(b",")) if name]
    # If the last coding is not chunked, the end of the body is unknown: the parser refuses it (RFC 9112, 6.3).
    if names[-1:] == [b"chunked"] and len(names) > 1:
        coding = names[0].decode("latin-1")
        raise problem(
            501, f"The transfer coding {coding!r} is not supported; send the body chunked, or without a coding."
        )


def parser_problem(error: httptools.HttpParserError, piece: bytes, *, is_begun: bool) -> Problem:
    """The problem for a parser error in this piece of a request, which may have started in an earlier piece."""
    # An exception of a callback is the context of the parser's error.
    if isinstance(error.__context__, Problem):
        return error.__context__
    if str(error) in _OF_OTHER_PROTOCOLS:
        return _unknown_method()
    # The parser knows the methods of many protocols, and refuses any other method while it reads it.
    is_of_method = isinstance(error, httptools.HttpParserInvalidMethodError)
    if is_of_method and _METHOD.match(b"X" + piece if is_begun else piece):
        return _unknown_method()
    return problem(400, _NOT_HTTP)


def _unknown_method() -> Problem:
    return problem(501, f"The method is not supported; the server knows {_METHOD_NAMES}.")


def response(refused: Problem, default_headers: Sequence[Header]) -> bytes:
    """The bytes of the response for a problem, which is the last one on its connection."""
    headers, body = _rendered(refused)
    status_line = STATUS_LINES[refused.status]
    return b"\r\n".join([status_line, *map(b": ".join, default_headers), *map(b": ".join, headers), b"", body])


def problem_application(refused: Problem) -> Application:
    """An application that responds with a problem, for a request that waits for its turn."""

    async def refuse(_scope: Scope, _receive: Receive, send: Send) -> None:
        headers, body = _rendered(refused)
        await send({"type": "http.response.start", "status": refused.status, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    return refuse


def _rendered(refused: Problem) -> tuple[list[Header], bytes]:
    request_id = secrets.token_hex(4)
    headers, body = render(refused, request_id)
    return [*headers, (b"x-request-id", request_id.encode()), (b"connection", b"close")], body
