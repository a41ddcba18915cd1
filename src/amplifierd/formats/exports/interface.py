"""The interface of export formats: writes sessions with their messages, and counts what is lost."""

from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any, Protocol, TypeAlias

from ...storage.model.records import Message, Session

# The digest of messages of a format, from which an import can tell whether they were edited since.
DigestOf: TypeAlias = Callable[[list[Any]], str]


class Losses:
    """What exports could not say in their format, counted by kind.

    `kept` is beside the messages, in a member that an import reads; `left_out` is not in the export.
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

    If `is_read_twice` is set, each message comes a second time between `turn` and `end`.

    A file that a message refers to has a relative path, or a `data:` URL in which a placeholder stands for the data.
    The data takes its place in what any of these functions returns, now or later, any number of times. So they return
    the placeholder whole and unchanged; a digest of it is only right if the `digest` of the writer made it.
    """

    @property
    def is_read_twice(self) -> bool:
        """Whether the messages are read a second time."""

    def begin(self, session: Session, /) -> bytes:
        """The beginning of the session."""

    def add(self, message: Message, /) -> bytes:
        """The next message."""

    def turn(self) -> bytes:
        """What follows the last message."""

    def add_again(self, message: Message, /) -> bytes:
        """The text about a message that follows all messages."""

    def end(self, size: int, /) -> bytes:
        """The end of the session, which has `size` bytes before it."""


class ExportFormat(Protocol):
    """One format of exports: `suffix` is that of its files, and `media` their media type.

    If `is_document` is set each session is a file of its own; otherwise they follow each other in one file. Its stored
    files are beside it if `has_files_beside` is set, and in it otherwise.
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
        """A writer of one session, which counts in `losses` what it cannot write, and says at its end what is there."""
