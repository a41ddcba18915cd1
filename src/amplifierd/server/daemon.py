"""The daemon: a socket, a database that opens, uvicorn in one process or several."""

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
from ..settings import Settings
from ..storage import open_existing, open_storage, path_of
from ..storage.model.database_errors import DatabaseMissing, DatabaseOutOfDate, DatabaseUnusable
from ..storage.model.database_url import without_password
from ..storage.model.interface import Storage
from .data_path import check_data_path, refuse_unwritable
from .ephemeral import ephemeral, forget, limit_life, say_where
from .http1.limits import LIMITS
from .http1.protocol import Protocol
from .logs import announce, configure_logging
from .memory_trim import memory_given_back
from .signals import end_on_signal
from .storage_opening import opened
from .supervisor import Supervisor

if sys.platform != "win32":
    import resource

logger = logging.getLogger(__name__)

RETRY_SECONDS = 1
# A worker that answers no ping for so long is killed, and another started. One that starts on a busy machine is not
# to be among them: the next would take as long.
WORKER_SECONDS = 60


class CannotListen(Exception):
    """The address can't be listened on, or should not be; a sentence that says why and what to do.

    `database` is why the database could not be served either.
    """

    def __init__(self, sentence: str, database: DatabaseUnusable | None = None) -> None:
        super().__init__(sentence)
        self.database = database


def serve(settings: Settings) -> None:
    """Serve until SIGINT, SIGTERM or SIGHUP; then finish the requests in flight, commit, close and return.

    They have `shutdown_timeout` seconds to be finished in; what is left then is answered 503, or cut.

    A second of these signals ends the process at once, with 128 and its number as the exit code.
    Raises `CannotListen`, `DataPathUnusable`, `DatabaseUnusable` or `ContractError` before anything is served.
    """
    end_on_signal(_exit)
    if settings.ephemeral or settings.max_age is not None:
        limit_life(settings.parent if settings.ephemeral else None, settings.max_age)
    configure_logging(settings)
    with ephemeral(settings) if settings.ephemeral else nullcontext(settings) as chosen:
        _serve(chosen)


def _serve(settings: Settings) -> None:
    _allow_files()
    check_data_path(settings.data_path)
    with _listen_or_say_all(settings) as listener:
        settings = replace(settings, port=listener.getsockname()[1])
        if settings.workers == 1:
            _serve_alone(settings, listener)
        else:
            _supervise(settings, listener)


def _serve_alone(settings: Settings, listener: socket.socket) -> None:
    storage, readiness = _storage(settings), Readiness()
    config = _configure(settings, create_app(settings, storage, readiness=readiness))
    server = _Server(config, partial(_end_at_once, settings))
    # From here on a signal may come in the midst of the storage's opening, which is to end in order.
    end_on_signal(server.handle_exit)
    with memory_given_back(), asyncio.Runner(loop_factory=config.get_loop_factory()) as runner:
        runner.run(_serve_from(storage, settings, server, listener, readiness))


async def _serve_from(
    storage: Storage, settings: Settings, server: "_Server", listener: socket.socket, readiness: Readiness
) -> None:
    # Not by the application's lifespan: uvicorn would log with a traceback why the storage can't be opened.
    async with opened(storage, partial(_prepare, storage, settings), server.another(), listener, readiness):
        _announce(settings)
        _collect_garbage()
        await server.serve(sockets=[listener])


def _supervise(settings: Settings, listener: socket.socket) -> None:
    # Here, and not in a worker, so that what is wrong is said once, in a sentence.
    asyncio.run(_try(settings, listener))
    _announce(settings)
    _collect_garbage()
    config = _configure(settings, partial(build_app, settings))
    Supervisor(config, listener, partial(_end_at_once, settings)).run()


class _Server(uvicorn.Server):
    """Ends at once at a second signal; uvicorn's would wait on, unless that is SIGINT, and a while even then."""

    def __init__(self, config: uvicorn.Config, end_at_once: Callable[[int], NoReturn]) -> None:
        super().__init__(config)
        self._end_at_once = end_at_once

    def another(self) -> "_Server":
        """One for the same application, before this."""
        return _Server(self.config, self._end_at_once)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        if self.should_exit:
            self._end_at_once(sig)
        super().handle_exit(sig, frame)

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        # They are handled before it serves, and after it: until the storage is closed.
        yield


def build_app(settings: Settings) -> Any:
    """The application of one worker, its logs set up; its lifespan opens the storage. It ends with its supervisor."""
    configure_logging(settings)
    supervisor = parent_process()
    if supervisor is not None:
        limit_life(supervisor.pid, max_age=None)
    storage = _storage(settings)
    return create_app(settings, storage, opened=_opened_or_ended(storage))


@asynccontextmanager
async def _opened_or_ended(storage: Storage) -> AsyncIterator[None]:
    # The supervisor has opened it before: what is wrong now may pass, and it starts another worker for one that ends.
    # But where the lifespan tells uvicorn of an error, that ends the supervisor as well.
    try:
        await storage.open()
    except DatabaseUnusable as error:
        logger.warning("A worker ends, and another tries again: %s", error)
        await asyncio.sleep(RETRY_SECONDS)
        os._exit(1)
    try:
        with memory_given_back():
            yield
    finally:
        await storage.close()


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
        timeout_graceful_shutdown=settings.shutdown_timeout,
        timeout_keep_alive=settings.keep_alive,
        timeout_worker_healthcheck=WORKER_SECONDS,
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


def _listen_or_say_all(settings: Settings) -> socket.socket:
    # Who puts the address right would hear of the database only then.
    try:
        return _listen(settings)
    except CannotListen as error:
        try:
            asyncio.run(_look_at_database(settings.database))
        except DatabaseUnusable as other:
            raise CannotListen(str(error), other) from error
        raise


async def _look_at_database(url: str) -> None:
    """Raises `DatabaseUnusable` if it could not be served; changes nothing in it."""
    try:
        async with open_existing(url):
            pass
    except DatabaseOutOfDate:
        # It would be brought up to date.
        return
    except DatabaseMissing:
        path = path_of(url)
        if path is not None:
            _refuse_uncreatable(path)


def _refuse_uncreatable(path: Path) -> None:
    try:
        refuse_unwritable(path.parent)
    except OSError as error:
        raise DatabaseUnusable(f"The database {path} can't be created: {error.strerror}.") from error


def _allow_files() -> None:
    """Let the process have a file for each connection that may be, and as many more, as far as the system allows that.

    Many systems' default is 1,024, for programs that can't do with more (`select`); this one can.
    """
    if sys.platform != "win32":
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        wanted = 2 * LIMITS.connections
        if hard != resource.RLIM_INFINITY:
            wanted = min(wanted, hard)
        if soft != resource.RLIM_INFINITY and soft < wanted:
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def _storage(settings: Settings) -> Storage:
    return open_storage(
        settings.database, idempotency_ttl=settings.idempotency_ttl, single_machine=settings.single_machine
    )


async def _try(settings: Settings, listener: socket.socket) -> None:
    storage, readiness = _storage(settings), Readiness()
    app = create_app(settings, storage, readiness=readiness)
    server = _Server(_configure(replace(settings, workers=1), app), partial(_end_at_once, settings))
    async with opened(storage, partial(_prepare, storage, settings), server, listener, readiness):
        pass


async def _prepare(storage: Storage, settings: Settings) -> None:
    await _check(storage, settings)
    await sync_markers(settings, storage)


async def _check(storage: Storage, settings: Settings) -> None:
    """Raises `CannotListen` where other machines would find all doors open, `StorageUnavailable` where nothing is."""
    if await storage.has_keys() or settings.is_local or settings.insecure_open:
        return
    raise CannotListen(
        f"Whoever reaches {settings.host} could read and change everything: the database has no keys. "
        "Make one with `amplifierd keys create --name NAME`, listen on 127.0.0.1, or say --insecure-open."
    )


def _collect_garbage() -> None:
    # Off since the command began (see cli/serve.py). What was made until now stays, and is never looked through.
    gc.freeze()
    gc.enable()


def _announce(settings: Settings) -> None:
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    url = f"http://{host}:{settings.port}"
    data = without_password(settings.database)
    if settings.ephemeral:
        say_where(url)
        return
    announce(settings.log_format, f"amplifierd listens on {url}/api/v1", data=data, docs=f"{url}/docs")


def _exit(_number: int, _frame: FrameType | None) -> None:
    sys.exit(0)


def _end_at_once(settings: Settings, number: int) -> NoReturn:
    # What was acknowledged is on disk; whatever still waits, for a client or for the storage, ends here.
    if settings.ephemeral:
        forget(settings)
    os._exit(128 + number)
