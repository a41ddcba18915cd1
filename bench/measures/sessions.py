"""Measures reads of a session, and of a page of sessions, by the number of sessions."""

from collections.abc import Sequence
from contextlib import ExitStack
from itertools import repeat
from pathlib import Path

from amplifierd.storage.sql.pages import encode

from ..curve import Curve, counted, growing
from ..data import SESSIONS
from ..fill import fill, moment_of
from ..load import Load
from ..programs import OURS, serve
from ..report import log
from ..rounds import Contest, Entry, Turn, play
from ..scale import Scale

# The requested sessions are spread over all of them, so that they are not in a cache.
_PLACES = 1_000
_PAGE = 50


def measure(scale: Scale, folder: Path) -> list[Curve]:
    """The time of a read with 16 clients, by the number of sessions."""
    entries: dict[str, Entry] = {}
    listed: dict[str, Entry] = {}
    with ExitStack() as stack:
        for size in scale.sessions:
            database = folder / f"sessions-{size}.db"
            ids = fill(database, [0] * size)
            server = stack.enter_context(serve(OURS, database))
            entries[f"{size:,}"] = Entry(server, repeat(Load("GET", _sessions(ids))))
            listed[f"{size:,}"] = Entry(server, repeat(Load("GET", _pages(ids))))
        contests = [Contest("get a session", entries), Contest(f"list a page of {_PAGE}", listed)]
        turns = play(contests, [entry.server for entry in entries.values()], scale.plan, log)
    return [_curve(contest, *counted(turns[contest.name])) for contest in contests]


def _sessions(ids: Sequence[str]) -> list[str]:
    return [f"{SESSIONS}/{ids[place]}" for place in _places(len(ids))]


def _pages(ids: Sequence[str]) -> list[str]:
    cursors = (encode(moment_of(place + 1), ids[place]) for place in _places(len(ids)))
    return [f"{SESSIONS}?limit={_PAGE}&cursor={cursor}" for cursor in cursors]


def _places(size: int) -> range:
    # The list begins with the newest; the oldest few sessions are not followed by a full page.
    return range(min(_PAGE, size // 2), size, max(size // _PLACES, 1))


def _curve(contest: Contest, rounds: Sequence[Turn], notes: str) -> Curve:
    points = growing(1.2, [(name, [turn[name].p50 / 1e3 for turn in rounds]) for name in contest.entries])
    return Curve(contest.name, "sessions", "ms", points, "The last at most 1.2 times the first.", f"{_NOTE} {notes}")


_NOTE = "The middle time of a read over one connection of 16; what is asked for is spread evenly over all the sessions."
