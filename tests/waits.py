"""Waiting for what another process or thread does; coroutines wait with `amplifierd.testing.storage.steps.until`."""

import time
from collections.abc import Callable

SECONDS = 60


def until(condition: Callable[[], bool]) -> None:
    """Wait until a condition is true, for a minute at most."""
    deadline = time.monotonic() + SECONDS
    while not condition():
        assert time.monotonic() < deadline, "The condition is still false."
        time.sleep(0.05)
