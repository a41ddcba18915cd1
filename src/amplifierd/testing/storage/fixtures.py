"""Fixtures of the tests of a storage: the database that the option `--storage` names, and storages on it.

`{name}` in the URL is replaced by a new name for each test, so that each has a database of its own. Without it all
tests use one database, which must be empty: each test ends with the deletion of its workspaces, and tests of keys are
skipped, because the last keys of a database stay.
"""

import asyncio
import warnings
from collections.abc import AsyncIterator, Iterator
from uuid import uuid4

import pytest

from ...storage import open_storage
from ...storage.model.backend import without_password
from ...storage.model.interface import Storage

NAME = "{name}"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option that names the database."""
    parser.getgroup("amplifierd").addoption(
        "--storage",
        metavar="URL",
        help="The database to test, as for `amplifierd serve --database`; {name} is replaced by a new name for each "
        "test. Without it the database must be empty; its contents are deleted.",
    )


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Check the options; the tests are coroutines, without marks of their own."""
    if not config.getoption("--storage"):
        raise pytest.UsageError("Name the database to test: --storage URL.")
    if getattr(config.option, "asyncio_mode", None) is None:
        config.option.asyncio_mode = "auto"
        # Each test has its own event loop, even if pytest-asyncio's default changes.
        warnings.filterwarnings("ignore", 'The configuration option "asyncio_default_fixture_loop_scope"')


@pytest.fixture(scope="session")
def database_to_test(pytestconfig: pytest.Config) -> str:
    """The value of the option. Fails if it names a single database that is not empty."""
    url: str = pytestconfig.getoption("--storage")
    if NAME not in url:
        contents = asyncio.run(_contents(url))
        if contents:
            pytest.fail(f"The database {without_password(url)} is not empty: it has the workspaces {contents}.", False)
    return url


@pytest.fixture
def database(database_to_test: str) -> Iterator[str]:
    """The URL of an empty database for this test."""
    if NAME in database_to_test:
        yield database_to_test.replace(NAME, f"test{uuid4().hex}")
        return
    yield database_to_test
    asyncio.run(_empty(database_to_test))


@pytest.fixture
def new_database(database_to_test: str) -> None:
    """Skip a test that needs a database that was never used."""
    if NAME not in database_to_test:
        pytest.skip(f"It needs a database of its own: a URL with {NAME}.")


@pytest.fixture
async def storage(database: str) -> AsyncIterator[Storage]:
    """An open storage."""
    async with open_storage(database) as opened:
        yield opened


@pytest.fixture
async def other(storage: Storage, database: str) -> AsyncIterator[Storage]:
    """A second storage on the database of `storage`."""
    assert storage is not None
    async with open_storage(database) as opened:
        yield opened


async def _contents(url: str) -> list[str]:
    """The workspaces that are not empty."""
    async with open_storage(url) as storage:
        return [
            contents.workspace
            for contents in await storage.workspace_contents()
            if any((contents.sessions, contents.profiles, contents.directories, contents.keys, contents.files))
        ]


async def _empty(url: str) -> None:
    async with open_storage(url) as storage:
        for contents in await storage.workspace_contents():
            await storage.delete_workspace(contents.workspace)
