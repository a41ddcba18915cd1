"""Validates events against the contract as they pass."""

from collections.abc import Callable

from starlette.types import Message

from ..core.document import Json
from ..response.sse import EVENT_STREAM


class EventInvalid(Exception):
    """A stream violates the contract; aborting it is the only way to tell the client."""


class EventCheck:
    """Reads a stream's bytes; `faults` returns the faults of an event."""

    def __init__(self, faults: Callable[[Json], list[str]]) -> None:
        self._faults = faults
        self._rest = b""

    def check(self, block: bytes) -> None:
        """Check each event that ends in this block. Raises `EventInvalid`."""
        *whole, self._rest = (self._rest + block).split(b"\n\n")
        for text in whole:
            event = _fields(text.decode())
            if event and (faults := self._faults(event)):
                raise EventInvalid(f"The event {event} violates the contract: {'; '.join(faults)}.")


def is_event_stream(start: Message) -> bool:
    """Whether a response is a stream of events."""
    return any(name == b"content-type" and value.startswith(EVENT_STREAM.encode()) for name, value in start["headers"])


def _fields(text: str) -> Json:
    fields: Json = {}
    for line in text.split("\n"):
        name, _, value = line.partition(": ")
        if name:
            fields[name] = value
    return fields
