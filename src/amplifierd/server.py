"""The daemon: a socket, a database that opens, uvicorn in one process or several."""

import asyncio
import gc
import signal
import socket
import sys
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import replace
from functools import partial
from multiprocessing import parent_process
from types import FrameType
from typing import Any

import uvicorn
from uvicorn.supervisors import Multiprocess

from .app import create_app, take_up_markers
from .ephemeral import ephemeral, limit_life, say_where
from .logs import configure_logging
from .protocol import Protocol
from .settings import Settings
from .storage import open_storage
from .storage.interface import Storage
from .storage.location import without_password

GRACE_SECONDS = 10


class CannotListen(Exception):
    """The address can't be listened on; a sentence that says why and what to do."""


def serve(settings: Settings) -> None:
    """Serve until SIGINT or SIGTERM; then finish the requests in flight, commit, close and return.

    Raises `CannotListen`, `DatabaseUnusable` or `ContractError` before anything is served.
    """
    _handle_signals(_exit)
    if settings.ephemeral or settings.max_age is not None:
        limit_life(settings.parent if settings.ephemeral else None, settings.max_age)
    with ephemeral(settings) if settings.ephemeral else nullcontext(settings) as chosen:
        _serve(chosen)


def _serve(settings: Settings) -> None:
    with _listen(settings) as listener:
        settings = replace(settings, port=listener.getsockname()[1])
        if settings.workers == 1:
            _serve_alone(settings, listener)
        else:
            _supervise(settings, listener)


def _serve_alone(settings: Settings, listener: socket.socket) -> None:
    configure_logging(settings)
    storage = _storage(settings)
    config = _configure(settings, create_app(settings, storage))
    server = uvicorn.Server(config)
    # From here on a signal may come in the midst of the storage's opening, which is to end in order.
    _handle_signals(server.handle_exit)
    with asyncio.Runner(loop_factory=config.get_loop_factory()) as runner:
        runner.run(_serve_from(storage, settings, server, listener))


async def _serve_from(storage: Storage, settings: Settings, server: uvicorn.Server, listener: socket.socket) -> None:
    # Not by the application's lifespan: uvicorn would log with a traceback why the storage can't be opened.
    async with storage:
        await storage.ping()
        await take_up_markers(settings, storage)
        _announce(settings)
        _collect_garbage()
        await server.serve(sockets=[listener])


def _supervise(settings: Settings, listener: socket.socket) -> None:
    # Here, and not in a worker, so that what is wrong is said once, in a sentence.
    asyncio.run(_try(settings))
    _announce(settings)
    _collect_garbage()
    Multiprocess(_configure(settings, partial(build_app, settings)), sockets=[listener]).run()


def build_app(settings: Settings) -> Any:
    """The application of one worker, its logs set up; its lifespan opens the storage. It ends with its supervisor."""
    configure_logging(settings)
    supervisor = parent_process()
    if supervisor is not None:
        limit_life(supervisor.pid, max_age=None)
    return create_app(settings, _storage(settings))


def _configure(settings: Settings, app: Any) -> uvicorn.Config:
    # A worker makes its own application and opens its own storage.
    in_workers = settings.workers > 1
    return uvicorn.Config(
        app,
        factory=in_workers,
        interface="asgi3",
        http=Protocol,
        ws="none",
        lifespan="on" if in_workers else "off",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        workers=settings.workers,
        timeout_graceful_shutdown=GRACE_SECONDS,
    )


def _listen(settings: Settings) -> socket.socket:
    if not settings.host:
        raise CannotListen("The address to listen on is empty; --host 127.0.0.1 is this machine alone.")
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    try:
        return socket.create_server((settings.host, settings.port), family=family, backlog=2048)
    except (OSError, OverflowError) as error:
        raise CannotListen(
            f"Can't listen on {settings.host}, port {settings.port}: {error}. "
            "Name another with --host and --port, or stop what has it."
        ) from error


def _storage(settings: Settings) -> Storage:
    return open_storage(settings.database, idempotency_ttl=settings.idempotency_ttl)


async def _try(settings: Settings) -> None:
    storage = _storage(settings)
    create_app(settings, storage)
    async with storage:
        await storage.ping()


def _collect_garbage() -> None:
    # Off since the command began (see cli/serve.py). What was made until now stays to the end, never looked through.
    gc.freeze()
    gc.enable()


def _announce(settings: Settings) -> None:
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    url = f"http://{host}:{settings.port}"
    if settings.ephemeral:
        say_where(url)
        return
    lines = [
        f"amplifierd listens on {url}/api/v1",
        f"  data  {without_password(settings.database)}",
        f"  docs  {url}/docs",
    ]
    sys.stderr.write("\n".join([*lines, ""]))
    sys.stderr.flush()


def _exit(_number: int, _frame: FrameType | None) -> None:
    sys.exit(0)


def _handle_signals(handler: Callable[[int, FrameType | None], None]) -> None:
    # uvicorn has its own handler while it serves. When it is done it raises the signal that ended it once more.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, handler)
    if hasattr(signal, "SIGHUP"):
        signal.signal(signal.SIGHUP, lambda _number, _frame: signal.raise_signal(signal.SIGTERM))
