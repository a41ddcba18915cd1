"""A daemon of our own to talk to: on a free port of this machine, with an empty database, its answers checked."""

import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .commands import CommandFailed

_START_SECONDS = 60
_STOP_SECONDS = 20


@contextmanager
def daemon() -> Iterator[str]:
    """The base URL of a daemon that runs as long as the context."""
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "log"
        process = _start(Path(folder) / "conversations.db", log)
        try:
            yield _base_url(process, log)
        finally:
            _stop(process)


def _start(database: Path, log: Path) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "amplifierd", "serve", "--port", "0", "--database", f"sqlite:///{database}"]
    # What the caller has set for a daemon of theirs is not for this one.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("AMPLIFIERD_")}
    with log.open("wb") as file:
        return subprocess.Popen([*command, "--check-responses"], env=environment, stdout=file, stderr=file)  # noqa: S603


def _base_url(process: subprocess.Popen[bytes], log: Path) -> str:
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        listening = re.search(r"listens on (\S+)\n", log.read_text())
        if listening is not None:
            return listening[1]
        time.sleep(0.05)
    raise CommandFailed(f"The daemon does not start:\n{log.read_text()}")


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(_STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
