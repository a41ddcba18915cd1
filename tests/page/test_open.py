"""`amplifierd open` opens the page, and starts a daemon if none runs."""

import os
import re
import signal
import socket
import subprocess
from pathlib import Path

import pytest

from conftest import sqlite_daemon
from daemon import Daemon, http_get
from fork_server import run_amplifierd

daemon = sqlite_daemon


@pytest.fixture
def browser_log(tmp_path: Path) -> Path:
    """The file to which the fake browser writes the addresses that it opens."""
    program = tmp_path / "browser"
    program.write_text(f'#!/bin/sh\necho "$1" >> "{tmp_path}/opened"\n')
    program.chmod(0o700)
    return tmp_path / "opened"


def run_open(folder: Path, port: int) -> subprocess.CompletedProcess[str]:
    """Run `amplifierd open`, with all of its data in a folder."""
    settings = {
        "BROWSER": f"{folder}/browser %s",
        "AMPLIFIERD_DATABASE": f"sqlite:///{folder}/opened.db",
        "AMPLIFIERD_DATA_PATH": f"{folder}/data",
    }
    log = str(folder / "amplifierd.log")
    return run_amplifierd("open", "--port", str(port), "--log-file", log, env=os.environ | settings)


def test_open_finds_a_daemon(daemon: Daemon, browser_log: Path) -> None:
    outcome = run_open(browser_log.parent, daemon.port)
    assert (outcome.returncode, outcome.stdout) == (0, "")
    assert browser_log.read_text() == f"{daemon.url}/\n"


def test_open_starts_a_daemon(browser_log: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    outcome = run_open(browser_log.parent, port)
    started = re.search(r"as process (\d+);", outcome.stdout)
    assert started is not None, outcome.stderr
    try:
        assert browser_log.read_text() == f"http://127.0.0.1:{port}/\n"
        assert http_get(f"http://127.0.0.1:{port}/api/v1/sessions").json() == []
    finally:
        os.kill(int(started[1]), signal.SIGTERM)


def test_open_explains_a_failed_start(browser_log: Path) -> None:
    with socket.socket() as listener:
        # Nothing listens on this port, and nothing else can.
        listener.bind(("127.0.0.1", 0))
        outcome = run_open(browser_log.parent, listener.getsockname()[1])
    assert outcome.returncode == 1
    assert outcome.stderr.startswith("Error: The daemon did not start. Cannot listen on 127.0.0.1")
    assert not browser_log.exists()
