"""Seeds to fuzz with: one that is always the same in a quick run, new ones for as long as a long run goes on."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

FIXED_SEED = 20251121


@dataclass(frozen=True)
class Fuzz:
    """`first` is the first seed; `end` is when a long run ends, as `time.monotonic` has it; each seed is told."""

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
