"""Errors of PostgreSQL and of the way to it, as the storage's own."""

from collections.abc import Iterator
from contextlib import contextmanager

import asyncpg

from ..errors import DatabaseDamaged, DatabaseUnusable, StorageUnavailable
from ..location import without_password

# The classes and codes that say that the server can't now (https://www.postgresql.org/docs/current/errcodes-appendix.html):
# connections, rolled back transactions, resources, an operator's doing, the system; a server that only reads, a lock.
_AWAY = ("08", "40", "53", "57", "58", "25006", "55P03")
# A page, or an index, is not as it was written.
_DAMAGED = ("XX001", "XX002")

_DRIVER_ERRORS = (asyncpg.InterfaceError, asyncpg.InternalClientError, asyncpg.TargetServerAttributeNotMatched)


def as_storage_error(error: Exception) -> Exception:
    """`StorageUnavailable` for an error of the server or the network, `DatabaseDamaged` for one of its files.

    The error itself for any other.
    """
    if isinstance(error, TimeoutError):
        return StorageUnavailable("PostgreSQL did not answer in time")
    if isinstance(error, asyncpg.PostgresError) and error.sqlstate in _DAMAGED:
        return DatabaseDamaged(f"PostgreSQL says: {str(error).rstrip('.')}")
    if isinstance(error, OSError) or _is_away(error):
        return StorageUnavailable(f"PostgreSQL says: {str(error).rstrip('.')}")
    return error


@contextmanager
def in_sentences(url: str) -> Iterator[None]:
    """Raises `DatabaseUnusable` where the database at `url` can't be opened."""
    try:
        yield
    except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError, ValueError) as error:
        raise DatabaseUnusable(
            f"The database {without_password(url)} can't be opened: {str(error) or 'it does not answer'}. "
            "Check the address, the user and the password, and that the user may create in the database."
        ) from error


def _is_away(error: Exception) -> bool:
    if isinstance(error, asyncpg.PostgresError):
        return (error.sqlstate or "").startswith(_AWAY)
    # Those of the driver itself: a connection that was lost, a pool that closes, servers none of which takes writes.
    # And its own confusion about a connection that the server closes at the moment at which it is used.
    return isinstance(error, _DRIVER_ERRORS) and not isinstance(error, asyncpg.DataError)
