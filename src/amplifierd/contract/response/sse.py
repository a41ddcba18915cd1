"""Server-Sent Events (https://html.spec.whatwg.org/multipage/server-sent-events.html)."""

import asyncio
import weakref
from collections.abc import Iterator, Sequence
from contextlib import aclosing, suppress

from starlette.requests import ClientDisconnect
from starlette.types import Receive, Send

from ...storage.model.records import Event, Events
from ..core.executor import SerialExecutor
from ..core.problems import Headers
from .unsent_data import PIECE_BYTES, UnsentBlock, UnsentData

EVENT_STREAM = "text/event-stream"
PING_SECONDS = 15

# A proxy such as nginx passes each event on at once.
_HEADERS: Headers = [
    (b"content-type", f"{EVENT_STREAM}; charset=utf-8".encode()),
    (b"cache-control", b"no-store"),
    (b"x-accel-buffering", b"no"),
]
# It has no blank line, which would end an event: some readers, such as httpx-sse, would return an empty message.
_HEARTBEAT = b": still here\n"


class EventSender:
    """Sends streams of events; the next events of a stream are read once its client has read those before them."""

    def __init__(self, unsent: UnsentData, executor: SerialExecutor) -> None:
        self._unsent = unsent
        self._executor = executor
        # The last long text, and the last event in it.
        self._long: UnsentBlock | None = None
        self._last: weakref.ref[Event] | None = None
        self._making = asyncio.Lock()

    async def send(self, events: Events, receive: Receive, send: Send, *, stall_seconds: float) -> None:
        """Send events until they end, the client disconnects, or the server shuts down.

        Raises `ClientDisconnect` if the client reads nothing for `stall_seconds`, or other unread responses need the
        room.
        """
        sending = asyncio.Lock()
        # In this task, and not in one of its own: an error's traceback, the task and its frame would be a cycle.
        with suppress(TimeoutError):
            async with aclosing(events.batches), asyncio.timeout(None) as until_end:
                await send({"type": "http.response.start", "status": 200, "headers": [*_HEADERS]})
                attending = asyncio.create_task(self._attend(receive, send, sending, until_end, stall_seconds))
                try:
                    await self._send_all(events, send, sending, stall_seconds)
                finally:
                    attending.cancel()
        # If the server shuts down, the stream ends cleanly, and its client reconnects and continues.
        with suppress(ClientDisconnect):
            await send({"type": "http.response.body", "body": b""})

    async def _send_all(self, events: Events, send: Send, sending: asyncio.Lock, stall_seconds: float) -> None:
        async for batch in events.batches:
            text = await self._text(batch)
            # The client may take long for the text, which is enough to keep.
            del batch
            events.release()
            try:
                async with sending:
                    await text.write(send, more=True, stall_seconds=stall_seconds)
            finally:
                text.close()

    async def _attend(
        self, receive: Receive, send: Send, sending: asyncio.Lock, until_end: asyncio.Timeout, stall_seconds: float
    ) -> None:
        """Send a comment every PING_SECONDS, between events; end the stream when its client has disconnected."""
        with suppress(ClientDisconnect):
            while not await _has_ended(receive):
                # A slow reader still receives a long event, whose pieces keep the connection open.
                if not sending.locked():
                    async with sending:
                        heartbeat = await self._unsent.hold_next(_HEARTBEAT)
                        await heartbeat.send(send, more=True, stall_seconds=stall_seconds)
        until_end.reschedule(asyncio.get_running_loop().time())

    async def _text(self, events: Sequence[Event]) -> UnsentBlock:
        """The text of events, to be closed. A long one is made off the event loop, and once for all its receivers."""
        if sum(len(event.data) for event in events) <= PIECE_BYTES:
            return await self._unsent.hold_next(_text(events))
        async with self._making:
            if self._long is not None and self._last is not None and self._last() is events[-1]:
                shared = self._long.share()
                if shared is not None:
                    return shared
            self._long = await self._unsent.hold_next(await self._executor.run(_text, events))
            self._last = weakref.ref(events[-1])
            return self._long


async def _has_ended(receive: Receive) -> bool:
    """Whether the client has disconnected, or the server shuts down, within PING_SECONDS."""
    with suppress(TimeoutError):
        async with asyncio.timeout(PING_SECONDS):
            while (await receive())["type"] != "http.disconnect":
                pass
            return True
    return False


def _text(events: Sequence[Event]) -> bytes:
    return b"".join(part for event in events for part in _parts(event))


def _parts(event: Event) -> Iterator[bytes]:
    if event.id is not None:
        yield b"id: %b\n" % event.id.encode()
    yield b"event: %b\n" % event.kind.encode()
    # JSON that a client has sent may have line ends.
    for line in event.data.splitlines():
        yield b"data: "
        yield line
        yield b"\n"
    yield b"\n"
