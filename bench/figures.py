"""Computes figures of runs: medians, spread, ratios."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from .load import Run
from .programs import BASELINE, LIMIT, OURS, Program
from .rounds import Turn, clean
from .workloads import Workload

LEAST_CLEAN = 3


@dataclass(frozen=True)
class Figures:
    """One program under one workload; medians, and the spread of the rate as a share of its median."""

    rate: float
    spread: float
    p50: float
    p99: float
    cpu: float
    peak: float
    refused: int


@dataclass(frozen=True)
class Comparison:
    """One workload: the figures of each program by name, and the ratios, None if too few rounds were clean."""

    workload: Workload
    rounds: int
    clean_rounds: int
    figures: dict[str, Figures]
    times_baseline: float | None
    of_limit: float | None


def compare(workload: Workload, turns: Sequence[Turn]) -> Comparison:
    """The figures of the clean rounds, or of all rounds if none was clean."""
    counted = [turn for turn in turns if clean(turn)]
    figures = {name: _figures([turn[name] for turn in counted or turns]) for name in turns[0]}
    enough = len(counted) >= LEAST_CLEAN
    return Comparison(
        workload,
        len(turns),
        len(counted),
        figures,
        _ratio(figures, BASELINE) if enough else None,
        _ratio(figures, LIMIT) if enough else None,
    )


def _figures(runs: Sequence[Run]) -> Figures:
    rates = [run.rate for run in runs]
    return Figures(
        rate=median(rates),
        spread=(max(rates) - min(rates)) / median(rates),
        p50=median(run.p50 for run in runs),
        p99=median(run.p99 for run in runs),
        cpu=median(run.cpu for run in runs),
        peak=max(run.peak for run in runs),
        refused=sum(run.refused for run in runs),
    )


def _ratio(figures: dict[str, Figures], other: Program) -> float | None:
    if OURS.name not in figures or other.name not in figures:
        return None
    return figures[OURS.name].rate / figures[other.name].rate
