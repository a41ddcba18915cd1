"""Opens a storage, which may include a migration; meanwhile, requests get a response."""

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import uvicorn

from ..contract import Readiness
from ..storage.model.interface import Storage

# In a shorter start, connections wait, and clients see no error.
QUICK_SECONDS = 0.5

_REASON = "The daemon is starting: it opens or migrates its database. Retry soon."


@asynccontextmanager
async def opened(
    storage: Storage,
    prepare: Callable[[], Awaitable[None]],
    server: uvicorn.Server,
    listener: socket.socket,
    readiness: Readiness,
) -> AsyncIterator[None]:
    """Keep the storage open until the end; `prepare` runs before anything else uses it.

    If opening takes long, `server` serves the probes at `listener` until the storage is open.
    """
    opening = asyncio.create_task(_open(storage, prepare))
    await asyncio.wait([opening], timeout=QUICK_SECONDS)
    if not opening.done():
        await _serve_until(opening, server, listener, readiness)
    await opening
    try:
        yield
    finally:
        await storage.close()


async def _open(storage: Storage, prepare: Callable[[], Awaitable[None]]) -> None:
    await storage.open()
    try:
        await prepare()
    except BaseException:
        await storage.close()
        raise


async def _serve_until(
    opening: asyncio.Task[None], server: uvicorn.Server, listener: socket.socket, readiness: Readiness
) -> None:
    readiness.reason = _REASON
    # A server closes its socket; waiting connections stay in the queue for the next server.
    serving = asyncio.create_task(server.serve(sockets=[listener.dup()]))
    await asyncio.wait([opening, serving], return_when=asyncio.FIRST_COMPLETED)
    await asyncio.wait([opening])
    server.should_exit = True
    await serving
    readiness.reason = None
