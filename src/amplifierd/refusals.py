"""What is refused before it is a request to any operation: the problem, and how it is told."""

import secrets
from collections.abc import Sequence
from http import HTTPStatus

from .asgi import Application, Header, Receive, Scope, Send
from .contract import Problem, render

RETRY_AFTER_SECONDS = 1

STATUS_LINES = {
    status.value: b"HTTP/1.1 %d %b" % (status.value, status.phrase.encode()) for status in HTTPStatus if status >= 200
}

_KINDS = {
    400: "bad-request",
    408: "request-timeout",
    414: "target-too-long",
    431: "headers-too-large",
    # As the contract's: the title says it all.
    500: "",
    503: "too-many-connections",
}


def problem(status: int, detail: str) -> Problem:
    """The problem of such a status."""
    headers = {"Retry-After": str(RETRY_AFTER_SECONDS)} if status == HTTPStatus.SERVICE_UNAVAILABLE else None
    return Problem(status, _KINDS[status], detail, headers=headers)


def response(refused: Problem, default_headers: Sequence[Header]) -> bytes:
    """The response that tells a problem, the last on its connection."""
    headers, body = _rendered(refused)
    status_line = STATUS_LINES[refused.status]
    return b"\r\n".join([status_line, *map(b": ".join, default_headers), *map(b": ".join, headers), b"", body])


def refusing(refused: Problem) -> Application:
    """An application that tells a problem, for a request that waits for its turn."""

    async def refuse(_scope: Scope, _receive: Receive, send: Send) -> None:
        headers, body = _rendered(refused)
        await send({"type": "http.response.start", "status": refused.status, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    return refuse


def _rendered(refused: Problem) -> tuple[list[Header], bytes]:
    request_id = secrets.token_hex(4)
    headers, body = render(refused, request_id)
    return [*headers, (b"x-request-id", request_id.encode()), (b"connection", b"close")], body
