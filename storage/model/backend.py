"""Backends: each keeps conversations in one kind of database, and is found by the scheme of a URL.

A package registers one in the entry point group `amplifierd.storage`: the name is the scheme, the object a `Backend`
class without arguments (https://packaging.python.org/specifications/entry-points/).
"""

import re
from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass, field
from importlib.metadata import EntryPoint, PackageNotFoundError, distribution, entry_points
from pathlib import Path
from typing import ClassVar

from ..values.clock import Clock
from .database_errors import BackendBroken, BackendMissing, DatabaseMissing, MaintenanceRefused, ReadLine, Skipped
from .interface import Storage
from .maintenance import Maintenance
from .modules import InstalledModules
from .queries import Embedder

GROUP = "amplifierd.storage"

# Up to the last @ of the address: a password may contain one that is not encoded.
_PASSWORD = re.compile(r"(?<=://)([^/?#:@]*):[^/?#]*@")


@dataclass(frozen=True, slots=True)
class StorageOptions:
    """Options for opening a storage, see `open_storage`; a backend ignores those that do not apply to it.

    A storage that uses the `embedder` closes it when it is closed itself. With `skipped`, exports continue after
    damaged records, and only the tables that are read must be readable.
    """

    idempotency_ttl: float
    clock: Clock
    upgrade: bool
    create: bool
    single_machine: bool | None
    temporary_bytes: int
    installed: InstalledModules = field(default_factory=InstalledModules)
    embedder: Embedder | None = None
    skipped: Skipped | None = None


class Backend(ABC):
    """A kind of database. Its methods connect to nothing; each raises `DatabaseUnusable` for an invalid URL.

    `is_of_one_process` is set if other processes do not see what a process writes.
    """

    is_of_one_process: ClassVar[bool] = False

    @abstractmethod
    def storage(self, url: str, options: StorageOptions) -> Storage:
        """The storage that `url` names, not yet opened."""

    def maintenance(self, url: str, read_line: ReadLine) -> Maintenance:
        """The maintenance of the whole database, for which messages are damaged that `read_line` refuses.

        Raises `MaintenanceRefused` if this kind of database has none.
        """
        del read_line
        raise MaintenanceRefused(f"The database {without_password(url)} is of a kind that has no maintenance.")

    def file(self, url: str) -> Path | None:
        """The file of the database, None if the database is not one file."""
        del url  # most databases are not one file
        return None


def find_backend(url: str) -> Backend:
    """The backend for the scheme of `url`: one of this program's own, else one of another package.

    Raises `BackendMissing` if there is none, `BackendBroken` if its module cannot be imported.
    """
    scheme = url.partition("://")[0]
    # Other packages are searched only if necessary, because that takes tens of milliseconds.
    found = next((entry for entry in _own_entry_points() if entry.name == scheme), None)
    if found is None:
        others = entry_points(group=GROUP)
        found = next((entry for entry in others if entry.name == scheme), None)
        if found is None:
            raise BackendMissing(without_password(url), tuple(sorted({entry.name for entry in others})))
    try:
        backend: Backend = found.load()()
    except (ImportError, AttributeError) as error:
        raise BackendBroken(scheme, found.value, str(error)) from error
    return backend


def without_password(url: str) -> str:
    """The URL of a database without the password in it."""
    return re.sub(r"([?&]password=)[^&#]*", r"\1…", _PASSWORD.sub(r"\1:…@", url))


def refuse_itself(database: Path, file: Path) -> None:
    """Raises `MaintenanceRefused` if the file to write is the database itself."""
    if file.exists() and database.exists() and file.samefile(database):
        raise MaintenanceRefused(f"{file} is the database itself; name another file.")


def refuse_absent(path: Path) -> None:
    """Raises `DatabaseMissing` if the file does not exist."""
    if not path.exists():
        raise DatabaseMissing(f"There is no database at {path}")


def _own_entry_points() -> Iterable[EntryPoint]:
    try:
        return distribution("amplifierd").entry_points.select(group=GROUP)
    except PackageNotFoundError:
        return ()
