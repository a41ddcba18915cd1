"""Maintenance of a whole database, with all its workspaces, by commands that run beside the daemons."""

from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Self

# Called with the number of pages, tables or messages that are done, and their total.
Progress = Callable[[int, int], None]


def no_progress(_done: int, _total: int) -> None:
    """Report no progress."""


# The kind of a fault: in the database's files; a row that refers to a missing one; a lost message; an unreadable one;
# counts that do not match the messages; an incomplete session; messages that may belong to another session; data that
# is derived from messages and stored beside them; the rows and names that filters of sessions use; corrections; the
# search index; the content of a profile, or a session's copy of it; the bytes of a file.
Fault = Literal[
    "damage",
    "reference",
    "gap",
    "record",
    "counts",
    "parts",
    "transcript",
    "rows",
    "labels",
    "corrections",
    "search",
    "profile",
    "file",
]


@dataclass(frozen=True, slots=True)
class Finding:
    """A fault, as a sentence, and the session that it concerns, if any, or the chunks of a file."""

    fault: Fault
    text: str
    workspace: str = ""
    session_id: str = ""

    @classmethod
    def of(cls, workspace: str, session_id: str, fault: Fault, text: str) -> Self:
        """A fault of a session; the sentence begins with its name."""
        return cls(fault, f"Session {session_id} of workspace {workspace} {text}", workspace, session_id)


@dataclass(frozen=True, slots=True)
class Contents:
    """The size of a database, over all workspaces."""

    sessions: int
    messages: int


@dataclass(frozen=True, slots=True)
class Restored:
    """The result of a restore, and where the previous database is now; None if there was none."""

    contents: Contents
    kept: Path | None


@dataclass(frozen=True, slots=True)
class Compacted:
    """The bytes that a database takes on the disk, before and after."""

    before: int
    after: int


class Maintenance(ABC):
    """Backups and checks of one database. Its methods may block the event loop: run nothing else in it.

    Every method raises `DatabaseUnusable` if the database cannot be opened or is not amplifierd's.
    """

    @abstractmethod
    async def back_up(self, file: Path, *, replace: bool, progress: Progress) -> Contents:
        """Write the database, as of one moment, to a file, which exists as a whole or not at all.

        Daemons may write meanwhile; everything acknowledged before the call is in it. An existing file is kept unless
        it is to be replaced. Raises `MaintenanceRefused`, and `DatabaseDamaged` if the copy fails its check.
        """

    @abstractmethod
    async def restore(self, file: Path, *, replace: bool, progress: Progress) -> Restored:
        """Replace the database with a backup; at every moment it is either the old one or the new one.

        An existing database is kept unless it is to be replaced: then it is kept beside the new one. Raises
        `MaintenanceRefused`, also if a daemon has the database open, and `DatabaseDamaged` if the backup is damaged.
        """

    @abstractmethod
    async def compact(self, *, full: bool, progress: Progress) -> Compacted:
        """Release free space, and remove remains of deleted text.

        Daemons may serve the database meanwhile, unless it is rewritten in `full`: on SQLite no program may have it
        open then, on PostgreSQL the readers and writers of a table wait. Raises `MaintenanceRefused`.
        """

    @abstractmethod
    def check(self, progress: Progress = no_progress) -> AsyncGenerator[Finding, None]:
        """Check the database, as of one moment, and report the faults; nothing is changed.

        `progress` gets numbers of messages, which are counted again in each pass of the check. It takes time in
        proportion to the size of the database, and constant memory.
        """

    @abstractmethod
    async def repair(self, finding: Finding) -> str | None:
        """Repair a fault. Returns a sentence about the repair, None if the fault cannot be repaired.

        Raises `RepairFailed` if the database refuses a statement of the repair, or is busy or full.
        """

    @abstractmethod
    async def contents(self) -> Contents:
        """Count the sessions and messages."""
