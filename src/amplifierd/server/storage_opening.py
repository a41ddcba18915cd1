"""The opening of a storage, which may include a migration; requests get a response meanwhile.

And its embedder, with its key.
"""

import asyncio
import os
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import uvicorn

from ..contract import Readiness
from ..settings import Settings
from ..storage.model.database_errors import EmbedderUnusable
from ..storage.model.interface import Storage
from ..storage.model.queries import Embedder

# During a quicker start connections wait, and clients see no error.
QUICK_SECONDS = 0.5

# Not an option: anyone who can list the processes of a machine can read their command lines.
KEY_VARIABLE = "AMPLIFIERD_EMBEDDER_KEY"

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

    If that takes long, `server` meanwhile serves at `listener` what its application serves before it is ready.
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
    # A server closes its socket; waiting connections stay in the queue for the next server.
    serving = asyncio.create_task(server.serve(sockets=[listener.dup()]))
    await asyncio.wait([opening, serving], return_when=asyncio.FIRST_COMPLETED)
    await asyncio.wait([opening])
    server.should_exit = True
    await serving
    readiness.reason = None


def configured_embedder(settings: Settings, name: str) -> Embedder:
    """The embedder of this name. Raises `EmbedderUnusable`."""
    # Imported here: most daemons have none.
    from ..storage.search.embedders.entry_point import EmbedderOptions, open_embedder

    key = os.environ.get(KEY_VARIABLE) or None
    if settings.embedder_key_file is not None:
        key = _key_in(settings.embedder_key_file)
    if key is not None and not (key.isascii() and key.isprintable()):
        raise EmbedderUnusable("The key of the embedder has other characters than printable ASCII.")
    return open_embedder(name, EmbedderOptions(settings.embedder_url, settings.embedder_model, key))


def _key_in(file: Path) -> str:
    try:
        key = file.read_text().strip()
    except (OSError, UnicodeDecodeError) as error:
        raise EmbedderUnusable(f"The key of the embedder can't be read from {file}: {error}.") from error
    if not key:
        raise EmbedderUnusable(f"The file {file} with the key of the embedder is empty.")
    return key
