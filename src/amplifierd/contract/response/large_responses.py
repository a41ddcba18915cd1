"""Large responses: few are made at a time, because each takes much memory."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from weakref import WeakValueDictionary

from msgspec import Raw
from starlette.types import Scope

from ...storage.model.records import Listing, Message, Session, Transcript
from ..core.request_state import request_state_of
from .record_encoding import length_of

LARGE_BYTES = 1024 * 1024
# One is made while others are read; each may be a message of 8 MiB, in several forms.
_AT_A_TIME = 3
# Results between this size and `LARGE_BYTES` wait for their turn only if many of them wait for a thread already: to be
# compressed, or to be written to a file until their clients read.
MEDIUM_BYTES = 64 * 1024
_MEDIUM_AT_A_TIME = 16
_REMEMBERED = 1_000


class CallerTurns:
    """Limits what is made at a time to a number of places, for which callers take turns.

    A caller that has, or waits for, as many places as there are does not wait for more, so that another caller never
    waits until all its requests are served.
    """

    def __init__(self, places: int) -> None:
        self._places = places
        self._free = asyncio.Semaphore(places)
        # Each is kept while a request uses it.
        self._of_callers = WeakValueDictionary[str, asyncio.Semaphore]()

    def is_reached(self, caller: str) -> bool:
        """Whether a request of a caller would wait."""
        own = self._of_callers.get(caller)
        return self._free.locked() or (own is not None and own.locked())

    @asynccontextmanager
    async def place(self, caller: str) -> AsyncIterator[None]:
        """Hold a place for a caller."""
        own = self._of_callers.setdefault(caller, asyncio.Semaphore(self._places))
        async with own, self._free:
            yield


class LargeResponses:
    """Limits how many large results, and blocks of texts, are made at a time, and knows which results are large.

    `whole` limits results that are sent, `conditional` those that the client may already have: a 304 takes less time.
    `medium` limits results that are neither large nor short. `lists` limits the blocks of lists after the first,
    `lines` those of exports, and `formats` those of exports in the formats of other programs, which take the longest.
    """

    def __init__(self) -> None:
        self.whole, self.conditional = CallerTurns(_AT_A_TIME), CallerTurns(_AT_A_TIME)
        self.medium = asyncio.Semaphore(_MEDIUM_AT_A_TIME)
        self.lists, self.lines, self.formats = (CallerTurns(_AT_A_TIME) for _ in range(3))
        # By method, path and query.
        self._known: dict[tuple[str, bytes, bytes], None] = {}

    def is_known(self, scope: Scope) -> bool:
        """Whether the result of a request is known to be large, before it is read or written."""
        return bool(self._known) and _target(scope) in self._known

    def remember(self, scope: Scope) -> None:
        """Remember that the results of requests like this one are large, unless the request is large itself.

        A large request, such as a message to append, explains its large result: the next one may be small. Bodies have
        a limit of their own. The result may be twice as large, because a message has its parts and their text.
        """
        if 2 * request_state_of(scope).held_bytes >= LARGE_BYTES:
            return
        target = _target(scope)
        self._known.pop(target, None)
        self._known[target] = None
        if len(self._known) > _REMEMBERED:
            del self._known[next(iter(self._known))]


def _target(scope: Scope) -> tuple[str, bytes, bytes]:
    return scope["method"], scope["raw_path"], scope["query_string"]


def size_of(result: Any) -> int:
    """About how many bytes a result has in memory; 0 for a short one of another kind, and for a stream."""
    # Comparing types is faster than `isinstance` for each of them.
    kind = type(result)
    if kind is Session:
        return memoryview(result.context).nbytes + length_of(result.error_details)
    if kind is Message:
        return len(result.content) + length_of(result.parts) + length_of(result.metadata)
    if kind is Transcript:
        return len(result.messages.first)
    if kind is Listing:
        return len(result.first)
    return memoryview(result).nbytes if kind is Raw else 0


async def discard(result: Any) -> None:
    """Release the resources of a result that is not sent."""
    listing = result.messages if isinstance(result, Transcript) else result
    if isinstance(listing, Listing) and listing.rest is not None:
        await listing.rest.aclose()
