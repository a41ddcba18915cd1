"""`python -m bench`: compare amplifierd with its peers, print the tables, and write them to bench/RESULTS.md."""

import argparse
import sys
import tempfile
from itertools import repeat
from pathlib import Path

from .data import Prepared, prepared
from .figures import compare
from .machine import check_machine
from .programs import BenchmarkFailed
from .report import details, log, ratios, results
from .rounds import Contest, Entry, Plan, play
from .workloads import WORKLOADS, Workload

_HERE = Path(__file__).parent
_FULL = Plan(rounds=5, most_rounds=10, seconds=5, patience=30)
_QUICK = Plan(rounds=3, most_rounds=4, seconds=1, patience=1)


def main() -> int:
    """Measure. Returns 1 if that is impossible."""
    options = _options()
    try:
        check_machine()
        _measure(_chosen(options.only), _QUICK if options.quick else _FULL)
    except BenchmarkFailed as error:
        log(str(error))
        return 1
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description="Measure amplifierd beside its peers.")
    parser.add_argument("--quick", action="store_true", help="three rounds of a second each: about two minutes")
    parser.add_argument("--only", metavar="TEXT", default="", help="only the workloads whose name has TEXT in it")
    return parser.parse_args()


def _chosen(text: str) -> list[Workload]:
    chosen = [workload for workload in WORKLOADS if text in workload.name]
    if not chosen:
        names = ", ".join(workload.name for workload in WORKLOADS)
        raise BenchmarkFailed(f"No workload has {text!r} in its name; there are {names}.")
    return chosen


def _measure(workloads: list[Workload], plan: Plan) -> None:
    # On the disk of the checkout: if temporary files are kept in memory, a sync costs nothing.
    with tempfile.TemporaryDirectory(prefix=".data-", dir=_HERE) as folder:
        log("starting the programs and filling them")
        with prepared(Path(folder)) as programs:
            servers = [server for program in programs for server in program.servers]
            turns = play([_contest(workload, programs) for workload in workloads], servers, plan, log)
    comparisons = [compare(workload, turns[workload.name]) for workload in workloads]
    sys.stdout.write(f"{ratios(comparisons)}\n\n{details(comparisons)}\n")
    if len(workloads) == len(WORKLOADS):
        command = " ".join(["python -m bench", *sys.argv[1:]])
        (_HERE / "RESULTS.md").write_text(results(comparisons, command))


def _contest(workload: Workload, programs: list[Prepared]) -> Contest:
    entries = {data.read.program.name: Entry(workload.server(data), repeat(workload.load(data))) for data in programs}
    return Contest(workload.name, entries)


if __name__ == "__main__":
    sys.exit(main())
