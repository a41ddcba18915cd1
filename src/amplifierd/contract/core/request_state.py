"""Per-request state in the ASGI scope, shared by the layers that handle the request."""

import asyncio
from collections.abc import Callable
from operator import itemgetter
from typing import Protocol

from starlette.requests import ClientDisconnect
from starlette.types import Message, Receive, Scope, Send

from .problems import Headers, Problem, busy

# The extension of the scope by which the server says whether the client has disconnected.
IS_DISCONNECTED = "amplifierd.is_disconnected"
# The extension with a future that is done when the server shuts down.
SHUTDOWN = "amplifierd.shutdown"

# The status that nginx logs if the client gets no response.
CLIENT_CLOSED_REQUEST = 499

_KEY = "amplifierd.request_state"


class Deadline(Protocol):
    """Limits the time of requests until their responses begin."""

    def set(self, request_state: "RequestState") -> None:
        """Restart the time limit of a request."""

    def lift(self, request_state: "RequestState") -> None:
        """Remove the time limit of a request."""


# The values of a request's headers by name, in lower case, in their order.
Fields = dict[bytes, tuple[bytes, ...]]


class RequestState:
    """One request; `status` is that of its response, 0 until then, 499 if it is not sent.

    `fields` are the values of its headers by name, in lower case, with `header_bytes` in total; `key_id` is the id of
    its key, if it has one. The response gets the `headers` in addition to its own; the request holds `held_bytes` of
    memory. Its `task` is cancelled if it `is_overdue`: its `deadline` has passed.
    """

    __slots__ = (
        "_deadline",
        "_receive",
        "_send",
        "fields",
        "header_bytes",
        "headers",
        "held_bytes",
        "is_overdue",
        "key_id",
        "method",
        "request_id",
        "status",
        "task",
    )

    def __init__(self, scope: Scope, receive: Receive, send: Send, request_id: str, deadline: Deadline) -> None:
        self.request_id = request_id
        self.method: str = scope["method"]
        self.status = 0
        self.key_id: str | None = None
        self.task = asyncio.current_task()
        self.is_overdue = False
        self._deadline = deadline
        self._receive = receive
        self._send = send
        self.headers: Headers = []
        self.held_bytes = 0
        fields: Fields = {}
        size = 0
        for name, value in scope["headers"]:
            fields[name] = (*fields[name], value) if name in fields else (value,)
            size += len(value)
        self.fields = fields
        self.header_bytes = size
        scope[_KEY] = self
        deadline.set(self)

    async def receive(self) -> Message:
        """The next part of the body; the HTTP layer limits how long the client takes for it."""
        self._deadline.lift(self)
        message = await self._receive()
        self.progressed()
        return message

    def progressed(self) -> None:
        """Mark a part of the work as done; the next part gets the full time."""
        if not (self.status or self.is_overdue):
            self._deadline.set(self)

    async def send(self, message: Message) -> None:
        """Send a part of the response. Raises `ClientDisconnect` if the client has disconnected."""
        if message["type"] == "http.response.start":
            self._deadline.lift(self)
            self.status = message["status"]
            message["headers"].append((b"x-request-id", self.request_id.encode()))
            message["headers"] += self.headers
        try:
            await self._send(message)
        except OSError:
            raise ClientDisconnect from None
        except asyncio.CancelledError:
            if message["type"] == "http.response.start":
                # The response waited because the client had not read earlier ones, and was not sent.
                self.status = CLIENT_CLOSED_REQUEST
            raise

    def end(self, scope: Scope) -> None:
        """Drop the reference to the scope: without a cycle the garbage collector is not needed."""
        self._deadline.lift(self)
        del scope[_KEY]


# The state of a request, by its scope.
request_state_of: Callable[[Scope], RequestState] = itemgetter(_KEY)


def caller_of(scope: Scope) -> str:
    """The caller of a request: the id of its key, or the address that it comes from."""
    client = scope.get("client")
    return request_state_of(scope).key_id or (client[0] if client else "unknown")


def check_connected(scope: Scope) -> None:
    """Raises `ClientDisconnect` if the client of a request that has waited is known to have disconnected."""
    is_disconnected = scope["extensions"].get(IS_DISCONNECTED)
    if is_disconnected is not None and is_disconnected():
        raise ClientDisconnect


class AdmissionLimit:
    """Limits for all requests together: `most_requests` at a time, and `most_bytes` of memory for bodies."""

    def __init__(self, most_requests: int, most_bytes: int) -> None:
        self._most_requests = most_requests
        self._most_bytes = most_bytes
        self._requests = 0
        self._bytes = 0

    def enter(self) -> bool:
        """Begin a request, which ends with `leave`; False if there are too many."""
        self._requests += 1
        return self._requests <= self._most_requests

    def too_many(self) -> Problem:
        """The 503 problem of a request that is refused because there are too many."""
        return busy(f"The server is already handling {self._most_requests} requests, which is its limit")

    def hold(self, request_state: RequestState, size: int) -> None:
        """Let a request hold `size` more bytes until its end. Raises a 503 problem if that is too much."""
        if self._bytes + size > self._most_bytes:
            raise busy(f"The server is already handling bodies of {self._bytes} bytes, and has no room for {size} more")
        self._bytes += size
        request_state.held_bytes += size

    def resize(self, request_state: RequestState, size: int) -> None:
        """Let a request hold `size` bytes instead of its previous number. Raises a 503 problem if that is too much."""
        if size > request_state.held_bytes:
            self.hold(request_state, size - request_state.held_bytes)
        else:
            self._bytes -= request_state.held_bytes - size
            request_state.held_bytes = size

    def leave(self, request_state: RequestState) -> None:
        """End a request."""
        self._requests -= 1
        self._bytes -= request_state.held_bytes
