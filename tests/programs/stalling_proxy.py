"""A TCP proxy that can stall: it holds the bytes and leaves the connections open."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit, urlunsplit


class StallingProxy:
    """Forwards bytes between clients and the server at a host and port, unless it is stalled."""

    def __init__(self, host: str, port: int) -> None:
        self._server = (host, port)
        self._passing = asyncio.Event()
        self._passing.set()
        self._hanging: dict[int, asyncio.Event] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def stall(self) -> None:
        """Stop forwarding."""
        self._passing.clear()

    def hang(self, port: int) -> None:
        """Stop forwarding for the connection that the server sees at this port of the client."""
        self._hanging[port] = asyncio.Event()

    def resume(self) -> None:
        """Forward the held bytes, and later ones."""
        for hanging in self._hanging.values():
            hanging.set()
        self._passing.set()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve a client until either side closes the connection."""
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        await self._passing.wait()
        upstream, to_server = await asyncio.open_connection(*self._server)
        try:
            async with asyncio.TaskGroup() as both:
                port = to_server.get_extra_info("sockname")[1]
                both.create_task(self._pass(reader, to_server, port))
                both.create_task(self._pass(upstream, writer, port))
        finally:
            to_server.close()
            writer.close()
            self._tasks.discard(task)

    async def close(self) -> None:
        """Close every connection."""
        for task in [*self._tasks]:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, port: int) -> None:
        try:
            while data := await reader.read(65_536):
                await self._passing.wait()
                if port in self._hanging:
                    await self._hanging[port].wait()
                writer.write(data)
                await writer.drain()
        except ConnectionError:
            # The end of the stream tells the other side.
            pass
        writer.close()


@asynccontextmanager
async def stalling(url: str) -> AsyncIterator[tuple[StallingProxy, str]]:
    """A proxy in front of the server of `url`, and the URL through the proxy."""
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
