"""Answers to clients of HTTP/1.0, which know no chunks: what has no length ends with the connection.

See https://www.rfc-editor.org/rfc/rfc9112#section-6.3. uvicorn sends chunks to everybody.
"""

import sys
from typing import Any

from uvicorn._types import ASGI3Application
from uvicorn.protocols.http.httptools_impl import RequestResponseCycle


def unchunked(app: ASGI3Application, cycle: RequestResponseCycle) -> ASGI3Application:
    """`app`, for the request of `cycle`, which closes its connection in the end."""

    async def serve(scope: Any, receive: Any, send: Any) -> None:
        is_endless = False

        async def send_plain(message: Any) -> None:
            nonlocal is_endless
            if message["type"] == "http.response.start":
                is_endless = all(name.lower() != b"content-length" for name, _ in message["headers"])
            if is_endless:
                # To uvicorn it has a length, which is reached with its last part.
                cycle.chunked_encoding = False
                cycle.expected_content_length = sys.maxsize if _goes_on(message) else len(message["body"])
            await send(message)

        await app(scope, receive, send_plain)

    return serve


def _goes_on(message: Any) -> bool:
    return message["type"] == "http.response.start" or bool(message.get("more_body"))
