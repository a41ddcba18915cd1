"""Server-Sent Events (https://html.spec.whatwg.org/multipage/server-sent-events.html)."""

import asyncio
import weakref
from collections.abc import Iterator, Sequence
from contextlib import aclosing, contextmanager, suppress

from starlette.requests import ClientDisconnect
from starlette.types import Receive, Scope, Send

from ...storage.model.records import Event, Events
from ..core.executor import SerialExecutor
from ..core.problems import Headers
from ..core.request_state import SHUTDOWN
from .unsent_data import PIECE_BYTES, UnsentBlock, UnsentData

EVENT_STREAM = "text/event-stream"
PING_SECONDS = 15
# The time for a client to read what was sent to it, before the end of a stream.
_END_SECONDS = 1.0

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

    async def send(self, events: Events, scope: Scope, receive: Receive, send: Send, *, stall_seconds: float) -> None:
        """Send events until they end, the client disconnects, or the server shuts down.

        Raises `ClientDisconnect` if the client reads nothing for `stall_seconds`, or other unread responses need the
        room.
        """
        sending = asyncio.Lock()
        until_end = asyncio.timeout(None)
        # In this task, and not in one of its own: an error's traceback, the task and its frame would be a cycle.
        try:
            async with aclosing(events.batches), until_end:
                with _ended_by_shutdown(scope, until_end):
                    await send({"type": "http.response.start", "status": 200, "headers": [*_HEADERS]})
                    attending = asyncio.create_task(self._attend(receive, send, sending, until_end, stall_seconds))
                    try:
                        await self._send_all(events, send, sending, stall_seconds)
                    finally:
                        attending.cancel()
        except TimeoutError:
            if not until_end.expired():
                raise
        await _send_end(send)

    async def _send_all(self, events: Events, send: Send, sending: asyncio.Lock, stall_seconds: float) -> None:
        async for batch in events.batches:
            text = await self._text(batch)
            # The client may take long for the text, which is enough to keep.
            del batch
            events.release()
            try:
                async with sending:
                    await text.write_pieces(send, more=True, stall_seconds=stall_seconds)
            finally:
                text.close()

    async def _attend(
        self, receive: Receive, send: Send, sending: asyncio.Lock, until_end: asyncio.Timeout, stall_seconds: float
    ) -> None:
        """Send a comment every PING_SECONDS, between events; end the stream when its client has disconnected."""
        with suppress(ClientDisconnect):
            while not await _has_disconnected(receive):
                # A slow reader still receives a long event, whose pieces keep the connection open.
                if not sending.locked():
                    async with sending:
                        heartbeat = await self._unsent.hold_next(_HEARTBEAT)
                        await heartbeat.send(send, more=True, stall_seconds=stall_seconds)
        _end(until_end)

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


@contextmanager
def _ended_by_shutdown(scope: Scope, until_end: asyncio.Timeout) -> Iterator[None]:
    """End a stream when the server shuts down; if its server has no such extension, the stream is cancelled then."""
    shutdown: asyncio.Future[None] | None = scope["extensions"].get(SHUTDOWN)
    if shutdown is None:
        yield
        return
    is_sending = True

    def end(_shutdown: asyncio.Future[None]) -> None:
        if is_sending:
            _end(until_end)

    shutdown.add_done_callback(end)
    try:
        yield
    finally:
        is_sending = False
        shutdown.remove_done_callback(end)


def _end(until_end: asyncio.Timeout) -> None:
    if not until_end.expired():
        until_end.reschedule(asyncio.get_running_loop().time())


async def _send_end(send: Send) -> None:
    """End a response cleanly, so that its client reconnects and continues; one that does not read is aborted.

    Raises `ClientDisconnect` for the latter.
    """
    try:
        async with asyncio.timeout(_END_SECONDS):
            with suppress(ClientDisconnect):
                await send({"type": "http.response.body", "body": b""})
    except TimeoutError:
        raise ClientDisconnect from None


async def _has_disconnected(receive: Receive) -> bool:
    """Whether the client has disconnected within PING_SECONDS."""
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
