"""Measures the time from the command to the first response, and the import of Connexion, which is part of it."""

import subprocess
import sys
import time
from http.client import HTTPConnection
from pathlib import Path

from ..curve import Curve, Point
from ..programs import OURS, BenchmarkFailed, free_port
from ..report import log
from ..scale import Scale

_MAX_TIMES = 1.5
_LOOK_SECONDS = 0.002
_MAX_SECONDS = 60


def measure(scale: Scale, folder: Path) -> list[Curve]:
    """The milliseconds until the first response, and to import Connexion, measured in turns."""
    imports, starts = [], []
    _import()
    _start(folder / "start.db")
    for number in range(scale.starts):
        log(f"round {number + 1}: start")
        imports.append(_import())
        starts.append(_start(folder / f"start-{number}.db"))
    imported = Point("import connexion", imports)
    points = [imported, Point("amplifierd serve", starts, _MAX_TIMES * imported.value)]
    goal = f"The start at most {_MAX_TIMES} times the import."
    return [Curve("start", "command", "ms", points, goal, _NOTE)]


_NOTE = "To the end of `python -c 'import connexion'`; to the first answer of `python -m amplifierd serve`, a new file."


def _import() -> float:
    started = time.perf_counter()
    subprocess.run([sys.executable, "-c", "import connexion"], check=True)  # the command is ours
    return (time.perf_counter() - started) * 1e3


def _start(database: Path) -> float:
    port = free_port()
    command = [sys.executable, *OURS.arguments(port, database)]
    started = time.perf_counter()
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as process:  # noqa: S603  # the command is ours
        try:
            while not _answers(port):
                if process.poll() is not None or time.perf_counter() > started + _MAX_SECONDS:
                    raise BenchmarkFailed("amplifierd does not start; `amplifierd serve` says why.")
                time.sleep(_LOOK_SECONDS)
            return (time.perf_counter() - started) * 1e3
        finally:
            process.terminate()


def _answers(port: int) -> bool:
    connection = HTTPConnection("127.0.0.1", port, timeout=_MAX_SECONDS)
    try:
        connection.request("GET", "/api/v1/health")
        return connection.getresponse().status == 200
    except ConnectionError:
        return False
    finally:
        connection.close()
