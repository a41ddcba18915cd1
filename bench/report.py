"""Writes the report: tables of figures, and the machine on which they were measured."""

import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

import apsw

from .figures import LEAST_CLEAN, Comparison, Figures
from .load import MAX_FOREIGN
from .programs import BASELINE, LIMIT

_PACKAGES = (
    *("amplifierd", "uvicorn", "httptools", "uvloop", "connexion", "starlette", "msgspec", "jsonschema-rs", "apsw"),
    *("fastapi", "pydantic", "sqlalchemy", "aiosqlite"),
)


def results(comparisons: Sequence[Comparison], command: str) -> str:
    """The whole report, in Markdown."""
    return f"""# What amplifierd costs

Made by `{command}`. The programs are `amplifierd serve` with its defaults and {BASELINE.name} and {LIMIT.name} from
`bench/peers`, each on core 0, the load generator on core 1. Figures are medians of the clean rounds, spread is from
the slowest round to the fastest as a share of the median, memory is the most in any of them. A round is clean where
other programs took at most {MAX_FOREIGN:.0%} of one core; with fewer than {LEAST_CLEAN} clean ones there is no ratio.

## Beside the others

{ratios(comparisons)}

## Each program

{details(comparisons)}

## The machine

{machine()}
"""


def ratios(comparisons: Sequence[Comparison]) -> str:
    """The table of amplifierd's ratios to the other programs, and their goals."""
    head = ("workload", "clients", "times the baseline", "goal", "of the limit", "goal", "clean rounds")
    return table(head, [_ratio_row(comparison) for comparison in comparisons])


def details(comparisons: Sequence[Comparison]) -> str:
    """The table of every program under every workload."""
    head = ("workload", "program", "requests/s", "spread", "p50 ms", "p99 ms", "CPU us/request", "peak MiB", "refused")
    rows = [
        (comparison.workload.name, name, *_detail(figures))
        for comparison in comparisons
        for name, figures in comparison.figures.items()
    ]
    return table(head, rows)


def _ratio_row(comparison: Comparison) -> tuple[str, ...]:
    workload = comparison.workload
    return (
        workload.name,
        str(workload.clients),
        "-" if comparison.times_baseline is None else f"{comparison.times_baseline:.1f}",
        f"{workload.times_baseline:g}",
        "-" if comparison.of_limit is None else f"{comparison.of_limit:.2f}",
        f"{workload.of_limit:g}",
        f"{comparison.clean_rounds} of {comparison.rounds}",
    )


def _detail(figures: Figures) -> tuple[str, ...]:
    return (
        f"{figures.rate:,.0f}" if figures.rate >= 100 else f"{figures.rate:.1f}",
        f"{figures.spread:.0%}",
        f"{figures.p50 / 1e3:,.2f}",
        f"{figures.p99 / 1e3:,.2f}",
        f"{figures.cpu:,.0f}",
        f"{figures.peak:,.0f}",
        str(figures.refused),
    )


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table in Markdown, its columns as wide as their widest cell."""
    widths = [max(map(len, column)) for column in zip(head, *rows, strict=True)]
    lines = [head, ["-" * width for width in widths], *rows]
    return "\n".join(_line(line, widths) for line in lines)


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    return "| " + " | ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)) + " |"


def machine() -> str:
    """The machine and the versions with which the figures were measured."""
    facts = {
        "cores": str(os.cpu_count()),
        "CPU": _cpu_model(),
        "kernel": platform.release(),
        "Python": platform.python_version(),
        "SQLite": apsw.sqlite_lib_version(),
        "wrk": _wrk_version(),
    }
    return "\n".join(f"- {name}: {fact}" for name, fact in (facts | _versions()).items())


def _versions() -> dict[str, str]:
    return {name: version(name) for name in _PACKAGES}


def _cpu_model() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    return next((line.partition(": ")[2] for line in lines if line.startswith("model name")), platform.machine())


def _wrk_version() -> str:
    wrk = shutil.which("wrk") or "wrk"
    outcome = subprocess.run([wrk, "--version"], capture_output=True, text=True, check=False)  # noqa: S603
    return outcome.stdout.splitlines()[0].split()[1]


def log(line: str) -> None:
    """Print a line of progress."""
    sys.stderr.write(line + "\n")
    sys.stderr.flush()
