"""Background clients beside a load: idle connections, followers of a session, and a reader of a long transcript."""

import asyncio
import resource
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass

from .data import messages_of
from .programs import BenchmarkFailed, Server

_MAX_FILES = 4_096
# The server closes a connection that is idle for longer.
_BETWEEN_WORDS_SECONDS = 3.0
_CHUNK_BYTES = 256 * 1024


@dataclass(frozen=True)
class BackgroundClients:
    """The numbers of clients; `followed` is a session with many new messages, `read` one with a long transcript."""

    connections: int
    tails: int
    followed: str
    read: str


@contextmanager
def background_clients(server: Server, sizes: BackgroundClients) -> Iterator[None]:
    """Run background clients against a server, in a thread. Raises `BenchmarkFailed` at the end if any was refused."""
    resource.setrlimit(resource.RLIMIT_NOFILE, (_MAX_FILES, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
    failures: list[BaseException] = []
    over = threading.Event()
    thread = threading.Thread(target=lambda: failures.extend(asyncio.run(_gather(server, sizes, over))))
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
    if failures:
        raise BenchmarkFailed(f"{len(failures)} background clients failed, the first with {failures[0]!r}.")


async def _gather(server: Server, sizes: BackgroundClients, over: threading.Event) -> list[BaseException]:
    tasks = [
        *(asyncio.create_task(_idle_client(server)) for _ in range(sizes.connections)),
        *(asyncio.create_task(_follow(server, sizes.followed)) for _ in range(sizes.tails)),
        asyncio.create_task(_read_all(server, sizes.read)),
    ]
    await asyncio.to_thread(over.wait)
    failures = [task.exception() for task in tasks if task.done()]
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    return [failure for failure in failures if failure is not None]


async def _idle_client(server: Server) -> None:
    async with _connection(server) as (reader, writer):
        while True:
            await _ask(reader, writer, "/api/v1/health")
            await asyncio.sleep(_BETWEEN_WORDS_SECONDS)


async def _follow(server: Server, session_id: str) -> None:
    async with _connection(server) as (reader, writer):
        writer.write(_request(f"/api/v1/sessions/{session_id}/events"))
        while await reader.read(_CHUNK_BYTES):
            pass
    raise ConnectionError("A stream ended.")


async def _read_all(server: Server, session_id: str) -> None:
    async with _connection(server) as (reader, writer):
        while True:
            writer.write(_request(messages_of(session_id)))
            head = await reader.readuntil(b"\r\n\r\n")
            if not head.startswith(b"HTTP/1.1 200"):
                raise ConnectionError(head.decode())
            while size := int(await reader.readline(), 16):
                await reader.readexactly(size + 2)
            await reader.readline()


async def _ask(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, path: str) -> None:
    writer.write(_request(path))
    head = await reader.readuntil(b"\r\n\r\n")
    if not head.startswith(b"HTTP/1.1 200"):
        raise ConnectionError(head.decode())
    await reader.readexactly(int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0]))


@asynccontextmanager
async def _connection(server: Server) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    try:
        yield reader, writer
    finally:
        writer.close()


def _request(path: str) -> bytes:
    return f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()
