"""The opening of a storage, which may take as long as its migration does: who asks meanwhile is answered."""

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import uvicorn

from ..contract import Readiness
from ..storage.model.interface import Storage

# A start that is quicker answers nobody before its end: connections wait for it, and clients see no error.
QUICK_SECONDS = 0.5

_REASON = "The daemon starts: it opens its database, or brings it up to date. Send this again soon."


@asynccontextmanager
async def opened(
    storage: Storage,
    prepare: Callable[[], Awaitable[None]],
    server: uvicorn.Server,
    listener: socket.socket,
    readiness: Readiness,
) -> AsyncIterator[None]:
    """The storage, open until the end; `prepare` is done before others use it.

    While that takes long `server` answers at `listener` what its application serves without a `readiness`.
    """
    opening = asyncio.create_task(_open(storage, prepare))
    await asyncio.wait([opening], timeout=QUICK_SECONDS)
    if not opening.done():
        await _answer_until(opening, server, listener, readiness)
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


async def _answer_until(
    opening: asyncio.Task[None], server: uvicorn.Server, listener: socket.socket, readiness: Readiness
) -> None:
    readiness.reason = _REASON
    # A server closes the socket that it is given; connections that wait go on to the next.
    serving = asyncio.create_task(server.serve(sockets=[listener.dup()]))
    await asyncio.wait([opening, serving], return_when=asyncio.FIRST_COMPLETED)
    await asyncio.wait([opening])
    server.should_exit = True
    await serving
    readiness.reason = None
