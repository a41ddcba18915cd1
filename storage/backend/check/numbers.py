"""Formats sequences of messages for findings."""

# The maximum number of ranges of messages that a finding names.
MAX_NAMED = 10


class Numbers:
    """Ranges of sequences: as text it has their number and names the first ones; false without any."""

    def __init__(self) -> None:
        self._named: list[str] = []
        self.count = 0

    def add(self, first: int, last: int) -> None:
        """Add the sequences from `first` to `last`."""
        self.count += last - first + 1
        if len(self._named) < MAX_NAMED:
            self._named.append(str(first) if first == last else f"{first} to {last}")

    def __bool__(self) -> bool:
        return self.count > 0

    def __str__(self) -> str:
        messages = "message" if self.count == 1 else f"{self.count} messages:"
        return f"{messages} {', '.join(self._named)}{' …' if self.count > len(self._named) >= MAX_NAMED else ''}"
