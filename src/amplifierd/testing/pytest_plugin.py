"""A pytest plugin: `amplifierd_server`, a daemon to run contract tests against, and the tests of a storage.

pytest imports this module in every run, so it imports nothing else before a test asks for the fixture, or the command
line names the tests of a storage.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .ephemeral_server import Server

# The package of the tests of a storage, and the module of their options and fixtures.
STORAGE_TESTS = "amplifierd.testing.storage"
FIXTURES = f"{STORAGE_TESTS}.fixtures"


def pytest_load_initial_conftests(early_config: pytest.Config, args: list[str]) -> None:
    """Add the options and the fixtures of the tests of a storage, if these are to run."""
    if "--pyargs" in args and any(argument.startswith(STORAGE_TESTS) for argument in args):
        early_config.pluginmanager.import_plugin(FIXTURES)


@pytest.fixture(scope="session")
def amplifierd_process() -> Iterator[str]:
    """The URL of a daemon that lives as long as the test run; its data is in memory."""
    from .ephemeral_server import daemon

    with daemon() as url:
        yield url


@pytest.fixture
def amplifierd_seed() -> list[dict[str, Any]]:
    """The content of the server when a test begins; override it to seed your own data.

    Each item is a body of `createSession`, plus `messages`, a list of bodies of `sendMessage`. A profile or a
    directory that it names is created if it does not exist.
    """
    greeting = [{"content": "Hello!"}, {"content": "Hello. What shall we build?", "role": "assistant"}]
    return [{"messages": greeting}, {"context": {"task": "nothing yet"}}]


@pytest.fixture
def amplifierd_server(amplifierd_process: str, amplifierd_seed: list[dict[str, Any]]) -> Iterator[Server]:
    """A server with `url`, `api` and the seeded `sessions`; it contains nothing else, and nothing after the test."""
    from .ephemeral_server import Server

    server = Server(amplifierd_process)
    server.reset(amplifierd_seed)
    yield server
    server.reset([])
