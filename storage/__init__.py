"""Where conversations are kept: one interface, a backend for each kind of database."""

from pathlib import Path

from .clock import DAY_SECONDS, Clock
from .errors import DatabaseUnusable
from .interface import Storage
from .location import without_password


def open_storage(url: str, *, idempotency_ttl: float = DAY_SECONDS, clock: Clock | None = None) -> Storage:
    """The storage that `url` names, not yet opened: use it with `async with`.

    `sqlite:///relative/path`, `sqlite:////absolute/path`, `postgresql://user:password@host:port/database`, with what
    else a libpq URL may have. Answers to requests with a key are kept for `idempotency_ttl` seconds. Times are those of
    `clock`, by default this machine's.
    Raises `DatabaseUnusable` for any other URL.
    """
    scheme, _, rest = url.partition("://")
    if rest == "/:memory:":
        raise DatabaseUnusable("A database in memory can't be shared between connections; use serve --ephemeral.")
    # Imported here: whoever uses one database needs not wait for the other's driver.
    if scheme == "sqlite" and rest.startswith("/") and rest != "/":
        from .sqlite.store import SQLiteStorage

        return SQLiteStorage(str(Path(rest[1:]).expanduser()), idempotency_ttl=idempotency_ttl, clock=clock or Clock())
    if scheme in {"postgresql", "postgres"} and rest:
        from .postgres.store import PostgresStorage

        return PostgresStorage(url, idempotency_ttl=idempotency_ttl, clock=clock or Clock())
    raise DatabaseUnusable(
        f"The database URL {without_password(url)!r} is not understood; "
        "write sqlite:///PATH or postgresql://USER@HOST/DATABASE."
    )
