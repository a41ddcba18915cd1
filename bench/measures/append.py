"""Measures appends to transcripts of different lengths."""

from collections.abc import Iterator, Sequence
from itertools import cycle
from pathlib import Path

from ..curve import Curve, counted, growing
from ..data import NEW_MESSAGE, messages_of
from ..fill import fill
from ..load import Load
from ..programs import OURS, serve
from ..report import log
from ..rounds import Contest, Entry, play
from ..scale import Scale

CLIENTS = 16
# From this length on, the appends during the measurement do not change the length much.
_LONG = 10_000


def measure(scale: Scale, folder: Path) -> list[Curve]:
    """The time of an append with 16 clients, each with its own session, by the number of existing messages."""
    database = folder / "append.db"
    batches = {size: 1 if size >= _LONG else scale.plan.most_rounds for size in scale.transcripts}
    ids = iter(fill(database, [size for size, times in batches.items() for _ in range(CLIENTS * times)]))
    with serve(OURS, database) as server:
        entries = {
            _label(size): Entry(server, _loads([[next(ids) for _ in range(CLIENTS)] for _ in range(times)]))
            for size, times in batches.items()
        }
        [turns] = play([Contest("append", entries)], [server], scale.plan, log).values()
    rounds, notes = counted(turns)
    points = growing(1.1, [(name, [turn[name].p50 / 1e3 for turn in rounds]) for name in entries])
    goal = "The last at most 1.1 times the first."
    return [Curve("append to a transcript", "messages in the transcript", "ms", points, goal, f"{_NOTE} {notes}")]


_NOTE = (
    f"The middle time of an append over one connection of {CLIENTS}, each to a session of its own; a short transcript "
    "is a new one in each round, and some hundred messages longer at the round's end."
)


def _loads(batches: Sequence[Sequence[str]]) -> Iterator[Load]:
    return cycle(Load("POST", [messages_of(each) for each in ids], [NEW_MESSAGE], CLIENTS) for ids in batches)


def _label(size: int) -> str:
    return f"{size:,}"
