"""Clients that send expensive requests, in a separate process, so that they do not slow down the measuring process."""

import asyncio
import json
import os
import pickle
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

API = "/api/v1"
JSON = {"Content-Type": "application/json"}
NDJSON = {"Content-Type": "application/x-ndjson"}
OCTETS = {"Content-Type": "application/octet-stream"}
KIB = 1024
MIB = 1024 * KIB
_START = "from worst_requests import clients; clients.main()"
# Real clients run on other machines, and do not compete with the server for its processors.
_NICENESS = 10
_END_SECONDS = 60
_READ_BYTES = 256 * 1024


@dataclass(frozen=True)
class Ask:
    """A request: its target below the contract's base path, and its body in one piece or in parts, sent one by one.

    Without `reads`, the client leaves the response unread and the connection open until the end. With `repeats`, it
    sends the request again until the time is over. With `chunk_bytes`, a body in one piece is sent in chunks of that
    size.
    """

    method: str
    target: str
    body: bytes | Sequence[bytes] = b""
    headers: dict[str, str] = field(default_factory=dict)
    reads: bool = True
    repeats: bool = True
    chunk_bytes: int = 0

    @classmethod
    def of_json(cls, method: str, target: str, body: Any, *, repeats: bool = True) -> Self:
        """A request with a JSON body."""
        return cls(method, target, json.dumps(body).encode(), JSON, repeats=repeats)


class Clients:
    """Runs a client for each of `asks` within a `with` block. Afterwards `statuses` counts the responses by status.

    Requests without a response at the end, and those whose client does not read, are not counted.
    """

    def __init__(self, port: int, asks: Sequence[Ask]) -> None:
        self.statuses: dict[int, int] = {}
        self._port = port
        self._asks = list(asks)

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(
            [sys.executable, "-c", _START], stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=Path(__file__).parents[1]
        )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        pickle.dump((self._port, self._asks), self._process.stdin)
        self._process.stdin.flush()
        self._process.stdout.readline()
        return self

    @property
    def pid(self) -> int:
        """The id of the clients' process."""
        return self._process.pid

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            output, _ = self._process.communicate(timeout=_END_SECONDS)
        finally:
            self._process.kill()
        self.statuses = {int(status): count for status, count in json.loads(output).items()}


def main() -> None:
    """Read the port and the requests from stdin, send them until it ends, and write the number of each status."""
    os.nice(_NICENESS)
    port, asks = pickle.load(sys.stdin.buffer)  # noqa: S301  # our own process wrote it
    sys.stdout.write("\n")
    sys.stdout.flush()
    statuses = asyncio.run(_ask_all(port, asks))
    sys.stdout.write(json.dumps(statuses))


async def _ask_all(port: int, asks: list[Ask]) -> Counter[int]:
    statuses: Counter[int] = Counter()
    clients = [asyncio.create_task(_ask(port, ask, statuses)) for ask in asks]
    await asyncio.to_thread(sys.stdin.buffer.read)
    for client in clients:
        client.cancel()
    ended = await asyncio.gather(*clients, return_exceptions=True)
    for error in ended:
        if isinstance(error, Exception):
            raise error
    return statuses


async def _ask(port: int, ask: Ask, statuses: Counter[int]) -> None:
    await _ask_once(port, ask, statuses)
    while ask.repeats:
        await _ask_once(port, ask, statuses)


async def _ask_once(port: int, ask: Ask, statuses: Counter[int]) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        # The server may respond and close the connection before it has read everything.
        with suppress(ConnectionError):
            for part in _parts(ask):
                writer.write(part)
                await writer.drain()
        if not ask.reads:
            await asyncio.Event().wait()
        with suppress(ConnectionError):
            await _read(reader, statuses)
    finally:
        writer.transport.abort()


async def _read(reader: asyncio.StreamReader, statuses: Counter[int]) -> None:
    """Count the status, and discard the rest of the response."""
    line = await reader.readline()
    if line:
        statuses[int(line.split()[1])] += 1
    while await reader.read(_READ_BYTES):
        pass


def _parts(ask: Ask) -> Iterator[bytes]:
    headers = {"Host": "localhost", "Connection": "close", **ask.headers}
    if isinstance(ask.body, bytes) and ask.chunk_bytes:
        places = range(0, len(ask.body), ask.chunk_bytes)
        chunks = [_chunk(ask.body[place : place + ask.chunk_bytes]) for place in places]
        yield b"".join([_head(ask, {**headers, "Transfer-Encoding": "chunked"}), *chunks, _chunk(b"")])
        return
    if isinstance(ask.body, bytes):
        yield _head(ask, {**headers, "Content-Length": str(len(ask.body))}) + ask.body
        return
    yield _head(ask, {**headers, "Transfer-Encoding": "chunked"})
    for part in ask.body:
        yield _chunk(part)


def _chunk(content: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(content), content)


def _head(ask: Ask, headers: dict[str, str]) -> bytes:
    lines = [f"{ask.method} {API}{ask.target} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items())]
    return "\r\n".join([*lines, "", ""]).encode("latin-1")
