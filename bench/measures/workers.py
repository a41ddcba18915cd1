"""Measures the gain of a second worker on two cores that the load generator also uses."""

from collections.abc import Sequence
from contextlib import ExitStack
from itertools import repeat
from pathlib import Path

from ..curve import Curve, Point, counted
from ..data import NEW_MESSAGE, SESSIONS, messages_of
from ..fill import fill
from ..load import Load
from ..programs import BOTH_CORES, OURS, amplifierd, serve
from ..report import log
from ..rounds import Contest, Entry, Turn, play
from ..scale import Scale

_SESSIONS = 1_000
_CLIENTS = 32
_PROGRAMS = {"1 worker": OURS, "2 workers": amplifierd("--workers", "2")}


def measure(scale: Scale, folder: Path) -> list[Curve]:
    """The requests a second with one worker and with two."""
    appends: dict[str, Entry] = {}
    gets: dict[str, Entry] = {}
    with ExitStack() as stack:
        for place, (name, program) in enumerate(_PROGRAMS.items()):
            database = folder / f"workers-{place}.db"
            ids = fill(database, [1] * _SESSIONS)
            server = stack.enter_context(serve(program, database, cores=BOTH_CORES))
            append = Load("POST", [*map(messages_of, ids)], [NEW_MESSAGE], _CLIENTS, BOTH_CORES)
            get = Load("GET", [f"{SESSIONS}/{each}" for each in ids], clients=_CLIENTS, cores=BOTH_CORES)
            appends[name], gets[name] = Entry(server, repeat(append)), Entry(server, repeat(get))
        contests = [Contest("append with workers", appends), Contest("get a session with workers", gets)]
        turns = play(contests, [entry.server for entry in gets.values()], scale.plan, log)
    return [_curve(contest, *counted(turns[contest.name])) for contest in contests]


def _curve(contest: Contest, rounds: Sequence[Turn], notes: str) -> Curve:
    points = [Point(name, [turn[name].rate for turn in rounds]) for name in contest.entries]
    first, second = (point.value for point in points)
    gain = f"The second worker changes the rate by {second / first - 1:+.0%}."
    return Curve(contest.name, "workers", "requests/s", points, note=f"{gain} {_NOTE} {notes}")


_NOTE = f"{_CLIENTS} clients; daemon and load generator share both cores, as they come."
