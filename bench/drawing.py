"""Draws curves, one panel for each."""

from collections.abc import Sequence
from math import ceil
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from .curve import Curve, figure_of

_COLUMNS = 3
_PANEL_INCHES = (4.2, 3.1)
_BLUE, _RED = "#2a6fb0", "#c0392b"


def draw(curves: Sequence[Curve], path: Path) -> None:
    """Write a PNG with every curve: medians as bars, ranges as lines, goals in red."""
    rows = ceil(len(curves) / _COLUMNS)
    figure = Figure(figsize=(_COLUMNS * _PANEL_INCHES[0], rows * _PANEL_INCHES[1]), layout="constrained", dpi=120)
    FigureCanvasAgg(figure)
    figure.suptitle("amplifierd: medians; black from the least to the most, red the goal", fontsize=11)
    for place, curve in enumerate(curves, 1):
        _panel(figure.add_subplot(rows, _COLUMNS, place), curve)
    figure.savefig(path)


def _panel(axes: Axes, curve: Curve) -> None:
    for place, point in enumerate(curve.points):
        axes.bar(place, point.value, width=0.6, color=_BLUE)
        axes.vlines(place, min(point.values), max(point.values), color="black", linewidth=1)
        if point.most is not None:
            axes.hlines(point.most, place - 0.42, place + 0.42, color=_RED, linestyle="--", linewidth=1.2)
    axes.set_title(curve.name, fontsize=10)
    axes.set_xticks(
        range(len(curve.points)), [f"{point.label}\n{figure_of(point.value)}" for point in curve.points], fontsize=8
    )
    axes.set_xlabel(curve.axis, fontsize=8)
    axes.set_ylabel(curve.unit, fontsize=8)
    axes.tick_params(axis="y", labelsize=8)
    axes.margins(y=0.15)
    axes.spines[["top", "right"]].set_visible(False)
