"""What an import of histories did, as sentences: what was written, and what was not understood, by kind and place."""

from collections import Counter
from collections.abc import Iterator

from ...storage.model.records import ImportReport
from ..history import Fault

# The number of places that are shown of each kind.
MAX_PLACES = 10


class Report:
    """Counts of an import, and its faults, each with the name of its file."""

    def __init__(self) -> None:
        self.files: Counter[str] = Counter()
        self.unchanged = 0
        self.sessions = 0
        self.extended = 0
        self.messages = 0
        self.branches = 0
        self.not_recognized: list[str] = []
        self.notes: list[str] = []
        self._kinds: Counter[str] = Counter()
        self._places: dict[str, list[str]] = {}

    @property
    def is_empty(self) -> bool:
        """Whether there was nothing that a format recognizes."""
        return not self.files and not self.unchanged

    @property
    def is_clean(self) -> bool:
        """Whether everything was understood."""
        return not self._kinds

    def add_fault(self, name: str, fault: Fault) -> None:
        """Count a fault of a file."""
        self._kinds[fault.kind] += 1
        places = self._places.setdefault(fault.kind, [])
        if len(places) < MAX_PLACES:
            places.append(f"{name}:{fault.line}: {fault.sentence}")

    def add_written(self, written: ImportReport) -> None:
        """Count what was written."""
        self.sessions += written.sessions
        self.extended += written.extended
        self.messages += written.messages

    def sentences(self) -> Iterator[str]:
        """The report, line by line."""
        formats = ", ".join(f"{count} of {name}" for name, count in sorted(self.files.items()))
        yield (
            f"Imported {self.sessions} sessions, extended {self.extended}, with {self.messages} messages in all; "
            f"{self.branches} branches."
        )
        yield f"Read {sum(self.files.values())} files{f' ({formats})' if formats else ''}; {self.unchanged} unchanged."
        if self.not_recognized:
            shown = ", ".join(self.not_recognized[:MAX_PLACES])
            more = "" if len(self.not_recognized) <= MAX_PLACES else ", ..."
            yield f"No format recognizes {len(self.not_recognized)} other files: {shown}{more}."
        yield from self.notes
        for kind, count in self._kinds.most_common():
            yield f"Not understood, {kind}: {count}"
            yield from (f"  {place}" for place in self._places[kind])
            if count > len(self._places[kind]):
                yield f"  and {count - len(self._places[kind])} more."
