"""Measures of amplifierd with growing data: a module for each, with one function of a scale and a folder for data."""

from collections.abc import Callable
from pathlib import Path

from ..curve import Curve
from ..scale import Scale
from . import append, memory, opening, sessions, start, tails, workers

Measure = Callable[[Scale, Path], list[Curve]]

# In the order of the report.
MEASURES: dict[str, Measure] = {
    "append": append.measure,
    "sessions": sessions.measure,
    "opening": opening.measure,
    "memory": memory.measure,
    "start": start.measure,
    "workers": workers.measure,
    "tails": tails.measure,
}
