"""A pytest plugin: `amplifierd_server`, a daemon to run contract tests against.

pytest imports this module in every run, so it imports nothing else before a test asks for the fixture.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .ephemeral_server import Server


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
