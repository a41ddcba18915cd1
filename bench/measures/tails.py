"""Measures live streams: the delay of a message, and the CPU of waiting readers."""

import asyncio
import json
import resource
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from statistics import quantiles
from typing import Any

from ..curve import Curve, Point
from ..data import NEW_MESSAGE, SESSIONS, messages_of
from ..processes import cpu_seconds
from ..programs import BOTH_CORES, OURS, Server, serve
from ..report import log
from ..scale import Scale

_ROUNDS = 3
_MESSAGES = 20
# Not synchronous with the polls for writes of other processes.
_BETWEEN_SECONDS = 0.137
_IDLE_SECONDS = 5.0
_MAX_FILES = 4_096
_RATE = 100
_RATED_READERS = 100


class _Tail:
    """One reader; `arrived` are the times at which messages arrived."""

    def __init__(self, reader: asyncio.StreamReader) -> None:
        self.arrived: list[float] = []
        self._reader = reader
        self._more = asyncio.Event()

    async def read(self) -> None:
        while line := await self._reader.readline():
            if line == b"event: message\n":
                self.arrived.append(time.perf_counter())
                self._more.set()

    async def has(self, count: int) -> None:
        """Wait until `count` messages have arrived."""
        while len(self.arrived) < count:
            self._more.clear()
            await self._more.wait()


class _Appender:
    """One connection that appends messages."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer

    async def ask(self, method: str, path: str, body: str = "") -> Any:
        """Send a request. Returns the JSON of the response."""
        head = f"{method} {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        self._writer.write(f"{head}Content-Length: {len(body)}\r\n\r\n{body}".encode())
        headers = await self._reader.readuntil(b"\r\n\r\n")
        length = int(headers.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
        return json.loads(await self._reader.readexactly(length))


def measure(scale: Scale, folder: Path) -> list[Curve]:
    """The milliseconds from the response to an append until the last reader has the message, and the CPU of waiting."""
    resource.setrlimit(resource.RLIMIT_NOFILE, (_MAX_FILES, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
    last = {count: [_last_reader(folder, count, number) for number in range(_ROUNDS)] for count in scale.tails}
    points = [
        Point(f"{count:,}", [pair[0] for pair in rounds], 50 if count == 1 else None) for count, rounds in last.items()
    ]
    idle = [Point(f"{count:,}", [pair[1] for pair in rounds]) for count, rounds in last.items()]
    others = [_elsewhere(folder, number) for number in range(_ROUNDS)]
    rated = [_rated(folder, number) for number in range(_ROUNDS)]
    places = [
        Point("another process, one reader", others, 500),
        Point(f"{_RATED_READERS} readers, {_RATE} messages a second", rated),
    ]
    return [
        Curve("live tail", "readers of one session", "ms", points, "One reader within 50 ms.", _NOTE),
        Curve(
            "live tail under load and from elsewhere", "", "ms", places, "From another process within 500 ms.", _LATE
        ),
        Curve("waiting", "readers of one session", "per cent of a core", idle, "", "While nothing is appended."),
    ]


_NOTE = "From the 201 to the writer until the last reader has the message; the readers are one program in Python."
_LATE = "The median for another process on the same file; under load, what 99 of 100 messages take to a reader at most."


def _last_reader(folder: Path, count: int, number: int) -> tuple[float, float]:
    log(f"round {number + 1}: {count} tails")
    with serve(OURS, folder / f"tails-{count}-{number}.db") as server:
        return asyncio.run(_append(server, server, count))


def _elsewhere(folder: Path, number: int) -> float:
    log(f"round {number + 1}: a tail of another process")
    database = folder / f"elsewhere-{number}.db"
    with serve(OURS, database) as writer, serve(OURS, database, cores=BOTH_CORES) as reader:
        return asyncio.run(_append(writer, reader, 1))[0]


def _rated(folder: Path, number: int) -> float:
    log(f"round {number + 1}: {_RATED_READERS} tails at {_RATE} messages a second")
    with serve(OURS, folder / f"rated-{number}.db") as server:
        return asyncio.run(_append_at_rate(server))


async def _append(writing: Server, reading: Server, count: int) -> tuple[float, float]:
    async with AsyncExitStack() as stack:
        appender = await stack.enter_async_context(_appender(writing))
        session_id = (await appender.ask("POST", SESSIONS, "{}"))["id"]
        tails = [await stack.enter_async_context(_following(reading, session_id)) for _ in range(count)]
        before = cpu_seconds(reading.pid)
        await asyncio.sleep(_IDLE_SECONDS)
        idle = (cpu_seconds(reading.pid) - before) / _IDLE_SECONDS * 100
        # The daemon has closed the connection, which was idle for too long.
        appender = await stack.enter_async_context(_appender(writing))
        delays = [await _append_one(appender, session_id, tails) for _ in range(_MESSAGES)]
    return sorted(delays)[len(delays) // 2], idle


async def _append_one(appender: _Appender, session_id: str, tails: list[_Tail]) -> float:
    expected = len(tails[0].arrived) + 1
    await appender.ask("POST", messages_of(session_id), NEW_MESSAGE)
    acknowledged = time.perf_counter()
    for tail in tails:
        await tail.has(expected)
    await asyncio.sleep(_BETWEEN_SECONDS)
    return max(max(tail.arrived[-1] for tail in tails) - acknowledged, 0.0) * 1e3


async def _append_at_rate(server: Server) -> float:
    sent: list[float] = []
    async with AsyncExitStack() as stack:
        appender = await stack.enter_async_context(_appender(server))
        session_id = (await appender.ask("POST", SESSIONS, "{}"))["id"]
        tails = [await stack.enter_async_context(_following(server, session_id)) for _ in range(_RATED_READERS)]
        begun = time.perf_counter()
        for number in range(int(_RATE * _IDLE_SECONDS)):
            await asyncio.sleep(max(begun + number / _RATE - time.perf_counter(), 0))
            await appender.ask("POST", messages_of(session_id), NEW_MESSAGE)
            sent.append(time.perf_counter())
        for tail in tails:
            await tail.has(len(sent))
    delays = [arrived - moment for tail in tails for arrived, moment in zip(tail.arrived, sent, strict=True)]
    return max(quantiles(delays, n=100)[-1], 0.0) * 1e3


@asynccontextmanager
async def _appender(server: Server) -> AsyncIterator[_Appender]:
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    yield _Appender(reader, writer)
    writer.close()


@asynccontextmanager
async def _following(server: Server, session_id: str) -> AsyncIterator[_Tail]:
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    writer.write(f"GET {SESSIONS}/{session_id}/events HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
    await reader.readuntil(b"\r\n\r\n")
    tail = _Tail(reader)
    reading = asyncio.create_task(tail.read())
    yield tail
    reading.cancel()
    writer.close()
