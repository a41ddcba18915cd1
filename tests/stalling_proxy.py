"""A way to a server that can stall: what is sent waits, and nobody is told."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit, urlunsplit


class StallingProxy:
    """Passes bytes on between clients and the server at a host and a port, unless it is `stall`ed."""

    def __init__(self, host: str, port: int) -> None:
        self._server = (host, port)
        self._passing = asyncio.Event()
        self._passing.set()
        self._tasks: set[asyncio.Task[None]] = set()

    def stall(self) -> None:
        """Pass nothing on from now on."""
        self._passing.clear()

    def resume(self) -> None:
        """Pass on what has waited, and what comes."""
        self._passing.set()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One client, until either side closes."""
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        await self._passing.wait()
        upstream, to_server = await asyncio.open_connection(*self._server)
        try:
            async with asyncio.TaskGroup() as both:
                both.create_task(self._pass(reader, to_server))
                both.create_task(self._pass(upstream, writer))
        finally:
            to_server.close()
            writer.close()
            self._tasks.discard(task)

    async def close(self) -> None:
        """Let go of every client."""
        for task in [*self._tasks]:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while data := await reader.read(65_536):
                await self._passing.wait()
                writer.write(data)
                await writer.drain()
        except ConnectionError:
            # The other side is told by the end of the stream.
            pass
        writer.close()


@asynccontextmanager
async def stalling(url: str) -> AsyncIterator[tuple[StallingProxy, str]]:
    """A proxy before the server of `url`, and the URL that leads through it."""
    parts = urlsplit(url)
    assert parts.hostname is not None
    assert parts.port is not None
    proxy = StallingProxy(parts.hostname, parts.port)
    server = await asyncio.start_server(proxy.serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    user = f"{parts.username}@" if parts.username else ""
    try:
        yield proxy, urlunsplit(parts._replace(netloc=f"{user}127.0.0.1:{port}"))
    finally:
        server.close()
        await proxy.close()
