"""`python -m bench.fair_share`: measures other clients while some send the most expensive requests.

Runs each row of `tests/worst_requests/table.py` on a separate server and one database, at a tenth of the size in its
name, or at `--scale`. Writes bench/FAIR_SHARE.md.
"""

import argparse
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from .report import log, machine, table

_HERE = Path(__file__).parent
sys.path.insert(0, str(_HERE.parent / "tests"))

from daemon import Daemon  # noqa: E402  # the tests are no package
from worst_requests.clients import Ask  # noqa: E402
from worst_requests.data import Data  # noqa: E402
from worst_requests.measurement import CLIENTS, Server, Share, measure  # noqa: E402
from worst_requests.table import TABLE, Row  # noqa: E402

_SCALE = 0.1
_SECONDS = 5.0
_HEALTH_MEDIAN_MS, _HEALTH_WORST_MS, _APPEND_WORST_MS = 100, 250, 500
_PEAK_MIB, _KEPT_MIB = 400, 30
_HEAD = (
    "request",
    "health p50 ms",
    "worst",
    "append worst ms",
    "peak MiB",
    "kept MiB",
    "temporary MiB",
    "statuses",
    "",
)


def main() -> int:
    """Measure. Returns 1 if a row exceeds a limit."""
    parser = argparse.ArgumentParser(prog="python -m bench.fair_share", description="Measure who waits for whom.")
    parser.add_argument("--scale", type=float, default=_SCALE, help="how large the data is; 1 is as the names say")
    parser.add_argument("--seconds", type=float, default=_SECONDS, help="how long each row is asked for")
    parser.add_argument("--rows", default="", help="only rows with these words in their names")
    parser.add_argument("--database", help="an empty one to measure on, instead of a SQLite file")
    given = parser.parse_args()
    rows = [row for row in TABLE if given.rows in row.name]
    with tempfile.TemporaryDirectory(prefix=".data-", dir=_HERE) as folder:
        database = given.database or f"sqlite:///{folder}/a.db"
        data = Data(given.scale, Path(folder) / "collections")
        measured = list(_measure(rows, database, data, given.seconds))
    text = table(_HEAD, [_row(row, share) for row, share in measured])
    sys.stdout.write(f"{text}\n")
    if not given.rows:
        (_HERE / "FAIR_SHARE.md").write_text(_REPORT.format(scale=given.scale, text=text, machine=machine()))
    return int(any(_faults(share) for _, share in measured))


def _measure(rows: list[Row], database: str, data: Data, seconds: float) -> Iterator[tuple[Row, Share]]:
    for row in rows:
        options = ["--log-level", "error", "--collections-path", str(data.folder), *row.options]
        with Daemon(database, *options, check_responses=False) as daemon:
            data.use(daemon.api)
            requests = row.ask(data)
        # So that the measurement does not include the memory that creating the data has left.
        with Daemon(database, *options, check_responses=False) as daemon:
            server = Server(daemon.process.pid, daemon.port)
            share = measure(
                server, [requests] * CLIENTS if isinstance(requests, Ask) else list(requests), seconds, _KEPT_MIB
            )
        log(" ".join(_row(row, share)))
        yield row, share


def _row(row: Row, share: Share) -> tuple[str, ...]:
    return (
        row.name,
        f"{share.health_median:,.0f}",
        f"{share.health_worst:,.0f}",
        f"{share.append_worst:,.0f}",
        f"{share.peak:,.0f}",
        f"{share.after - share.before:,.0f}",
        f"{share.temporary:,.0f}",
        ", ".join(f"{count} x {status}" for status, count in share.statuses.items()),
        ", ".join(_faults(share)),
    )


def _faults(share: Share) -> list[str]:
    """The limits that are exceeded."""
    bounds = {
        "health p50": (share.health_median, _HEALTH_MEDIAN_MS),
        "health": (share.health_worst, _HEALTH_WORST_MS),
        "append": (share.append_worst, _APPEND_WORST_MS),
        "peak": (share.peak, _PEAK_MIB),
        "kept": (share.after - share.before, _KEPT_MIB),
    }
    return [name for name, (figure, most) in bounds.items() if figure > most]


_REPORT = """# A fair share

Made by `python -m bench.fair_share`, with data of {scale:g} times the size that is named. While eight clients, or as
many as are named, ask without a pause for what a row says: how long `GET /health` on a new connection waits, and an
append; the most memory that was resident, how much more it is afterwards than before, and the most that temporary
files had.
The last column names the bounds that are passed: 100 and 250 ms of health, 500 ms of appends, 400 and 30 MiB.

{text}

## The machine

{machine}
"""


if __name__ == "__main__":
    sys.exit(main())
