"""What is done to a database as a whole, with all workspaces in it, by a command of its own beside the daemons."""

from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Self

# Is told how many pages, or tables, are done, and of how many.
Progress = Callable[[int, int], None]

# What is wrong: the database's files; messages that are lost; those that can't be read; numbers that are not those of
# the messages; a part of a session without the others; the index of words; what a profile says, or a session keeps of
# one.
Fault = Literal["damage", "gap", "record", "counts", "parts", "search", "profile"]


@dataclass(frozen=True, slots=True)
class Finding:
    """What is wrong, in a sentence, and with which session, where it is one's."""

    fault: Fault
    text: str
    workspace: str = ""
    session_id: str = ""

    @classmethod
    def of(cls, workspace: str, session_id: str, fault: Fault, text: str) -> Self:
        """What is wrong with a session, whose name the sentence begins with."""
        return cls(fault, f"Session {session_id} of workspace {workspace} {text}", workspace, session_id)


@dataclass(frozen=True, slots=True)
class Contents:
    """How much a database holds, of all workspaces."""

    sessions: int
    messages: int


@dataclass(frozen=True, slots=True)
class Restored:
    """What was restored, and where the database is now that was there before; None where there was none."""

    contents: Contents
    kept: Path | None


@dataclass(frozen=True, slots=True)
class Compacted:
    """How many bytes a database took on the disk before, and takes now."""

    before: int
    after: int


class Maintenance(ABC):
    """Backups and checks of one database. Its methods may hold up the event loop: nothing else is to run in it.

    Every method raises `DatabaseUnusable` where the database can't be opened, or is none of amplifierd's.
    """

    @abstractmethod
    async def back_up(self, file: Path, *, replace: bool, progress: Progress) -> Contents:
        """Write the database, as it is at one moment, to a file, which is there whole or not at all.

        Daemons may write meanwhile; everything acknowledged before the call is in it. A file that is there stays,
        unless it is to be replaced. Raises `MaintenanceRefused`, and `DatabaseDamaged` where the copy is not sound.
        """

    @abstractmethod
    async def restore(self, file: Path, *, replace: bool, progress: Progress) -> Restored:
        """Put a backup in the place of the database, which is the one or the other at every moment.

        A database that is there stays, unless it is to be replaced: then it is kept beside. Raises
        `MaintenanceRefused`, also where a daemon has the database open, and `DatabaseDamaged` where the backup is.
        """

    @abstractmethod
    async def compact(self, *, full: bool, progress: Progress) -> Compacted:
        """Give free space back, and remove what is left of deleted text.

        Daemons may serve the database meanwhile, unless it is written again in `full`: on SQLite no program may have it
        open then, on PostgreSQL whoever reads or writes a table waits for that. Raises `MaintenanceRefused`.
        """

    @abstractmethod
    def check(self) -> AsyncGenerator[Finding, None]:
        """Look through the database, from one moment, and tell what is wrong; nothing is changed.

        It takes a time in proportion to what there is, and memory that does not depend on it.
        """

    @abstractmethod
    async def repair(self, finding: Finding) -> str | None:
        """Put right what was found; a sentence that says what was done, None where nothing can be."""

    @abstractmethod
    async def contents(self) -> Contents:
        """Count what there is."""
