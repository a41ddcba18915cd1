"""A daemon for a test run: it keeps data in memory, listens on a free port, and exits with its parent."""

import json
import os
import shutil
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from ..settings import Settings

# A file system in memory; if the system does not have it, the data is on disk.
MEMORY = Path("/dev/shm")  # noqa: S108  # a folder of our own is made in it

WATCH_SECONDS = 0.2


@contextmanager
def ephemeral(settings: Settings) -> Iterator[Settings]:
    """The settings with temporary data, which is deleted at the end; a database on a PostgreSQL server stays unchanged.

    The data is in a folder `amplifierd-PID-…`, so that the owner of a leftover folder can be identified.
    """
    prefix = f"amplifierd-{os.getpid()}-"
    with tempfile.TemporaryDirectory(prefix=prefix, dir=MEMORY if MEMORY.is_dir() else None) as folder:
        settings = replace(settings, data_path=Path(folder, "directories"))
        if not settings.database.startswith("postgres"):
            settings = replace(settings, database=f"sqlite:///{folder}/amplifierd.db")
        yield settings


def forget(settings: Settings) -> None:
    """Remove the data of `ephemeral` if the process exits before it can."""
    if settings.database.startswith("sqlite"):
        shutil.rmtree(Path(settings.database.removeprefix("sqlite:///")).parent, ignore_errors=True)


def write_address(url: str) -> None:
    """Write a line of JSON for the parent process: `url`, `api` (the base URL of the contract's paths), `pid`."""
    sys.stdout.write(json.dumps({"url": url, "api": f"{url}/api/v1", "pid": os.getpid()}) + "\n")
    sys.stdout.flush()


def stop_with_parent(parent: int | None, max_age: float | None) -> None:
    """Stop this process, as SIGTERM would, when `parent` is no longer its parent, or after `max_age` seconds."""
    end = None if max_age is None else time.monotonic() + max_age
    threading.Thread(target=_watch, args=(parent, end), name="amplifierd-watch", daemon=True).start()


def _watch(parent: int | None, end: float | None) -> None:
    while parent in (None, os.getppid()) and (end is None or time.monotonic() < end):
        time.sleep(WATCH_SECONDS)
    os.kill(os.getpid(), signal.SIGTERM)
