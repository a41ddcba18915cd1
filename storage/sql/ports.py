"""How what operations have in common reads and writes a database, whichever it is."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from typing import Any

from ..model.records import Message
from ..values.uuid7 import canonical_id

Bindings = dict[str, str | int | float | None]
# What a column holds is known from its statement.
Row = tuple[Any, ...]


def session_key(workspace: str, session_id: str) -> Bindings:
    """The key of a session, with which statements on it are run."""
    return {"workspace": workspace, "id": canonical_id(session_id)}


class Rows(ABC):
    """Something that runs statements. Raises `StorageUnavailable` where the database does not answer."""

    @abstractmethod
    async def row(self, statement: str, bindings: Bindings) -> Row | None:
        """The first row, None where there is none."""

    async def one(self, statement: str, bindings: Bindings) -> Row:
        """The first row of a statement that always has one, such as an aggregate."""
        row = await self.row(statement, bindings)
        assert row is not None, "The statement has no row."
        return row

    @abstractmethod
    async def all(self, statement: str, bindings: Bindings) -> list[Row]:
        """Every row of a statement that has few."""


class Reader(Rows):
    """Reads points, and blocks of long lists."""

    @abstractmethod
    async def block(self, statement: str, bindings: Bindings, most_bytes: int) -> list[Row]:
        """The first rows, until their last columns have so many bytes: one at least, where there is one."""


class Transaction(Rows):
    """Statements of which all take effect, or none."""

    @abstractmethod
    async def next_revision(self, workspace: str) -> int:
        """A number for a write of the workspace: higher than each that was committed before."""

    @abstractmethod
    async def insert_messages(self, key: Bindings, messages: Iterable[Message]) -> None:
        """Write messages of the session that has this key; nothing counts them."""

    @abstractmethod
    async def remove_messages(self, key: Bindings, last: int) -> None:
        """Remove messages of a session up to the sequence `last`, and what the search has of them."""

    @abstractmethod
    async def end_removal(self, key: Bindings) -> None:
        """Forget a session in `removal` of which nothing is left."""


def take_until_size(rows: Iterable[Row], most: int, size: Callable[[Row], int]) -> list[Row]:
    """The first rows, until their sizes come to `most`; the others are not read."""
    taken: list[Row] = []
    total = 0
    for row in rows:
        taken.append(row)
        total += size(row)
        if total >= most:
            break
    return taken
