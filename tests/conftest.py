"""Storages and daemons for every test: real files, real sockets."""

import asyncio
import gc
import json
import os
import random
import re
import shutil
import signal
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit, urlunsplit
from uuid import uuid4

import asyncpg
import httpx
import pytest
from hypothesis import HealthCheck, settings

from amplifierd.storage import open_storage
from amplifierd.storage.model.interface import Storage
from daemon import EXERCISED, EXERCISED_AT, Daemon
from fork_server import run_amplifierd
from postgres import VARIABLE, PostgresServer
from programs.pgbouncer import PROGRAM
from random_requests.fuzzing import FIXED_SEED, Fuzz

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

Object = dict[str, Any]
Import = Callable[..., tuple[int, str]]
Exported = Callable[[], list[Object]]

# Deletes whatever a test left. A connection may still hold a lock; deleting a row is faster than truncating a table.
EMPTY_POSTGRES = """
-- No triggers: the rows that one inserts would stay.
SET session_replication_role = replica;

DO $$
DECLARE
    name text;
BEGIN
    PERFORM pg_terminate_backend(pid)
    FROM pg_stat_activity
    WHERE datname = current_database()
        AND pid <> pg_backend_pid();
    FOR name IN
        SELECT relname
        FROM pg_class
        WHERE relnamespace = 'amplifierd'::regnamespace
            AND relkind = 'r'
            AND relname NOT IN ('schema_version', 'search_pipeline', 'embedding_model')
    LOOP
        EXECUTE format('DELETE FROM amplifierd.%I', name);
    END LOOP;
END
$$
"""

END_CONNECTIONS = """
SELECT pg_terminate_backend(pid, 60000)
FROM pg_stat_activity
WHERE datname = '{}'
"""

# No test depends on how fast the machine is. A long run tries new cases. Any other tries the same ones each time, so
# that only a change of the program makes it fail.
settings.register_profile("new-cases", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("same-cases", settings.get_profile("new-cases"), derandomize=True)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options for longer fuzzing and torture tests; every test run includes a short run of each."""
    parser.addoption("--fuzz-seconds", type=int, default=0, help="Fuzz for this long, with one new seed after another.")
    parser.addoption("--fuzz-seed", type=int, help="Start fuzzing with this seed, which an earlier run printed.")
    parser.addoption("--contract-tools", action="store_true", help="Also check the contract with third-party tools.")
    parser.addoption("--screenshots", action="store_true", help="Write screenshots of the page to docs/.")
    parser.addoption("--torture-rounds", type=int, default=3, help="How often to kill the server, for each storage.")


def pytest_configure(config: pytest.Config) -> None:
    """Choose the Hypothesis profile, and keep compiled modules, because a run starts hundreds of programs."""
    settings.load_profile("new-cases" if config.getoption("--fuzz-seconds") else "same-cases")
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    sys.dont_write_bytecode = False


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out tests whose programs or options are missing; `test_exercised.py` runs by name, after a complete run."""
    # `.ci/run` installs these programs; the README's command needs nothing but Python.
    if PROGRAM is None:
        items[:] = [item for item in items if item.path.name != "test_pgbouncer.py"]
    if not config.getoption("--contract-tools"):
        items[:] = [item for item in items if item.path.parent.name != "contract_tools"]
    if not config.getoption("--screenshots"):
        items[:] = [item for item in items if item.path.name != "test_screenshots.py"]
    if shutil.which("chromium") is None:
        items[:] = [item for item in items if "browser" not in getattr(item, "fixturenames", ())]
    if shutil.which("bindfs") is None or os.geteuid() != 0:
        items[:] = [item for item in items if "fuse" not in getattr(item, "fixturenames", ())]
    # This module takes longest: if it ran last, the other processes would wait for it.
    items.sort(key=lambda item: item.path.name != "test_fuzz.py")
    if _is_whole(config):
        items[:] = [item for item in items if item.path.name != "test_exercised.py"]


def pytest_collection_finish() -> None:
    """Leave the collected tests out of garbage collections: they stay, and are most of the objects in a long run."""
    gc.freeze()


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Send what this process exercised to the main process, which saves what all processes exercised."""
    if hasattr(session.config, "workeroutput"):
        session.config.workeroutput["exercised"] = sorted(EXERCISED)
    elif _is_whole(session.config):
        assert session.config.cache is not None, "The cache plugin is part of pytest."
        session.config.cache.set(EXERCISED_AT, sorted(EXERCISED))


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Collect what a process of the run exercised when it ends."""
    # A process that crashed has sent nothing.
    EXERCISED.update(map(tuple, getattr(node, "workeroutput", {}).get("exercised", [])))


def _is_whole(config: pytest.Config) -> bool:
    return config.args_source is not pytest.Config.ArgsSource.ARGS and not config.option.keyword


@pytest.fixture
def fuzz(pytestconfig: pytest.Config) -> Fuzz:
    """The seeds for fuzzing, from the options; without options every run uses the same seed."""
    seconds: int = pytestconfig.getoption("--fuzz-seconds")
    given: int | None = pytestconfig.getoption("--fuzz-seed")
    first = given if given is not None else random.SystemRandom().getrandbits(32) if seconds else FIXED_SEED
    return Fuzz(first, time.monotonic() + seconds, pytestconfig.get_terminal_writer().line)


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """The URL of a database on a PostgreSQL server: from the environment, or on a server that this run starts."""
    given = os.environ.get(VARIABLE)
    if given:
        yield given
        return
    # These tests do not need durability; those that do start their own servers.
    with PostgresServer("fsync=off", "full_page_writes=off", "max_connections=300") as server:
        yield server.url()


@contextmanager
def postgres_database(postgres: str, template: str = "template0") -> Iterator[str]:
    """The URL of a database on the server of `postgres` that is dropped afterwards: an empty one, or a copy."""
    name = f"amplifierd_test_{uuid4().hex}"
    execute(postgres, f"CREATE DATABASE {name} ENCODING 'UTF8' TEMPLATE {template}")
    yield urlunsplit(urlsplit(postgres)._replace(path=f"/{name}"))
    execute(postgres, f"DROP DATABASE {name} WITH (FORCE)")


def template_of(postgres: str, url: str) -> str:
    """The name of a database that can be copied from now on; nobody can connect to it."""
    name = urlsplit(url).path.removeprefix("/")
    # A database in use cannot be copied, and closed connections take a moment to end.
    execute(postgres, f"ALTER DATABASE {name} ALLOW_CONNECTIONS false")
    execute(postgres, END_CONNECTIONS.format(name))
    return name


@contextmanager
def own_database(request: pytest.FixtureRequest, folder: Path) -> Iterator[str]:
    """The URL of an empty database with the schema, of the kind that is the fixture's parameter.

    A SQLite file is created in the folder; a PostgreSQL database is dropped afterwards.
    """
    if request.param == "sqlite":
        yield _copy(request.getfixturevalue("sqlite_template"), folder)
        return
    postgres, template = request.getfixturevalue("postgres"), request.getfixturevalue("postgres_template")
    with postgres_database(postgres, template) as url:
        yield url


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty SQLite file with the schema: copying it takes a tenth of the time of creating one."""
    path = tmp_path_factory.mktemp("template") / "amplifierd.db"
    asyncio.run(_create(f"sqlite:///{path}"))
    return path


@pytest.fixture(scope="session")
def postgres_template(postgres: str) -> Iterator[str]:
    """The name of an empty database with the schema: copying it is much faster than creating one."""
    with postgres_database(postgres) as url:
        asyncio.run(_create(url))
        yield template_of(postgres, url)


@pytest.fixture(scope="session")
def shared_postgres(postgres: str, postgres_template: str) -> Iterator[str]:
    """The URL of a database with the schema, which the tests use in turn and leave empty.

    Creating one for each test would take longer than most tests.
    """
    with postgres_database(postgres, postgres_template) as url:
        yield url


@pytest.fixture(scope="session")
def empty_shared_postgres(shared_postgres: str) -> Iterator[Callable[[], object]]:
    """Empties the shared database. The connection stays, because a new one takes ten times as long as the statement."""
    loop = asyncio.new_event_loop()
    connection = loop.run_until_complete(asyncpg.connect(shared_postgres))
    yield lambda: loop.run_until_complete(connection.execute(EMPTY_POSTGRES))
    loop.run_until_complete(connection.close())
    loop.close()


async def _create(url: str) -> None:
    async with open_storage(url):
        pass


@pytest.fixture
def default_signal_handlers() -> Iterator[None]:
    """Handle SIGINT and SIGHUP, which a shell makes the tests ignore if it runs them in the background."""
    interrupted = signal.signal(signal.SIGINT, signal.default_int_handler)
    hung_up = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGINT, interrupted)
    signal.signal(signal.SIGHUP, hung_up)


@pytest.fixture
def second_postgres(postgres: str) -> Iterator[str]:
    """The URL of another empty database on the server of `postgres`."""
    with postgres_database(postgres) as url:
        yield url


@pytest.fixture(params=["sqlite", "postgresql"])
def empty_database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The URL of a database of each kind without a schema; for SQLite, of a file that does not exist."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'amplifierd.db'}"
        return
    with postgres_database(request.getfixturevalue("postgres")) as url:
        yield url


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The URL of an empty database of each kind, with the schema."""
    if request.param == "sqlite":
        yield _copy(request.getfixturevalue("sqlite_template"), tmp_path)
        return
    url, empty = request.getfixturevalue("shared_postgres"), request.getfixturevalue("empty_shared_postgres")
    yield url
    empty()


def _copy(template: Path, folder: Path) -> str:
    path = folder / "amplifierd.db"
    shutil.copy(template, path)
    return f"sqlite:///{path}"


@pytest.fixture
def new_database() -> None:
    """Each test gets a database that is new, or that was emptied and is in the same state as a new one."""


@pytest.fixture
async def storage(database: str) -> AsyncIterator[Storage]:
    """An open storage of each kind."""
    async with open_storage(database) as opened:
        yield opened


@pytest.fixture
async def other(storage: Storage, database: str) -> AsyncIterator[Storage]:
    """A second storage on the database of `storage`."""
    assert storage is not None
    async with open_storage(database) as opened:
        yield opened


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def daemon(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    """A daemon on each kind of database, shared by a module's tests; it checks each of its responses."""
    with own_database(request, tmp_path_factory.mktemp("daemon")) as url, Daemon(url) as running:
        yield running


@pytest.fixture(scope="module")
def sqlite_daemon(sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    """A daemon on SQLite alone, for modules that assign it to `daemon`."""
    with Daemon(_copy(sqlite_template, tmp_path_factory.mktemp("daemon"))) as running:
        yield running


@pytest.fixture(scope="module")
def browser(daemon: Daemon) -> Iterator["Browser"]:
    """A browser for one test after another."""
    # Imported here, because only the Python version that runs the page's tests has Playwright.
    from programs.browser import launched

    # Playwright's event loop runs in this thread while the browser is open, so the daemon has to be running already.
    assert daemon.port
    with launched() as opened:
        yield opened


@pytest.fixture
def page(browser: "Browser", daemon: Daemon) -> Iterator["Page"]:
    """A page of the daemon in an empty profile. The test fails if the page does anything that `Watch` forbids."""
    from programs.browser import watched

    with watched(browser, daemon) as opened:
        yield opened


@pytest.fixture(scope="module")
def new_session(daemon: Daemon) -> Iterator[Callable[..., str]]:
    """Creates a session with messages, given as texts or bodies. Returns its id."""
    with daemon.client() as client:

        def create(*messages: dict[str, Any] | str, **fields: Any) -> str:
            session: str = client.post("/sessions", json=fields).raise_for_status().json()["id"]
            bodies = [{"content": message} if isinstance(message, str) else message for message in messages]
            for start in range(0, len(bodies), 1000):
                client.post(
                    f"/sessions/{session}/messages/batch", json={"messages": bodies[start : start + 1000]}
                ).raise_for_status()
            return session

        yield create


@pytest.fixture
def client(daemon: Daemon) -> Iterator[httpx.Client]:
    """A client of `daemon`; relative URLs are paths of the contract."""
    with daemon.client() as opened:
        yield opened


@pytest.fixture
def workspace(request: pytest.FixtureRequest) -> str:
    """The name of a workspace that only this test uses."""
    return re.sub("[^a-z0-9]+", "-", request.node.name.lower())[-60:].strip("-")


@pytest.fixture
def import_(tmp_path: Path, daemon: Daemon, workspace: str) -> Import:
    """Imports paths into the test's own workspace. Returns the exit status and the output."""

    def imported(*paths: str | Path, **environment: str) -> tuple[int, str]:
        env = os.environ | {"XDG_DATA_HOME": str(tmp_path / "data")} | environment
        arguments = ["--database", daemon.database, "--workspace", workspace, *map(str, paths)]
        outcome = run_amplifierd("import", *arguments, env=env)
        return outcome.returncode, outcome.stderr

    return imported


@pytest.fixture
def exported(daemon: Daemon, workspace: str) -> Exported:
    """The lines of an export of the workspace, without its header and its end."""

    def read() -> list[Object]:
        outcome = run_amplifierd("export", "--database", daemon.database, "--workspace", workspace)
        assert outcome.returncode == 0, outcome.stderr
        return [json.loads(line) for line in outcome.stdout.splitlines()[1:-1]]

    return read


def execute(url: str, statement: str) -> None:
    """Run a statement on a new connection, outside a transaction."""

    async def run() -> None:
        connection = await asyncpg.connect(url)
        try:
            await connection.execute(statement)
        finally:
            await connection.close()

    asyncio.run(run())
