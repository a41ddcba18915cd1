"""Seeds for fuzzing: a fixed one in a short run, new ones until the time of a long run is over."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

FIXED_SEED = 20251121


@dataclass(frozen=True)
class Fuzz:
    """`first` is the first seed; `end` is the `time.monotonic` at which a long run ends. Each seed is printed."""

    first: int
    end: float
    tell: Callable[[str], None]

    @property
    def is_long(self) -> bool:
        """Whether there is time left."""
        return time.monotonic() < self.end

    def seeds(self) -> Iterator[int]:
        """The first seed, then those after it while there is time."""
        seed = self.first
        while True:
            self.tell(f"Seed {seed}: pytest --fuzz-seed {seed} tries it again.")
            yield seed
            if not self.is_long:
                return
            seed += 1
