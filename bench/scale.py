"""The scale of a measurement: sizes and rounds."""

from dataclasses import dataclass

from .rounds import Plan


@dataclass(frozen=True)
class Scale:
    """Sizes in ascending order, and the number of rounds for each."""

    plan: Plan
    transcripts: tuple[int, ...]
    sessions: tuple[int, ...]
    messages: tuple[int, ...]
    starts: int
    tails: tuple[int, ...]


FULL = Scale(
    plan=Plan(rounds=9, most_rounds=15, seconds=1, patience=10),
    transcripts=(10, 1_000, 100_000),
    sessions=(1_000, 100_000, 1_000_000),
    messages=(10_000, 1_000_000, 10_000_000),
    starts=11,
    tails=(1, 100, 1_000),
)

QUICK = Scale(
    plan=Plan(rounds=3, most_rounds=4, seconds=1, patience=1),
    transcripts=(10, 100, 1_000),
    sessions=(100, 1_000, 10_000),
    messages=(1_000, 10_000, 100_000),
    starts=5,
    tails=(1, 10, 100),
)
