"""Every storage against a model in memory: random histories, equal answers, the same errors with the same sentences."""

import asyncio
import time
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis.stateful import run_state_machine_as_test

from amplifierd.storage import message_pages, open_storage, session_pages
from amplifierd.storage.clock import Clock
from comparing import Tally
from histories import History

FIRST_SEED = 20251121
SHORT = settings(
    max_examples=12,
    stateful_step_count=25,
    phases=[Phase.generate, Phase.shrink],
    database=None,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
LONG = settings(SHORT, max_examples=200, stateful_step_count=60)


def try_histories(history: Callable[[], History], number: int, how: settings) -> None:
    """Try histories of one seed."""

    # A function of its own: the seed stays with it.
    @seed(number)
    def begun() -> History:
        return history()

    # Its hint asks for a class, where it only ever calls.
    factory: Any = begun
    run_state_machine_as_test(factory, settings=how)


@pytest.mark.timeout(0)
def test_a_storage_does_what_the_model_does(
    database: str, pytestconfig: pytest.Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (session_pages, message_pages):
        monkeypatch.setattr(module, "MAX_SCANNED", 3)
    monkeypatch.setattr(session_pages, "MAX_SORTED", 2)
    end = time.monotonic() + pytestconfig.getoption("--fuzz-seconds")
    how = LONG if time.monotonic() < end else SHORT
    tally = Tally()
    clock = Clock()
    storage = open_storage(database, clock=clock)
    with asyncio.Runner() as runner:
        runner.run(storage.open())
        try:
            number = FIRST_SEED
            try_histories(lambda: History(runner.run, storage, clock, tally), number, how)
            while time.monotonic() < end:
                number += 1
                try_histories(lambda: History(runner.run, storage, clock, tally), number, how)
        finally:
            runner.run(storage.close())
    pytestconfig.get_terminal_writer().line(f"Tried {tally.histories} histories, {tally.steps} steps.")
