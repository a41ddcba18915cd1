"""Errors of PostgreSQL and of the way to it, as the storage's own."""

import asyncpg

from ..errors import StorageUnavailable

# The classes and codes that say that the server can't now (https://www.postgresql.org/docs/current/errcodes-appendix.html):
# connections, rolled back transactions, resources, an operator's doing, the system; a server that only reads, a lock.
_AWAY = ("08", "40", "53", "57", "58", "25006", "55P03")

_DRIVER_ERRORS = (asyncpg.InterfaceError, asyncpg.InternalClientError, asyncpg.TargetServerAttributeNotMatched)


def as_unavailable(error: Exception) -> Exception:
    """`StorageUnavailable` for an error of the server or the network; the error itself for any other."""
    if isinstance(error, TimeoutError):
        return StorageUnavailable("PostgreSQL did not answer in time")
    if isinstance(error, OSError) or _is_away(error):
        return StorageUnavailable(f"PostgreSQL says: {str(error).rstrip('.')}")
    return error


def _is_away(error: Exception) -> bool:
    if isinstance(error, asyncpg.PostgresError):
        return (error.sqlstate or "").startswith(_AWAY)
    # Those of the driver itself: a connection that was lost, a pool that closes, servers none of which takes writes.
    # And its own confusion about a connection that the server closes at the moment at which it is used.
    return isinstance(error, _DRIVER_ERRORS) and not isinstance(error, asyncpg.DataError)
