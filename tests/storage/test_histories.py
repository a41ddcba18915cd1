"""Each database against the memory storage: random histories have equal results, errors and times."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import seed as with_seed
from hypothesis.stateful import run_state_machine_as_test

from amplifierd.storage import open_storage
from amplifierd.storage.backend import transfer
from amplifierd.storage.memory import transfer as memory_transfer
from amplifierd.storage.operations import message_pages, session_pages
from amplifierd.storage.operations.bulk import removal
from random_requests.fuzzing import Fuzz
from random_requests.model_compare import INSTALLED, StepClock, Tally
from random_requests.stateful import History

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
    """Run random histories from one seed."""

    # A separate function, because Hypothesis attaches the seed to it.
    @with_seed(number)
    def begun() -> History:
        return history()

    # Its type is a class, but it is only called.
    factory: Any = begun
    run_state_machine_as_test(factory, settings=how)


@pytest.mark.timeout(0)
def test_storage_matches_the_model(database: str, fuzz: Fuzz, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (session_pages, message_pages):
        monkeypatch.setattr(module, "MAX_SCANNED", 3)
    monkeypatch.setattr(session_pages, "MAX_SORTED", 2)
    # So that large writes of few messages take many pieces.
    monkeypatch.setattr(removal, "MESSAGES_AT_ONCE", 2)
    monkeypatch.setattr(removal, "MESSAGES_AT_DELETION", 1)
    monkeypatch.setattr(removal, "PAUSE_SECONDS", 0)
    how = LONG if fuzz.is_long else SHORT
    tally = Tally()
    clock = StepClock()
    # So that both assign the same new ids to imported sessions.
    for module in (transfer, memory_transfer):
        monkeypatch.setattr(module, "token_hex", lambda: str(clock.microseconds))
    storage = open_storage(database, clock=clock, installed=INSTALLED)
    with asyncio.Runner() as runner:
        runner.run(storage.open())
        try:
            for seed in fuzz.seeds():
                try_histories(lambda: History(runner.run, storage, clock, tally), seed, how)
        finally:
            runner.run(storage.close())
    fuzz.tell(f"Tried {tally.histories} histories, {tally.steps} steps.")
