"""A daemon for a test run: its data in memory, its port free, its life no longer than its parent's."""

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

# Files below this folder are in memory, where the system has it; elsewhere they are on the disk.
MEMORY = Path("/dev/shm")  # noqa: S108  # a folder of our own is made in it

WATCH_SECONDS = 0.2


@contextmanager
def ephemeral(settings: Settings) -> Iterator[Settings]:
    """`settings` with data of their own, which are gone in the end; a server's database stays as it is.

    They are in a folder `amplifierd-PID-…`, so that whoever finds one can tell whether its process still runs.
    """
    prefix = f"amplifierd-{os.getpid()}-"
    with tempfile.TemporaryDirectory(prefix=prefix, dir=MEMORY if MEMORY.is_dir() else None) as folder:
        settings = replace(settings, data_path=Path(folder, "directories"))
        if not settings.database.startswith("postgres"):
            settings = replace(settings, database=f"sqlite:///{folder}/amplifierd.db")
        yield settings


def forget(settings: Settings) -> None:
    """Remove what `ephemeral` has made of `settings`, where the process ends before that can."""
    if settings.database.startswith("sqlite"):
        shutil.rmtree(Path(settings.database.removeprefix("sqlite:///")).parent, ignore_errors=True)


def say_where(url: str) -> None:
    """Write the one line of JSON that a parent reads: `url`, `api` (the base of the contract's paths), `pid`."""
    sys.stdout.write(json.dumps({"url": url, "api": f"{url}/api/v1", "pid": os.getpid()}) + "\n")
    sys.stdout.flush()


def limit_life(parent: int | None, max_age: float | None) -> None:
    """End this process, as SIGTERM would, when process `parent` is its parent no more, or after `max_age` seconds."""
    end = None if max_age is None else time.monotonic() + max_age
    threading.Thread(target=_watch, args=(parent, end), name="amplifierd-watch", daemon=True).start()


def _watch(parent: int | None, end: float | None) -> None:
    while parent in (None, os.getppid()) and (end is None or time.monotonic() < end):
        time.sleep(WATCH_SECONDS)
    os.kill(os.getpid(), signal.SIGTERM)
