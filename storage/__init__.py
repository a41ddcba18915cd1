"""Where conversations are kept: one interface, a backend for each kind of database."""

from pathlib import Path

from .model.database_url import without_password
from .model.errors import DatabaseUnusable
from .model.interface import Storage
from .model.maintenance import Maintenance
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
) -> Storage:
    """The storage that `url` names, not yet opened: use it with `async with`.

    `sqlite:///relative/path`, `sqlite:////absolute/path`, `postgresql://user:password@host:port/database`, with what
    else a libpq URL may have; a password that is left out comes from PGPASSWORD, or from a password file.

    Answers to requests with a key are kept for `idempotency_ttl` seconds. Times are those of
    `clock`, by default this machine's. A database with an older schema is brought up to date, or refused without
    `upgrade`; one that is not there is created, or refused without `create`. A SQLite file that other
    machines may reach is refused, unless `single_machine` says that none of them uses it; if that is None, what was
    said before counts. Long lists and imports that are under way have `temporary_bytes` of temporary files together;
    past that they raise `StorageUnavailable`. Raises `DatabaseUnusable` for another URL.
    """
    # Imported here: whoever uses one database needs not wait for the other's driver.
    path = path_of(url)
    if path is not None:
        from .sqlite.store import SQLiteStorage

        return SQLiteStorage(
            path,
            idempotency_ttl=idempotency_ttl,
            clock=clock or Clock(),
            upgrade=upgrade,
            create=create,
            single_machine=single_machine,
            temporary_bytes=temporary_bytes,
        )
    from .postgres.store import PostgresStorage

    return PostgresStorage(
        url,
        idempotency_ttl=idempotency_ttl,
        clock=clock or Clock(),
        upgrade=upgrade,
        create=create,
        temporary_bytes=temporary_bytes,
    )


def open_existing(url: str) -> Storage:
    """The same for one that is there already, with this program's schema; `open` raises `DatabaseUnusable` if not."""
    return open_storage(url, upgrade=False, create=False)


def open_maintenance(url: str) -> Maintenance:
    """What can be done to the whole database that `url` names. Raises `DatabaseUnusable` as `open_storage` does."""
    path = path_of(url)
    if path is not None:
        from .sqlite.maintenance.tasks import SQLiteMaintenance

        return SQLiteMaintenance(Path(path))
    from .postgres.maintenance.tasks import PostgresMaintenance

    return PostgresMaintenance(url)


def path_of(url: str) -> str | None:
    """The file of a SQLite database, None where the URL is PostgreSQL's. Raises `DatabaseUnusable` for another."""
    scheme, _, rest = url.partition("://")
    if rest == "/:memory:":
        raise DatabaseUnusable("A database in memory can't be shared between connections; use serve --ephemeral.")
    if scheme == "sqlite" and rest.startswith("/") and rest != "/":
        try:
            return str(Path(rest[1:]).expanduser())
        except RuntimeError as error:
            raise DatabaseUnusable(
                f"The database {url} is in a home directory, and there is none; name another with --database "
                "(AMPLIFIERD_DATABASE), or set HOME."
            ) from error
    if scheme in {"postgresql", "postgres"} and rest:
        return None
    raise DatabaseUnusable(
        f"The database URL {without_password(url)!r} is not understood; "
        "write sqlite:///PATH or postgresql://USER@HOST/DATABASE."
    )
