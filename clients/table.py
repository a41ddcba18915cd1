"""The outcomes as a table."""

from collections.abc import Sequence

from .trial import Outcome

_HEAD = ("language", "generator and version", "lines generated", "compiled", "conversation passed")


def table(outcomes: Sequence[Outcome]) -> str:
    """One row a language, in columns as wide as they must be."""
    rows = [_HEAD, *(_row(outcome) for outcome in outcomes)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    rule = tuple("-" * width for width in widths)
    lines = [_line(row, widths) for row in (rows[0], rule, *rows[1:])]
    return "\n".join(lines)


def _row(outcome: Outcome) -> tuple[str, ...]:
    recipe = outcome.recipe
    lines = f"{outcome.lines:,}"
    return recipe.language, recipe.generator, lines, _yes_or_no(outcome.compiled), _yes_or_no(outcome.passed)


def _line(row: Sequence[str], widths: Sequence[int]) -> str:
    return "| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |"


def _yes_or_no(answer: bool) -> str:  # it is what is being said
    return "yes" if answer else "no"
