"""Measures the memory of an idle daemon, and of one whose long transcripts are read."""

from itertools import repeat
from pathlib import Path

from ..curve import Curve, Point
from ..data import messages_of
from ..fill import fill
from ..load import Load
from ..load import measure as put
from ..processes import peak_mebibytes
from ..programs import OURS, serve
from ..report import log
from ..scale import Scale

_CLIENTS = 16
_ROUNDS = 3
_SECONDS = 5


def measure(scale: Scale, folder: Path) -> list[Curve]:
    """The peak resident memory: idle, and with 16 readers of the longest transcripts."""
    longest = max(scale.transcripts)
    idle, reading = [], []
    for number in range(_ROUNDS):
        log(f"round {number + 1}: memory")
        database = folder / f"memory-{number}.db"
        ids = fill(database, list(repeat(longest, _CLIENTS)))
        with serve(OURS, database) as server:
            idle.append(peak_mebibytes(server.pid))
            put(Load("GET", [messages_of(each) for each in ids], clients=_CLIENTS), server, [server], _SECONDS)
            reading.append(peak_mebibytes(server.pid))
    points = [Point("idle", idle, 90), Point(f"{_CLIENTS} read {longest:,} messages each", reading, 150)]
    goal = "At most 90 MiB idle, and 150 MiB while transcripts are read."
    return [Curve("memory", "what it does", "MiB", points, goal, "The most that was resident in a run.")]
