"""Server-Sent Events (https://html.spec.whatwg.org/multipage/server-sent-events.html), framed by sse-starlette."""

from collections.abc import AsyncGenerator

from sse_starlette import EventSourceResponse, ServerSentEvent
from sse_starlette.sse import SendTimeoutError
from starlette.requests import ClientDisconnect
from starlette.types import Message, Receive, Scope, Send

from ..storage.records import Event, Events

EVENT_STREAM = "text/event-stream"
PING_SECONDS = 15

_SEPARATOR = "\n"


async def send_events(events: Events, scope: Scope, receive: Receive, send: Send, *, stall_seconds: float) -> None:
    """Send what happens until it ends, the client leaves, or the server is asked to end.

    Raises `ClientDisconnect` where the client takes nothing for `stall_seconds`.
    """
    response = EventSourceResponse(
        _framed(events.batches),
        sep=_SEPARATOR,
        ping=PING_SECONDS,
        ping_message_factory=lambda: ServerSentEvent(comment="still here", sep=_SEPARATOR),
        send_timeout=stall_seconds,
    )
    complete = False

    async def watched(message: Message) -> None:
        nonlocal complete
        complete = message["type"] == "http.response.body" and not message.get("more_body", False)
        if message["type"] == "http.response.start":
            # Whether the connection stays open is the server's to say, and not what sse-starlette says of every one.
            message["headers"] = [(name, value) for name, value in message["headers"] if name != b"connection"]
        await send(message)

    try:
        await response(scope, receive, watched)
    except SendTimeoutError:
        raise ClientDisconnect from None
    if not complete:
        # The server is asked to end: the stream ends in order, and its client comes back to where it was.
        await send({"type": "http.response.body", "body": b""})


async def _framed(batches: AsyncGenerator[list[Event], None]) -> AsyncGenerator[bytes, None]:
    try:
        async for events in batches:
            yield b"".join(map(_frame, events))
    finally:
        await batches.aclose()


def _frame(event: Event) -> bytes:
    return ServerSentEvent(event.data.decode(), event=event.kind, id=event.id, sep=_SEPARATOR).encode()
