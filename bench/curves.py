"""`python -m bench.curves`: measures amplifierd with growing data; writes docs/curves.png and bench/CURVES.md."""

import argparse
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from textwrap import fill

from .curve import Curve, Point, figure_of
from .drawing import draw
from .figures import LEAST_CLEAN
from .load import MAX_FOREIGN
from .machine import check_machine
from .measures import MEASURES
from .programs import BenchmarkFailed
from .report import log, machine, table
from .scale import FULL, QUICK, Scale

_HERE = Path(__file__).parent
_PICTURE = _HERE.parent / "docs" / "curves.png"


def main() -> int:
    """Measure. Returns 1 if that is impossible."""
    options = _options()
    try:
        check_machine()
        curves = _measure(options.only, QUICK if options.quick else FULL)
    except BenchmarkFailed as error:
        log(str(error))
        return 1
    sys.stdout.write("\n\n".join(map(_section, curves)) + "\n")
    if not options.only:
        draw(curves, _PICTURE)
        command = " ".join(["python -m bench.curves", *sys.argv[1:]])
        (_HERE / "CURVES.md").write_text(_page(curves, command))
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.curves", description="Measure amplifierd as it grows.")
    parser.add_argument("--quick", action="store_true", help="small sizes and few rounds: about two minutes")
    parser.add_argument("--only", choices=MEASURES, help="one measure; nothing is written")
    return parser.parse_args()


def _measure(only: str | None, scale: Scale) -> list[Curve]:
    curves: list[Curve] = []
    for name in [only] if only else MEASURES:
        log(f"{name}: filling and starting")
        # On the disk of the checkout: if temporary files are kept in memory, a sync costs nothing.
        with tempfile.TemporaryDirectory(prefix=".data-", dir=_HERE) as folder:
            curves += MEASURES[name](scale, Path(folder))
    return curves


def _page(curves: Sequence[Curve], command: str) -> str:
    sections = "\n\n".join(map(_section, curves))
    return f"""# What amplifierd costs as it grows

Made by `{command}`, with `amplifierd serve` and its defaults on core 0 and the load generator on core 1 where nothing
else is said. Figures are medians of rounds in which the sizes take turns; spread is from the least to the most as a
share of the median. A round is clean where other programs took at most {MAX_FOREIGN:.0%} of one core; with fewer than
{LEAST_CLEAN} clean ones all rounds count. The same as a picture: [docs/curves.png](../docs/curves.png).

{sections}

## The machine

{machine()}
"""


def _section(curve: Curve) -> str:
    rows = [_row(point) for point in curve.points]
    head = (curve.axis, curve.unit, "spread", "rounds", "at most", "goal")
    words = fill(f"{curve.goal} {curve.note}".strip(), 120)
    return f"## {curve.name.capitalize()}\n\n{table(head, rows)}\n\n{words}"


def _row(point: Point) -> tuple[str, ...]:
    most = "-" if point.most is None else figure_of(point.most)
    goal = {None: "-", True: "met", False: f"missed by {point.excess:.0%}"}[point.met]
    return point.label, figure_of(point.value), f"{point.spread:.0%}", str(len(point.values)), most, goal


if __name__ == "__main__":
    sys.exit(main())
