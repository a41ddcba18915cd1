"""What was deleted is gone from every file: table, search index, log."""

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from daemon import Daemon
from remains import canary, files_with, wait_until_gone


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the database of `daemon`."""
    return tmp_path_factory.mktemp("deleted")


@pytest.fixture(scope="module")
def daemon(folder: Path) -> Iterator[Daemon]:
    """A daemon on a SQLite file, shared by this module's tests."""
    with Daemon(f"sqlite:///{folder / 'amplifierd.db'}") as running:
        yield running


def say(client: httpx.Client, *texts: str, **session: object) -> str:
    """Open a session with messages; its path."""
    path = f"/sessions/{client.post('/sessions', json=session).json()['id']}"
    for text in texts:
        assert client.post(f"{path}/messages", json={"content": text}).status_code == 201
    return path


def search(client: httpx.Client, word: str) -> list[object]:
    """What is found, which is indexed then."""
    found = client.get("/search", params={"q": word})
    assert found.status_code == 200
    hits: list[object] = found.json()
    return hits


def test_a_deleted_session_is_gone(client: httpx.Client, folder: Path) -> None:
    word = canary()
    say(client, "Others stay.")
    paths = [say(client, f"{number} {word} {word * 300}", context={"a": word}, name=word) for number in range(3)]
    assert len(search(client, word)) == 3
    assert files_with(folder, word)
    for path in paths:
        assert client.delete(path).status_code == 204
    wait_until_gone(folder, word)


def test_a_context_that_was_replaced_is_gone(client: httpx.Client, folder: Path) -> None:
    short, long = canary(), canary()
    path = say(client, context={"short": short})
    client.patch(path, json={"context": {"short": None, "long": long * 100}})
    client.patch(path, json={"context": {"long": None}})
    for word in (short, long):
        wait_until_gone(folder, word)


def test_what_was_cleaned_up_is_gone(client: httpx.Client, folder: Path) -> None:
    word = canary()
    client.post(f"{say(client, word)}/complete")
    assert len(search(client, word)) == 1
    body = {"older_than_days": 0, "dry_run": False}
    assert client.post("/sessions/cleanup", json=body).json()["sessions"] == 1
    wait_until_gone(folder, word)


def test_a_clean_stop_leaves_nothing_of_what_was_deleted(tmp_path: Path) -> None:
    word = canary()
    with Daemon(f"sqlite:///{tmp_path / 'amplifierd.db'}") as daemon, daemon.client() as client:
        path = say(client, word, context={"a": word})
        assert len(search(client, word)) == 1
        client.delete(path)
        daemon.stop()
    assert files_with(tmp_path, word) == []


def test_what_a_killed_daemon_left_is_gone_after_the_next_start(tmp_path: Path) -> None:
    word = canary()
    with Daemon(f"sqlite:///{tmp_path / 'amplifierd.db'}") as daemon, daemon.client() as client:
        path = say(client, word)
        assert len(search(client, word)) == 1
        client.delete(path)
        daemon.kill()
    with Daemon(f"sqlite:///{tmp_path / 'amplifierd.db'}"):
        wait_until_gone(tmp_path, word)
