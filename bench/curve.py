"""The result of a measure: points along one axis, each with its maximum."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from .figures import LEAST_CLEAN
from .rounds import Turn, clean


@dataclass(frozen=True)
class Point:
    """A point of a curve: the values that were measured there, and its goal, if any."""

    label: str
    values: Sequence[float]
    most: float | None = None

    @property
    def value(self) -> float:
        """The median."""
        return median(self.values)

    @property
    def spread(self) -> float:
        """The range of the values, as a share of the median; 0 if the median is 0."""
        return (max(self.values) - min(self.values)) / self.value if self.value else 0.0

    @property
    def met(self) -> bool | None:
        """Whether the point meets its goal; None without a goal."""
        return None if self.most is None else self.value <= self.most

    @property
    def excess(self) -> float:
        """The excess over the goal, as a share of the goal; 0 if it is met."""
        return 0.0 if self.most is None else max(self.value / self.most - 1, 0.0)


@dataclass(frozen=True)
class Curve:
    """Points in their order, along `axis`, in `unit`; `goal` and `note` are sentences for the reader."""

    name: str
    axis: str
    unit: str
    points: Sequence[Point]
    goal: str = ""
    note: str = ""


def figure_of(value: float) -> str:
    """A value as text: three digits, or an integer."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def growing(most: float, values: Sequence[tuple[str, Sequence[float]]]) -> list[Point]:
    """Points with the goal that the last is at most `most` times the first."""
    *others, last = (Point(label, measured) for label, measured in values)
    return [*others, Point(last.label, last.values, most * others[0].value)]


def counted(turns: Sequence[Turn]) -> tuple[Sequence[Turn], str]:
    """The rounds that count (only the clean ones if there are enough), and a sentence about them."""
    kept = [turn for turn in turns if clean(turn)]
    if len(kept) >= LEAST_CLEAN:
        return kept, f"{len(kept)} of {len(turns)} rounds were clean, and count."
    return turns, f"Only {len(kept)} of {len(turns)} rounds were clean: other programs had a share in these figures."
