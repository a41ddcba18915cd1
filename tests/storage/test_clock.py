"""The clock of a storage never goes back, and is never more than a day ahead of the machine's."""

from amplifierd.storage.values.clock import Clock, text_at
from amplifierd.testing.storage.requests.test_clock import HOUR, NOON, Machine


def test_time_continues_after_the_clock_is_set_back() -> None:
    machine, steady = Machine(), Machine(0)
    clock = Clock(machine, steady)
    before = clock.now()
    machine.microseconds -= HOUR
    steady.microseconds += HOUR
    assert clock.now() > text_at(NOON + HOUR)
    machine.microseconds = NOON + 5 * HOUR
    assert before < text_at(NOON + HOUR) < text_at(NOON + 5 * HOUR) < clock.now()


def test_clock_is_never_more_than_a_day_ahead_of_the_machine_s() -> None:
    machine, steady = Machine(), Machine(0)
    clock = Clock(machine, steady)
    machine.microseconds += 400 * 24 * HOUR
    ahead = clock.now()
    machine.microseconds -= 400 * 24 * HOUR
    back = clock.now()
    assert text_at(NOON) < back < text_at(NOON + HOUR) < ahead
    assert back < clock.now() < text_at(NOON + HOUR)


def test_clock_times_increase() -> None:
    clock = Clock(lambda: NOON * 1_000, lambda: 0)
    times = [clock.now() for _ in range(10)]
    assert times == sorted(set(times))
