"""What every language has to say: how its client is generated, compiled and played."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Program:
    """The compiled program: a command that takes the daemon's base URL and, where it has keys, one of them besides."""

    command: tuple[str | Path, ...]
    folder: Path


@dataclass(frozen=True)
class Recipe:
    """One language.

    `generate` brings the tools that it needs and answers the files that it generated; `compile` answers the program.
    """

    language: str
    generator: str
    generate: Callable[[], Iterable[Path]]
    compile: Callable[[], Program]
