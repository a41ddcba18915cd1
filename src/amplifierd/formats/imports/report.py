"""The report of an import of histories: what was written, and what was not understood, by kind and place."""

from collections import Counter
from collections.abc import Iterator

from msgspec import UNSET, Struct, UnsetType

from ...storage.model.records import ImportReport
from ...storage.values.quantities import quantity
from ..history import Fault, line_of

# The number of places that are shown for each kind.
MAX_PLACES = 10
# The maximum length of the sentence of a place in a record.
MAX_CHARACTERS = 500


class SourceFormat(Struct, frozen=True):
    """A format, and the number of its files that were read."""

    format: str
    files: int


class FaultPlace(Struct, frozen=True):
    """A place that was not understood: a line, counted from 1, and the `file` if the upload is an archive."""

    line: int
    detail: str
    file: str | UnsetType = UNSET


class NotUnderstood(Struct, frozen=True):
    """One kind of data that was not understood: its count, and the first places."""

    kind: str
    count: int
    places: list[FaultPlace]


class HistoryReport(Struct, frozen=True, rename="camel"):
    """What was read from another program's files. `branches` is the number of branches that became forks.

    No format recognizes `unrecognized` files; the first of them are named.
    """

    formats: list[SourceFormat]
    branches: int
    unrecognized: int
    unrecognized_files: list[str]
    not_understood: list[NotUnderstood]


class HistoryImportReport(ImportReport, frozen=True, rename="camel"):
    """The report of an import, including the report on another program's files."""

    history: HistoryReport | UnsetType = UNSET


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
        self.kinds: Counter[str] = Counter()
        self.places: dict[str, list[tuple[str, Fault]]] = {}

    @property
    def is_empty(self) -> bool:
        """Whether no format recognized anything."""
        return not self.files and not self.unchanged

    @property
    def is_clean(self) -> bool:
        """Whether everything was understood."""
        return not self.kinds

    def add_fault(self, name: str, fault: Fault) -> None:
        """Count a fault of a file, or of a file in a folder."""
        self.kinds[fault.kind] += 1
        places = self.places.setdefault(fault.kind, [])
        if len(places) < MAX_PLACES:
            places.append(("/".join(each for each in (name, fault.file) if each), fault))

    def add_written(self, written: ImportReport) -> None:
        """Count what was written."""
        self.sessions += written.sessions
        self.extended += written.extended
        self.messages += written.messages

    def sentences(self) -> Iterator[str]:
        """The report, line by line."""
        formats = ", ".join(f"{count} of {name}" for name, count in sorted(self.files.items()))
        yield (
            f"Imported {quantity(self.sessions, 'session')}, extended {self.extended}, "
            f"with {quantity(self.messages, 'message')} in all."
        )
        read = quantity(sum(self.files.values()), "file")
        found = f" ({formats}) with {quantity(self.branches, 'branch', 'branches')}" if formats else ""
        yield f"Read {read}{found}; {self.unchanged} unchanged."
        if self.not_recognized:
            names = ", ".join(self.not_recognized[:MAX_PLACES])
            more = "" if len(self.not_recognized) <= MAX_PLACES else ", ..."
            yield f"No format recognizes {quantity(len(self.not_recognized), 'other file')}: {names}{more}."
        yield from self.notes
        for kind, count in self.kinds.most_common():
            places = self.places[kind]
            yield f"Not understood ({kind}): {count}"
            yield from (f"  {name}:{fault.line}: {fault.sentence}" for name, fault in places)
            if count > len(places):
                yield f"  and {count - len(places)} more."

    def record(self) -> HistoryReport:
        """The report on the files that were read, as a record."""
        return HistoryReport(
            formats=[SourceFormat(name, count) for name, count in sorted(self.files.items())],
            branches=self.branches,
            unrecognized=len(self.not_recognized),
            unrecognized_files=[line_of(name) or "?" for name in self.not_recognized[:MAX_PLACES]],
            not_understood=[
                NotUnderstood(kind, count, [_place(name, fault) for name, fault in self.places[kind]])
                for kind, count in self.kinds.most_common()
            ],
        )


def _place(name: str, fault: Fault) -> FaultPlace:
    return FaultPlace(fault.line, fault.sentence[:MAX_CHARACTERS], line_of(name) or UNSET)
