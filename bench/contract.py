"""Measures the cost of the compiled contract, in process: `python bench/contract.py`.

Several applications handle the same POST with a validated body, called in turns: a bare one that reads the body and
responds, amplifierd, FastAPI with Pydantic, and amplifierd with every response checked against the contract. There is
no storage, no socket and no log. Prints medians of several rounds, in microseconds a request.
"""

import asyncio
import logging
import statistics
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from importlib.resources import files
from typing import Any

from fastapi import FastAPI
from pydantic import BaseModel, ConfigDict, Field

from amplifierd.app import BODY_DECODERS, RENDERERS
from amplifierd.contract import Access, Credential, ErrorTable, compile_contract, load_document
from amplifierd.settings import CONTRACT
from amplifierd.storage.model.records import Message, NewMessage

ROUNDS = 9
REQUESTS = 3_000
PATH = "/api/v1/sessions/{}/messages"
SESSION_ID = "019aa8a4-7f7c-7c3e-9d2b-5b6f0f4f2a11"
TIMESTAMP = "2025-11-21T19:33:49.946976Z"
BODY = b'{"content": "Hello, amplifierd! This is a test message.", "metadata": {"source": "bench", "tags": ["a", "b"]}}'

App = Callable[[Any, Any, Any], Awaitable[None]]


class NoStorage:
    """Returns from an append at once."""

    async def append_message(self, _workspace: str, _session_id: str, new: NewMessage, **_options: object) -> Message:
        """The message as it would be stored."""
        return Message(new.role, new.content or "", TIMESTAMP, new.metadata, 1)


class Body(BaseModel):
    """The body of a message, as a user of FastAPI declares it."""

    model_config = ConfigDict(extra="forbid")
    content: str = Field(max_length=8_388_608)
    role: str = Field(default="user", pattern="^(user|assistant|system|tool)$")
    metadata: dict[str, Any] = Field(default={}, max_length=1_024)


class MessageResponse(BaseModel):
    """A message in a response."""

    role: str
    content: str
    timestamp: str
    metadata: dict[str, Any]
    sequence: int


@asynccontextmanager
async def nothing(_app: Any) -> AsyncIterator[None]:
    """A lifespan that does nothing."""
    yield


async def everybody(_key: str | None) -> Credential:
    """Give every request full access."""
    return Credential("default", "admin", None)


def ours(*, check_responses: bool) -> App:
    """The contract, compiled."""
    return compile_contract(
        load_document(CONTRACT),
        handlers="amplifierd.handlers",
        provided={"storage": NoStorage(), "version": "", "uptime": time.monotonic, "disk": None, "sources": None},
        errors=ErrorTable({}),
        access=Access(everybody),
        version="",
        max_body=8 * 1024 * 1024,
        max_file=1,
        check_responses=check_responses,
        lifespan=nothing,
        page=files("amplifierd").joinpath("web"),
        renderers=RENDERERS,
        body_decoders=BODY_DECODERS,
    )


def fastapi() -> App:
    """The same operation in FastAPI."""
    app = FastAPI()

    @app.post(PATH.replace("{}", "{session_id}"), status_code=201)
    async def send_message(session_id: str, body: Body) -> MessageResponse:
        assert session_id
        return MessageResponse(
            role=body.role, content=body.content, timestamp=TIMESTAMP, metadata=body.metadata, sequence=1
        )

    return app


async def bare(_scope: Any, receive: Any, send: Any) -> None:
    """Read the body and return it."""
    body = (await receive())["body"]
    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": 201, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def scope() -> dict[str, Any]:
    """The ASGI scope of a request, as uvicorn makes it."""
    path = PATH.format(SESSION_ID)
    headers = [(b"host", b"127.0.0.1"), (b"accept", b"*/*"), (b"content-type", b"application/json")]
    return {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "POST",
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "root_path": "",
        "headers": [*headers, (b"content-length", b"%d" % len(BODY))],
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 2),
        "state": {},
    }


async def round_of(app: App) -> float:
    """The microseconds for each request, in a round of requests."""
    statuses: list[int] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": BODY, "more_body": False}

    async def send(message: dict[str, Any]) -> None:
        if "status" in message:
            statuses.append(message["status"])

    started = time.perf_counter()
    for _ in range(REQUESTS):
        await app(scope(), receive, send)
    seconds = time.perf_counter() - started
    if statuses != [201] * REQUESTS:
        raise RuntimeError(f"A request was answered with {set(statuses) - {201}}, not with 201.")
    return seconds / REQUESTS * 1e6


async def main() -> None:
    """Measure the applications in turns, and print the medians."""
    logging.disable()
    apps = {"bare": bare, "ours": ours(check_responses=False), "fastapi": fastapi()}
    apps["ours, checking responses"] = ours(check_responses=True)
    rounds: dict[str, list[float]] = {name: [] for name in apps}
    for _ in range(ROUNDS):
        for name, app in apps.items():
            rounds[name].append(await round_of(app))
    medians = {name: statistics.median(taken) for name, taken in rounds.items()}
    for name, median in medians.items():
        sys.stdout.write(f"{name:26} {median:7.1f} us  {median - medians['bare']:7.1f} us over bare\n")
    sys.stdout.write(f"fastapi / ours: {medians['fastapi'] / medians['ours']:.1f}\n")


if __name__ == "__main__":
    asyncio.run(main())
