"""The interface of export formats: writes sessions with their messages, and counts what is lost."""

from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any, Protocol, TypeAlias

from ...storage.model.records import Message, Session

# Computes the digest of messages of a format, by which an import detects later edits.
DigestOf: TypeAlias = Callable[[list[Any]], str]


class Losses:
    """Data that the format of an export cannot represent, counted by kind.

    `kept` counts data that is beside the messages, in a member that an import reads; `left_out` data that the export
    lacks.
    """

    def __init__(self) -> None:
        self.kept: Counter[str] = Counter()
        self.left_out: Counter[str] = Counter()

    def add(self, others: "Losses") -> None:
        """Add the losses of another export."""
        self.kept += others.kept
        self.left_out += others.left_out

    def record(self) -> dict[str, dict[str, int]]:
        """The counts of each kind, as JSON; empty if nothing was lost."""
        found = {"kept": self.kept, "leftOut": self.left_out}
        return {name: dict(sorted(counts.items())) for name, counts in found.items() if counts}

    def sentences(self) -> Iterator[str]:
        """The counts, line by line; none if nothing was lost."""
        if self.kept:
            yield f"The format has no place for these; the member amplifierd has them: {_join_counts(self.kept)}."
        if self.left_out:
            yield f"Left out: {_join_counts(self.left_out)}."


def _join_counts(counts: Counter[str]) -> str:
    return ", ".join(f"{count} {kind}" for kind, count in sorted(counts.items()))


class SessionWriter(Protocol):
    """Writes one session, in constant memory: `begin`, `add` for each message, `turn`, `add_again`, and `end`.

    If `is_read_twice` is set, each message is passed to `add_again` between `turn` and `end`.

    A file that a message refers to has a relative path, or a `data:` URL with a placeholder for the data. The data
    replaces the placeholder in the result of any of these methods, now or later, any number of times. So they must
    return the placeholder whole and unchanged, and compute digests of it only with the writer's `digest`.
    """

    @property
    def is_read_twice(self) -> bool:
        """Whether the messages are read a second time."""

    def begin(self, session: Session, /) -> bytes:
        """The beginning of the session."""

    def add(self, message: Message, /) -> bytes:
        """The next message."""

    def turn(self) -> bytes:
        """The text between the last message and the first `add_again`."""

    def add_again(self, message: Message, /) -> bytes:
        """The text about a message, after all messages."""

    def end(self, size: int, /) -> bytes:
        """The end of the session; `size` bytes were written before it."""


class ExportFormat(Protocol):
    """One format of exports; its files have the suffix `suffix` and the media type `media`.

    If `is_document` is set, each session is a separate file; otherwise all sessions are in one file. If
    `has_files_beside` is set, stored files are written beside the sessions; otherwise they are embedded.
    """

    @property
    def name(self) -> str:
        """The name of the format: lower-case letters, digits, `-`."""

    @property
    def suffix(self) -> str:
        """The suffix of its files, with a dot."""

    @property
    def media(self) -> str:
        """The media type of its files."""

    @property
    def is_document(self) -> bool:
        """Whether each session is a separate file."""

    @property
    def has_files_beside(self) -> bool:
        """Whether it names files by relative paths."""

    def writer(self, losses: Losses, digest: DigestOf, /) -> SessionWriter:
        """A writer of one session, which counts in `losses` the data it cannot represent, and lists them at its end."""
