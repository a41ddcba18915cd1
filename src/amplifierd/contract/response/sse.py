"""Server-Sent Events (https://html.spec.whatwg.org/multipage/server-sent-events.html), framed by sse-starlette."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import suppress

from sse_starlette import EventSourceResponse, ServerSentEvent
from sse_starlette.sse import SendTimeoutError
from starlette.requests import ClientDisconnect
from starlette.types import Message, Receive, Scope, Send

from ...storage.model.records import Event, Events

EVENT_STREAM = "text/event-stream"
PING_SECONDS = 15
# Larger events are encoded off the event loop.
LONG_BYTES = 64 * 1024
PIECE_BYTES = 64 * 1024

_SEPARATOR = "\n"
_EVENT_END = b"\n\n"
# It has no blank line, which would end an event: some readers, such as httpx-sse, would return an empty message.
_HEARTBEAT = b": still here\n"


class Frames:
    """Formats events as text, once for all receivers."""

    def __init__(self) -> None:
        self._events: Sequence[Event] = ()
        self._framing: asyncio.Future[bytes] | None = None

    async def of(self, events: Sequence[Event]) -> bytes:
        """The text of events; long ones are formatted off the event loop."""
        if self._framing is None or events is not self._events:
            self._events = events
            if sum(len(event.data) for event in events) > LONG_BYTES:
                self._framing = asyncio.ensure_future(asyncio.to_thread(_text, events))
            else:
                self._framing = asyncio.get_running_loop().create_future()
                self._framing.set_result(_text(events))
        framing = self._framing
        return framing.result() if framing.done() else await asyncio.shield(framing)


async def send_events(
    events: Events, frames: Frames, scope: Scope, receive: Receive, send: Send, *, stall_seconds: float
) -> None:
    """Send events until they end, the client disconnects, or the server shuts down.

    Raises `ClientDisconnect` if the client reads nothing for `stall_seconds`.
    """
    response = EventSourceResponse(
        _framed(events.batches, frames),
        sep=_SEPARATOR,
        ping=PING_SECONDS,
        ping_message_factory=lambda: _HEARTBEAT,  # type: ignore[arg-type,return-value]  # it sends bytes unchanged
        send_timeout=stall_seconds,
    )
    complete, last, between_events = False, _EVENT_END, True

    async def watched(message: Message) -> None:
        nonlocal complete, last, between_events
        body = message.get("body", b"")
        if body == _HEARTBEAT:
            if not between_events:
                # A slow reader still receives a long event, whose pieces keep the connection open.
                return
        elif body:
            between_events, last = False, (last + body[-len(_EVENT_END) :])[-len(_EVENT_END) :]
        complete = message["type"] == "http.response.body" and not message.get("more_body", False)
        if message["type"] == "http.response.start":
            # The server decides whether the connection stays open, not sse-starlette.
            message["headers"] = [(name, value) for name, value in message["headers"] if name != b"connection"]
        # The task that listens for the disconnection ends the stream.
        with suppress(ClientDisconnect):
            await send(message)
        between_events = last == _EVENT_END

    try:
        await response(scope, receive, watched)
    except SendTimeoutError:
        raise ClientDisconnect from None
    if not complete:
        # The server shuts down: the stream ends cleanly, and its client reconnects and continues.
        await watched({"type": "http.response.body", "body": b""})


async def _framed(batches: AsyncGenerator[Sequence[Event], None], frames: Frames) -> AsyncGenerator[bytes, None]:
    try:
        async for events in batches:
            text = await frames.of(events)
            # In pieces, so that only one of them is buffered for a slow reader.
            for start in range(0, len(text), PIECE_BYTES):
                yield text[start : start + PIECE_BYTES]
    finally:
        await batches.aclose()


def _text(events: Sequence[Event]) -> bytes:
    return b"".join(map(_frame, events))


def _frame(event: Event) -> bytes:
    return ServerSentEvent(event.data.decode(), event=event.kind, id=event.id, sep=_SEPARATOR).encode()
