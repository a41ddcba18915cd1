"""Stores conversations: one interface, and a backend for each kind of database.

Import `open_storage` and its companions from here, records and errors from `model`; the other folders are for backends.
"""

from pathlib import Path

from .model.backend import StorageOptions, find_backend
from .model.database_errors import DatabaseNotShared, ReadLine, Skipped, decoded_line
from .model.interface import Storage
from .model.maintenance import Maintenance
from .model.modules import InstalledModules
from .model.queries import Embedder
from .sql.temporary_files import MAX_TEMPORARY_BYTES
from .values.clock import DAY_SECONDS, Clock


def open_storage(
    url: str,
    *,
    idempotency_ttl: float = DAY_SECONDS,
    clock: Clock | None = None,
    upgrade: bool = True,
    create: bool = True,
    single_machine: bool | None = None,
    temporary_bytes: int = MAX_TEMPORARY_BYTES,
    installed: InstalledModules | None = None,
    embedder: Embedder | None = None,
    skipped: Skipped | None = None,
) -> Storage:
    """The storage that `url` names, not yet open: use it with `async with`.

    A URL is `sqlite:///relative/path`, `sqlite:////absolute/path`, or `postgresql://user:password@host:port/database`
    with any other members of a libpq URL; an omitted password is taken from PGPASSWORD or a password file. Installed
    backends add other schemes.

    Responses to requests with a key are kept for `idempotency_ttl` seconds. Times are those of `clock`, by default this
    machine's. A database with an older schema is upgraded, or refused without `upgrade`; a missing one is created, or
    refused without `create`. A SQLite file that other machines may reach is refused, unless `single_machine` declares
    that none of them uses it; None means the last declaration. Long lists, imports and uploads share `temporary_bytes`
    of temporary files; beyond that they raise `StorageUnavailable`. A new session keeps the `installed` modules
    that its profile names. With an `embedder`, messages are also found by their meaning; the storage closes it. With
    `skipped`, exports continue after damaged records, and only the tables that are read must be readable. Raises
    `DatabaseUnusable` for any other URL.
    """
    options = StorageOptions(
        idempotency_ttl,
        clock or Clock(),
        upgrade,
        create,
        single_machine,
        temporary_bytes,
        installed or InstalledModules(),
        embedder,
        skipped,
    )
    return find_backend(url).storage(url, options)


def open_existing(url: str, skipped: Skipped | None = None) -> Storage:
    """The same for a database that exists, with this program's schema; `open` raises `DatabaseUnusable` if not."""
    return open_storage(url, upgrade=False, create=False, skipped=skipped)


def open_maintenance(url: str, read_line: ReadLine = decoded_line) -> Maintenance:
    """The maintenance of the whole database that `url` names; a message is damaged if `read_line` refuses it.

    Raises `DatabaseUnusable` as `open_storage` does, and `MaintenanceRefused` if its backend has no maintenance.
    """
    return find_backend(url).maintenance(url, read_line)


def refuse_several_processes(url: str) -> None:
    """Raises `DatabaseNotShared` if processes cannot share the database that `url` names."""
    if find_backend(url).is_of_one_process:
        raise DatabaseNotShared(url)


def is_same_database(url: str, other: str) -> bool:
    """Whether two URLs name the same file, by whatever path or link, or are equal except for the name of the scheme.

    Raises `DatabaseUnusable` as `open_storage` does.
    """
    path, other_path = path_of(url), path_of(other)
    if path is not None and other_path is not None:
        return path.exists() and other_path.exists() and path.samefile(other_path)
    are_of_one_kind = type(find_backend(url)) is type(find_backend(other))
    return are_of_one_kind and url.partition("://")[2] == other.partition("://")[2]


def path_of(url: str) -> Path | None:
    """The file of a database, None if it is not one file. Raises `DatabaseUnusable` as `open_storage` does."""
    return find_backend(url).file(url)
