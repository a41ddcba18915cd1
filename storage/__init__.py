"""Where conversations are kept: one interface, a backend for each kind of database."""

from pathlib import Path

from .clock import DAY_SECONDS
from .errors import DatabaseUnusable
from .interface import Storage


def open_storage(url: str, *, idempotency_ttl: float = DAY_SECONDS) -> Storage:
    """The storage that `url` names, not yet opened: use it with `async with`.

    `sqlite:///relative/path`, `sqlite:////absolute/path`. Answers to requests with a key are kept for
    `idempotency_ttl` seconds. Raises `DatabaseUnusable` for any other URL.
    """
    scheme, separator, path = url.partition(":///")
    if path == ":memory:":
        raise DatabaseUnusable("A database in memory can't be shared between connections; use serve --ephemeral.")
    if scheme == "sqlite" and separator and path:
        from .sqlite.store import SQLiteStorage

        return SQLiteStorage(str(Path(path).expanduser()), idempotency_ttl=idempotency_ttl)
    raise DatabaseUnusable(f"The database URL {url!r} is not understood; write sqlite:///PATH.")
