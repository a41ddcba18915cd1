"""Waiting for what another process or thread does; coroutines wait with `amplifierd.testing.storage.steps.until`."""

import time
from collections.abc import Callable

# Longer than any machine takes.
SECONDS = 120


def until(condition: Callable[[], object], told: Callable[[], object] | None = None) -> None:
    """Wait until a condition is true; if it never is, fail with what is `told` instead."""
    deadline = time.monotonic() + SECONDS
    while not condition():
        assert time.monotonic() < deadline, told() if told else "The condition is still false."
        time.sleep(0.05)
