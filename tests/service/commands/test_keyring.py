"""A daemon that has once had keys never serves without one, even if the keys are lost."""

import time
from pathlib import Path

import apsw

from amplifierd.auth import TRUSTED_SECONDS
from conftest import execute
from daemon import Daemon
from keys import amplifierd_keys
from waits import until


def create_key(url: str) -> None:
    amplifierd_keys("create", "--name", "x", "--database", url)


def test_lost_keys_do_not_open_the_daemon(database: str) -> None:
    with Daemon(database) as daemon, daemon.client() as client:
        assert client.get("/sessions").status_code == 200
        create_key(database)
        until(lambda: client.get("/sessions").status_code == 401)
        _forget_keys(database)
        # Longer than a result is cached.
        time.sleep(2 * TRUSTED_SECONDS)
        assert client.get("/sessions").status_code == 401


def _forget_keys(url: str) -> None:
    if url.startswith("postgres"):
        execute(url, "DELETE FROM amplifierd.api_key")
        return
    connection = apsw.Connection(str(Path(url.removeprefix("sqlite:///"))))
    connection.set_busy_timeout(10_000)
    connection.execute("DELETE FROM api_key")
    connection.close()
