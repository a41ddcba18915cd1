"""Waits for another process or thread; coroutines wait with `amplifierd.testing.storage.steps.until`."""

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

# Longer than it takes on any machine.
SECONDS = 120


def until(condition: Callable[[], T], message: Callable[[], object] | None = None) -> T:
    """Wait until a condition is true. Returns its value; fails with `message` if it stays false."""
    deadline = time.monotonic() + SECONDS
    while not (found := condition()):
        assert time.monotonic() < deadline, message() if message else "The condition is still false."
        time.sleep(0.05)
    return found
