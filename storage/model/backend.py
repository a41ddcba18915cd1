"""Backends: each keeps conversations in one kind of database, and is found by the scheme of a URL.

A package offers one by an entry point of the group `amplifierd.storage`: its name is the scheme, its object a `Backend`
without arguments (https://packaging.python.org/specifications/entry-points/).
"""

from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass
from importlib.metadata import EntryPoint, PackageNotFoundError, distribution, entry_points
from pathlib import Path

from ..values.clock import Clock
from .database_errors import BackendBroken, BackendMissing, MaintenanceRefused
from .database_url import without_password
from .interface import Storage
from .maintenance import Maintenance

GROUP = "amplifierd.storage"


@dataclass(frozen=True, slots=True)
class StorageOptions:
    """How a storage is opened, see `open_storage`; a backend ignores what does not concern its kind of database."""

    idempotency_ttl: float
    clock: Clock
    upgrade: bool
    create: bool
    single_machine: bool | None
    temporary_bytes: int


class Backend(ABC):
    """A kind of database. Its methods connect to nothing; each raises `DatabaseUnusable` for an invalid URL."""

    @abstractmethod
    def storage(self, url: str, options: StorageOptions) -> Storage:
        """The storage that `url` names, not yet opened."""

    def maintenance(self, url: str) -> Maintenance:
        """What can be done to the whole database; raises `MaintenanceRefused` if this kind has nothing of its own."""
        raise MaintenanceRefused(f"The database {without_password(url)} is of a kind that has no maintenance.")

    def file(self, url: str) -> Path | None:
        """The file of the database, None if the database is not one file."""
        del url  # most are not
        return None


def find_backend(url: str) -> Backend:
    """The backend for the scheme of `url`: one of this program's own, else of another package.

    Raises `BackendMissing` if there is none, `BackendBroken` if its module can't be imported.
    """
    scheme = url.partition("://")[0]
    # Whatever else is installed is looked through only if it has to be: that takes tens of milliseconds.
    found = next((entry for entry in _own() if entry.name == scheme), None)
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


def _own() -> Iterable[EntryPoint]:
    try:
        return distribution("amplifierd").entry_points.select(group=GROUP)
    except PackageNotFoundError:
        return ()
