"""What a measure gives: points along one axis, each with the most that it may be."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from .figures import LEAST_CLEAN
from .rounds import Turn, clean


@dataclass(frozen=True)
class Point:
    """One place of a curve: the median of what was measured there, and the goal that it has, if any."""

    label: str
    values: Sequence[float]
    most: float | None = None

    @property
    def value(self) -> float:
        """The median."""
        return median(self.values)

    @property
    def spread(self) -> float:
        """From the least to the most, as a share of the median; 0 where that is."""
        return (max(self.values) - min(self.values)) / self.value if self.value else 0.0

    @property
    def met(self) -> bool | None:
        """Does the point reach its goal; None without one."""
        return None if self.most is None else self.value <= self.most

    @property
    def excess(self) -> float:
        """How much it is over its goal, as a share of that; 0 where it is not."""
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
    """A value as it is told: three digits, or whole."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def growing(most: float, values: Sequence[tuple[str, Sequence[float]]]) -> list[Point]:
    """Points whose last may be at most `most` times the first."""
    *others, last = (Point(label, measured) for label, measured in values)
    return [*others, Point(last.label, last.values, most * others[0].value)]


def counted(turns: Sequence[Turn]) -> tuple[Sequence[Turn], str]:
    """The rounds that count, the clean ones where there are enough, and a sentence that says which they are."""
    kept = [turn for turn in turns if clean(turn)]
    if len(kept) >= LEAST_CLEAN:
        return kept, f"{len(kept)} of {len(turns)} rounds were clean, and count."
    return turns, f"Only {len(kept)} of {len(turns)} rounds were clean: other programs had a share in these figures."
