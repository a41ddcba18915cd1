"""The daemon: its socket, the opening of its database, uvicorn in one or several processes."""

import asyncio
import gc
import logging
import os
import socket
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, nullcontext
from dataclasses import replace
from functools import partial
from multiprocessing import parent_process
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn

import uvicorn

from ..app import create_app, sync_markers
from ..contract import Readiness
from ..documents.modules.installed import installed_modules
from ..settings import Settings
from ..storage import open_existing, open_storage, path_of, refuse_several_processes
from ..storage.model.backend import without_password
from ..storage.model.database_errors import DatabaseMissing, DatabaseOutOfDate, DatabaseUnusable
from ..storage.model.interface import Storage
from ..storage.model.modules import InstalledModules
from .data_path import check_data_path, refuse_unwritable
from .embedder import configured_embedder
from .ephemeral import ephemeral, forget, stop_with_parent, write_address
from .http1.limits import LIMITS
from .http1.protocol import Protocol
from .logs import announce, configure_logging
from .memory_trim import memory_trimmed
from .signals import end_on_signal
from .storage_opening import opened
from .supervisor import Supervisor

if sys.platform != "win32":
    import resource

logger = logging.getLogger(__name__)

RETRY_SECONDS = 1
# A worker that does not respond to a ping for this time is killed and replaced. The time is long enough for a worker
# to start on a busy machine, because its replacement would take as long.
WORKER_SECONDS = 60
# The part of a response that waits in the kernel until it can be sent. When half of it is sent, the client has read.
_KERNEL_BYTES = 128 * 1024


class CannotListen(Exception):
    """The daemon cannot, or should not, listen on the address; the message says why and what to do.

    `database` is set if the database cannot be served either.
    """

    def __init__(self, sentence: str, database: DatabaseUnusable | None = None) -> None:
        super().__init__(sentence)
        self.database = database


def serve(settings: Settings) -> None:
    """Serve until SIGINT, SIGTERM or SIGHUP; then finish the requests in flight, commit, close and return.

    Requests have `shutdown_timeout` seconds to finish; the others then get 503, or their connection is closed.

    A second of these signals ends the process at once, with 128 and its number as the exit code.
    Raises `CannotListen`, `DataPathUnusable`, `DatabaseUnusable` or `ContractError` before anything is served.
    """
    end_on_signal(_exit)
    parent = settings.parent if settings.ephemeral else None
    if parent is not None or settings.max_age is not None:
        stop_with_parent(parent, settings.max_age)
    configure_logging(settings)
    with ephemeral(settings) if settings.ephemeral else nullcontext(settings) as chosen:
        _serve(chosen)


def _serve(settings: Settings) -> None:
    _allow_files()
    check_data_path(settings.data_path)
    with _listen_or_report_all(settings) as listener:
        settings = replace(settings, port=listener.getsockname()[1])
        if settings.workers == 1:
            _serve_alone(settings, listener)
        else:
            _supervise(settings, listener)


def _serve_alone(settings: Settings, listener: socket.socket) -> None:
    storage, readiness = _storage(settings), Readiness()
    config = _configure(settings, create_app(settings, storage, readiness=readiness))
    server = _Server(config, partial(_exit_now, settings))
    # From here on a signal may arrive while the storage opens, which must then close cleanly.
    end_on_signal(server.handle_exit)
    with memory_trimmed(), asyncio.Runner(loop_factory=config.get_loop_factory()) as runner:
        runner.run(_serve_from(storage, settings, server, listener, readiness))


async def _serve_from(
    storage: Storage, settings: Settings, server: "_Server", listener: socket.socket, readiness: Readiness
) -> None:
    # Not in the application's lifespan: uvicorn would log a traceback if the storage cannot be opened.
    async with opened(storage, partial(_prepare, storage, settings), server.another(), listener, readiness):
        _announce(settings)
        _enable_garbage_collection()
        await server.serve(sockets=[listener])


def _supervise(settings: Settings, listener: socket.socket) -> None:
    # Not in a worker, so that an error is reported once, as a sentence.
    refuse_several_processes(settings.database)
    asyncio.run(_try(settings, listener))
    _announce(settings)
    _enable_garbage_collection()
    config = _configure(settings, partial(build_app, settings))
    Supervisor(config, listener, partial(_exit_now, settings)).run()


class _Server(uvicorn.Server):
    """A server that exits at once at a second signal; uvicorn's keeps waiting, except for SIGINT."""

    def __init__(self, config: uvicorn.Config, exit_now: Callable[[int], NoReturn]) -> None:
        super().__init__(config)
        self._exit_now = exit_now

    def another(self) -> "_Server":
        """A server for the same application that runs before this one."""
        return _Server(self.config, self._exit_now)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        if self.should_exit:
            self._exit_now(sig)
        super().handle_exit(sig, frame)

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        # Signals are handled before and after serving, until the storage is closed.
        yield


def build_app(settings: Settings) -> Any:
    """The application of one worker, with logs set up; its lifespan opens the storage. It exits with its supervisor."""
    # As in commands/serve.py, because a worker is a new process.
    gc.disable()
    configure_logging(settings)
    supervisor = parent_process()
    if supervisor is not None:
        stop_with_parent(supervisor.pid, max_age=None)
    # The supervisor has created it. If its file was deleted since, an empty one would hide what the others still serve.
    storage = _storage(settings, create=False)
    return create_app(settings, storage, opened=_open_or_exit(storage))


@asynccontextmanager
async def _open_or_exit(storage: Storage) -> AsyncIterator[None]:
    # The supervisor has opened the storage before, so the error may be temporary; it replaces a worker that exits.
    # If the lifespan reported the error to uvicorn, the supervisor would exit as well.
    try:
        await storage.open()
    except DatabaseUnusable as error:
        logger.warning("A worker exits, and another will retry: %s", error)
        await asyncio.sleep(RETRY_SECONDS)
        os._exit(1)
    _enable_garbage_collection()
    try:
        with memory_trimmed():
            yield
    finally:
        await storage.close()


def _configure(settings: Settings, app: Any) -> uvicorn.Config:
    # A worker creates its own application and opens its own storage.
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
        timeout_graceful_shutdown=settings.shutdown_timeout,
        timeout_keep_alive=settings.keep_alive,
        timeout_worker_healthcheck=WORKER_SECONDS,
    )


def _listen(settings: Settings) -> socket.socket:
    if not settings.host:
        raise CannotListen("The address to listen on is empty; use --host 127.0.0.1 for this machine only.")
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    try:
        listener = socket.create_server((settings.host, settings.port), family=family, backlog=2048)
    except (OSError, OverflowError) as error:
        raise CannotListen(
            f"Cannot listen on {settings.host}, port {settings.port}: {_reason(error)}; choose another with --host and "
            "--port, or stop the program that uses it."
        ) from error
    if hasattr(socket, "TCP_NOTSENT_LOWAT"):
        # Connections inherit it. The kernel would keep megabytes of a response, and the server would not notice for
        # minutes that a slow client reads them.
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, _KERNEL_BYTES)
    return listener


def _reason(error: OSError | OverflowError) -> str:
    # After the reason, the error of a socket repeats the address. That of a lookup of a name has a number of its own.
    reason = error.strerror if isinstance(error, OSError) else None
    return (reason or str(error)).partition(" (while attempting")[0]


def _listen_or_report_all(settings: Settings) -> socket.socket:
    # Otherwise the database's error would appear only after the address is corrected.
    try:
        return _listen(settings)
    except CannotListen as error:
        try:
            asyncio.run(_check_database(settings.database))
        except DatabaseUnusable as other:
            raise CannotListen(str(error), other) from error
        raise


async def _check_database(url: str) -> None:
    """Raises `DatabaseUnusable` if the database cannot be served; changes nothing in it."""
    try:
        async with open_existing(url):
            pass
    except DatabaseOutOfDate:
        # Opening it would migrate it.
        return
    except DatabaseMissing:
        path = path_of(url)
        if path is not None:
            _refuse_uncreatable(path)


def _refuse_uncreatable(path: Path) -> None:
    try:
        refuse_unwritable(path.parent)
    except OSError as error:
        raise DatabaseUnusable(f"Cannot create the database {path}: {error.strerror}.") from error


def _allow_files() -> None:
    """Raise the limit of open files to twice the limit of connections, as far as the system allows.

    Many systems' default is 1,024, for programs that use `select`; this one does not.
    """
    if sys.platform != "win32":
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        needed = 2 * LIMITS.connections
        if hard != resource.RLIM_INFINITY:
            needed = min(needed, hard)
        if soft != resource.RLIM_INFINITY and soft < needed:
            resource.setrlimit(resource.RLIMIT_NOFILE, (needed, hard))


def _storage(settings: Settings, *, create: bool = True) -> Storage:
    embedder = None if settings.embedder is None else configured_embedder(settings, settings.embedder)
    return open_storage(
        settings.database,
        create=create,
        idempotency_ttl=settings.idempotency_ttl,
        single_machine=settings.single_machine,
        installed=InstalledModules(installed_modules),
        embedder=embedder,
    )


async def _try(settings: Settings, listener: socket.socket) -> None:
    storage, readiness = _storage(settings), Readiness()
    app = create_app(settings, storage, readiness=readiness)
    server = _Server(_configure(replace(settings, workers=1), app), partial(_exit_now, settings))
    async with opened(storage, partial(_prepare, storage, settings), server, listener, readiness):
        pass


async def _prepare(storage: Storage, settings: Settings) -> None:
    await _check(storage, settings)
    await sync_markers(settings, storage)


async def _check(storage: Storage, settings: Settings) -> None:
    """Raises `CannotListen` if other machines could connect without a key, `StorageUnavailable` if it is unknown."""
    if await storage.has_keys() or settings.is_local or settings.insecure_open:
        return
    raise CannotListen(
        f"Anyone who can reach {settings.host} could read and change everything: the database has no keys. "
        "Create one with `amplifierd keys create --name NAME`, listen on 127.0.0.1, or use --insecure-open."
    )


def _enable_garbage_collection() -> None:
    # Garbage collection is off since the start (see commands/serve.py). Objects created until now are never scanned.
    gc.freeze()
    gc.enable()


def _announce(settings: Settings) -> None:
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    url = f"http://{host}:{settings.port}"
    data = without_password(settings.database)
    if settings.ephemeral:
        write_address(url)
        return
    announce(settings.log_format, f"amplifierd listens on {url}/api/v1", data=data, docs=f"{url}/docs", page=f"{url}/")


def _exit(_number: int, _frame: FrameType | None) -> None:
    sys.exit(0)


def _exit_now(settings: Settings, number: int) -> NoReturn:
    # Acknowledged writes are on disk; anything that still waits for a client or the storage ends here.
    if settings.ephemeral:
        forget(settings)
    os._exit(128 + number)
