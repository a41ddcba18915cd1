"""Storages and daemons for every test: real files, real sockets."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import httpx
import pytest

from amplifierd.storage import open_storage
from amplifierd.storage.interface import Storage
from daemon import Daemon


def pytest_addoption(parser: pytest.Parser) -> None:
    """How long to fuzz: a quick run is in every test run, a long one takes seed after seed."""
    parser.addoption("--fuzz-seconds", type=int, default=0, help="Fuzz with one seed after another for so long.")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """What a whole run has exercised is known at its end; a part of a run can't tell."""
    last = [item for item in items if item.path.name == "test_exercised.py"]
    others = [item for item in items if item not in last]
    whole = config.args_source is not pytest.Config.ArgsSource.ARGS and not config.option.keyword
    items[:] = [*others, *last] if whole else others


@pytest.fixture(params=["sqlite"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of an empty database, one of each kind."""
    assert request.param == "sqlite"
    return f"sqlite:///{tmp_path / 'amplifierd.db'}"


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


@pytest.fixture(scope="module", params=["sqlite"])
def daemon(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    """A daemon on each kind of database, shared by a module's tests; it checks each of its responses."""
    assert request.param == "sqlite"
    with Daemon(f"sqlite:///{tmp_path_factory.mktemp('daemon') / 'amplifierd.db'}") as running:
        yield running


@pytest.fixture
def client(daemon: Daemon) -> Iterator[httpx.Client]:
    """A client of `daemon`; relative URLs are the contract's paths."""
    with daemon.client() as opened:
        yield opened
