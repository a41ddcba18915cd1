"""`python -m bench.soak`: full load for ten minutes; rate, latency and memory must not change over time.

16 clients append as fast as they can, while a thousand connections are open, a hundred readers follow a session, and
one reads a transcript of 100,000 messages repeatedly. Writes bench/SOAK.md.
"""

import argparse
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from .background_load import BackgroundClients, background_clients
from .data import NEW_MESSAGE, messages_of
from .fill import fill
from .load import Load, Run, measure
from .machine import check_machine
from .processes import open_files
from .programs import BOTH_CORES, OURS, BenchmarkFailed, serve
from .report import log, machine, table

_HERE = Path(__file__).parent
_MINUTES = 10
_WINDOW_SECONDS = 30
_CONNECTIONS = 1_000
_TAILS = 100
_TRANSCRIPT = 100_000
_SESSIONS = 1_000
_MAX_MEBIBYTES = 300


@dataclass(frozen=True)
class _Window:
    """The result of a part of the time: its run, and the number of open files at its end."""

    run: Run
    files: int


def main() -> int:
    """Measure. Returns 1 if that is impossible, or memory exceeds its limit."""
    parser = argparse.ArgumentParser(prog="python -m bench.soak", description="Put full load on amplifierd for long.")
    parser.add_argument("--minutes", type=int, default=_MINUTES, help="how long")
    minutes: int = parser.parse_args().minutes
    try:
        check_machine()
        windows = _measure(minutes)
    except BenchmarkFailed as error:
        log(str(error))
        return 1
    text = _report(windows)
    sys.stdout.write(f"{text}\n")
    (_HERE / "SOAK.md").write_text(_REPORT.format(minutes=minutes, text=text, machine=machine()))
    return int(max(window.run.peak for window in windows) > _MAX_MEBIBYTES)


def _measure(minutes: int) -> list[_Window]:
    with tempfile.TemporaryDirectory(prefix=".data-", dir=_HERE) as folder:
        database = Path(folder) / "a.db"
        long, followed, *others = fill(database, [_TRANSCRIPT, *[1] * _SESSIONS])
        load = Load("POST", [messages_of(each) for each in (followed, *others)], [NEW_MESSAGE])
        with (
            serve(OURS, database, cores=BOTH_CORES) as server,
            background_clients(server, BackgroundClients(_CONNECTIONS, _TAILS, followed, long)),
        ):
            windows: list[_Window] = []
            for number in range(minutes * 60 // _WINDOW_SECONDS):
                windows.append(_Window(measure(load, server, [server], _WINDOW_SECONDS), open_files(server.pid)))
                log(" ".join(_row(number, windows[-1])))
            return windows


def _report(windows: Sequence[_Window]) -> str:
    rows = [_row(number, window) for number, window in enumerate(windows)]
    half = len(windows) // 2
    summary = "\n".join(
        f"- {name}: {first:,.4g} in the first half, {second:,.4g} in the second"
        for name, first, second in [
            ("appends a second", _median_rate(windows[:half]), _median_rate(windows[half:])),
            ("p99 in ms", _median_p99(windows[:half]), _median_p99(windows[half:])),
            ("most memory in MiB", _most(windows[:half]), _most(windows[half:])),
            ("files open", windows[half - 1].files, windows[-1].files),
        ]
    )
    return f"{summary}\n\n{table(('minute', 'appends/s', 'p50 ms', 'p99 ms', 'peak MiB', 'files', 'refused'), rows)}"


def _row(number: int, window: _Window) -> tuple[str, ...]:
    run = window.run
    return (
        f"{number * _WINDOW_SECONDS / 60:.1f}",
        f"{run.rate:,.0f}",
        f"{run.p50 / 1_000:.2f}",
        f"{run.p99 / 1_000:.2f}",
        f"{run.peak:.0f}",
        str(window.files),
        str(run.refused),
    )


def _median_rate(windows: Sequence[_Window]) -> float:
    return median(window.run.rate for window in windows)


def _median_p99(windows: Sequence[_Window]) -> float:
    return median(window.run.p99 for window in windows) / 1_000


def _most(windows: Sequence[_Window]) -> float:
    return max(window.run.peak for window in windows)


_REPORT = """# Full load for long

Made by `python -m bench.soak --minutes {minutes}`: 16 clients append without a pause over 1,000 sessions; meanwhile
1,000 connections ask for health every three seconds, 100 readers follow a session, and one reads a transcript of
100,000 messages over and over. amplifierd, the clients and the readers share two cores. Memory is the most that was
resident.

{text}

## The machine

{machine}
"""


if __name__ == "__main__":
    sys.exit(main())
