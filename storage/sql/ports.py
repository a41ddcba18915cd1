"""The interfaces through which operations read and write any database."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from ..model.database_errors import DatabaseDamaged
from ..model.records import Message
from ..values.uuid7 import canonical_id

Bindings = dict[str, str | bytes | int | float | None]
# The types of the columns follow from the statement.
Row = tuple[Any, ...]

# A longer value is read and decoded in a thread: SQLite makes the JSON of a message of 8 MiB in some 50 ms.
LONG_VALUE_BYTES = 256 * 1024


def session_key(workspace: str, session_id: str) -> Bindings:
    """The bindings that identify a session in statements."""
    return {"workspace": workspace, "id": canonical_id(session_id)}


class Rows(ABC):
    """Something that runs statements. Raises `StorageUnavailable` if the database does not answer."""

    @abstractmethod
    async def row(self, statement: str, bindings: Bindings) -> Row | None:
        """The first row, None if there is none."""

    async def one(self, statement: str, bindings: Bindings) -> Row:
        """The first row of a statement that always has one, such as an aggregate. Raises `DatabaseDamaged`."""
        row = await self.row(statement, bindings)
        if row is None:
            raise DatabaseDamaged("a row is missing that is always there")
        return row

    @abstractmethod
    async def all(self, statement: str, bindings: Bindings) -> list[Row]:
        """All rows of a statement that has few."""


class Reader(Rows):
    """Reads single rows, and blocks of long lists."""

    @abstractmethod
    async def block(self, statement: str, bindings: Bindings, most_bytes: int) -> list[Row]:
        """The first rows, until their last columns reach `most_bytes`; at least one, if there is one."""


@dataclass(frozen=True, slots=True)
class EmbeddedMessage:
    """A message with its vector: the sign of each number, a bit each, and the numbers as signed bytes."""

    sequence: int
    record: str
    signs: bytes
    numbers: bytes


class Transaction(Rows):
    """Statements that take effect together or not at all.

    If `needs_words` is set, all messages are written with their words; otherwise only long ones are.
    """

    needs_words = False

    @abstractmethod
    async def next_revision(self, workspace: str, count: int = 1) -> int:
        """The number of a write to the workspace, higher than every committed one.

        With `count`, the last of that many numbers.
        """

    @abstractmethod
    async def run_each(self, statement: str, bindings: Sequence[Bindings]) -> None:
        """Run a statement with each of the bindings, in order."""

    @abstractmethod
    async def insert_messages(
        self, sessions: Iterable[tuple[Bindings, Iterable[Message]]], words: object = None
    ) -> None:
        """Write messages of sessions, each with its key, without counting them.

        `words` has the words of each message in the form of the database's index; None if they are not split yet.
        """

    @abstractmethod
    async def replace_message(self, key: Bindings, message: Message, *, is_indexed: bool, words: object = None) -> None:
        """Replace the record of a message, and its entry in the search index unless that `is_indexed` already.

        `words` has the message's words in the form of the database's index; None if they are not split yet.
        """

    @abstractmethod
    async def insert_vectors(self, key: Bindings, messages: Sequence[EmbeddedMessage]) -> set[int]:
        """Write the vectors of the messages of a session that are unchanged since they were read, and have no vector.

        Returns their sequences; none if the session was deleted.
        """

    @abstractmethod
    async def remove_messages(self, key: Bindings, last: int) -> None:
        """Remove the messages of a session up to the sequence `last`, and their entries in the search index."""

    @abstractmethod
    async def end_removal(self, key: Bindings) -> None:
        """Delete the row in `removal` of a session whose data is completely removed."""


def take_until_size(rows: Iterable[Row], most: int, size: Callable[[Row], int]) -> list[Row]:
    """The first rows, until their sizes reach `most`; the others are not read."""
    taken: list[Row] = []
    total = 0
    for row in rows:
        taken.append(row)
        total += size(row)
        if total >= most:
            break
    return taken
