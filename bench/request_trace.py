"""Traces the functions that a request calls: `python -m bench.request_trace`.

Serves a SQLite file in this process, over a real socket. For each operation it counts the files, functions and calls of
this project during the second request, from the first byte that is read to the last that is written, and the functions
of each part of the program; with `--functions`, it names them in order. The writer thread is included, the client is
not.
"""

import argparse
import asyncio
import socket
import sys
import tempfile
import threading
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

import msgspec
import uvicorn

import amplifierd
from amplifierd.app import create_app
from amplifierd.server.http1.protocol import Protocol
from amplifierd.settings import Settings
from amplifierd.storage import open_storage

_BODY = b'{"content": "Hello, amplifierd!"}'
_EVENT_SECONDS = 30


class Trace:
    """The functions of this project in the order of their calls, in every thread that starts after it."""

    def __init__(self) -> None:
        self._root = str(Path(amplifierd.__file__).parent)
        self.calls: list[CodeType] = []

    def profile(self, frame: FrameType, event: str, _argument: object) -> None:
        """Record a call."""
        # A comprehension or a class body is part of the function around it.
        if event == "call" and frame.f_code.co_filename.startswith(self._root) and frame.f_code.co_name[0] != "<":
            self.calls.append(frame.f_code)

    @property
    def functions(self) -> list[CodeType]:
        """The functions, each once, by their first call."""
        return list(dict.fromkeys(self.calls))

    @property
    def files(self) -> set[str]:
        """The files of the functions, relative to the package."""
        return {self.place(function).rpartition(":")[0] for function in self.functions}

    @property
    def parts(self) -> Counter[str]:
        """The number of functions in each part of the package: its folder, or its module."""
        return Counter(self.place(function).partition(":")[0].partition("/")[0] for function in self.functions)

    def place(self, function: CodeType) -> str:
        """The file and the name of a function."""
        return f"{function.co_filename.removeprefix(self._root)[1:]}:{function.co_qualname}"


class Client:
    """One connection that is kept open; `send` gives the response's body."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    async def send(self, method: str, path: str, body: bytes = b"") -> Any:
        """Send a request. Returns the JSON of its response."""
        self.begin(method, path, body)
        head = await self._reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length:")[2].split()[0])
        return msgspec.json.decode(await self._reader.readexactly(length))

    def begin(self, method: str, path: str, body: bytes = b"") -> None:
        """Send a request without waiting for the response."""
        head = f"{method} /api/v1{path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        self._writer.write(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)

    async def event(self) -> bytes:
        """The next event of a stream."""
        # Between the sizes of chunks and comments (RFC 9112, section 7.1).
        while b"id:" not in (event := await self._reader.readuntil(b"\n\n")):
            continue
        return event


@asynccontextmanager
async def _serve(folder: Path) -> AsyncIterator[int]:
    """The port on which a database in `folder` is served."""
    settings = Settings(
        database=f"sqlite:///{folder / 'trace.db'}", data_path=folder / "directories", log_level="warning"
    )
    async with open_storage(settings.database) as storage:
        config = uvicorn.Config(
            create_app(settings, storage), interface="asgi3", http=Protocol, ws="none", lifespan="off", log_config=None
        )
        server = uvicorn.Server(config)
        listener = socket.create_server(("127.0.0.1", 0))
        serving = asyncio.create_task(server.serve(sockets=[listener]))
        while not server.started:  # noqa: ASYNC110  # uvicorn has no event for it
            await asyncio.sleep(0.01)
        yield listener.getsockname()[1]
        server.should_exit = True
        await serving


async def _trace(trace: Trace, folder: Path) -> dict[str, Trace]:
    threading.setprofile(trace.profile)
    async with _serve(folder) as port:
        client = Client(*await asyncio.open_connection("127.0.0.1", port))
        session = (await client.send("POST", "/sessions", b"{}"))["id"]
        requests: dict[str, tuple[str, str, bytes]] = {
            "createSession": ("POST", "/sessions", b"{}"),
            "sendMessage": ("POST", f"/sessions/{session}/messages", _BODY),
            "getSession": ("GET", f"/sessions/{session}", b""),
        }
        traces = {}
        for name, request in requests.items():
            # The first request of each kind fills caches.
            await client.send(*request)
            with _profile(trace):
                await client.send(*request)
            traces[name] = _copy_of(trace)
        traces["tail, one event"] = await _trace_tail(trace, client, port, session)
    return traces


async def _trace_tail(trace: Trace, client: Client, port: int, session: str) -> Trace:
    tail = Client(*await asyncio.open_connection("127.0.0.1", port))
    tail.begin("GET", f"/sessions/{session}/events")
    # Wait until it follows, so that the traced request wakes it.
    await client.send("POST", f"/sessions/{session}/messages", _BODY)
    await tail.event()
    with _profile(trace):
        await client.send("POST", f"/sessions/{session}/messages", _BODY)
        await asyncio.wait_for(tail.event(), _EVENT_SECONDS)
    return _copy_of(trace)


@contextmanager
def _profile(trace: Trace) -> Iterator[None]:
    """Trace the calls of this thread in the context."""
    trace.calls.clear()
    sys.setprofile(trace.profile)
    yield
    sys.setprofile(None)


def _copy_of(trace: Trace) -> Trace:
    taken = Trace()
    taken.calls = list(trace.calls)
    return taken


def main() -> int:
    """Print a line for each operation."""
    parser = argparse.ArgumentParser(prog="python -m bench.request_trace", description="Trace what a request calls.")
    parser.add_argument(
        "--functions", action="store_true", help="name the functions, in the order of their first calls"
    )
    show = parser.parse_args().functions
    with tempfile.TemporaryDirectory() as folder:
        traces = asyncio.run(_trace(Trace(), Path(folder)))
    sys.stdout.write(f"{'operation':<18}{'files':>6}{'functions':>11}{'calls':>7}  functions by part\n")
    for name, trace in traces.items():
        parts = ", ".join(f"{part.removesuffix('.py')} {count}" for part, count in trace.parts.most_common())
        sys.stdout.write(f"{name:<18}{len(trace.files):>6}{len(trace.functions):>11}{len(trace.calls):>7}  {parts}\n")
        if show:
            sys.stdout.writelines(f"    {trace.place(function)}\n" for function in trace.functions)
    return 0


if __name__ == "__main__":
    sys.exit(main())
