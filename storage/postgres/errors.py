"""Converts errors of PostgreSQL and of its connection to errors of the storage."""

from collections.abc import Iterator
from contextlib import contextmanager

import asyncpg

from ..model.backend import without_password
from ..model.database_errors import DatabaseDamaged, DatabaseUnusable
from ..model.errors import StorageUnavailable

# The classes and codes of temporary errors (https://www.postgresql.org/docs/current/errcodes-appendix.html):
# connections, authorization (a changed password), a missing database, rolled back transactions, resources, a temporary
# state, operator intervention, system errors; a read-only server, a transaction that the server ended for its age; a
# prepared statement that a pooler lost; a revoked privilege.
_AWAY = ("08", "28", "3D", "40", "53", "55", "57", "58", "25006", "25P03", "25P04", "26", "42501")
# A page, or an index, is damaged.
_DAMAGED = ("XX001", "XX002")
# A text is not valid for the type to which a statement converts it.
_INVALID_TEXT = "22P02"

_DRIVER_ERRORS = (asyncpg.InterfaceError, asyncpg.InternalClientError, asyncpg.TargetServerAttributeNotMatched)


def as_storage_error(error: Exception) -> Exception:
    """`StorageUnavailable` for an error of the server or the network, `DatabaseDamaged` for one of its files.

    Any other error is returned unchanged.
    """
    if isinstance(error, TimeoutError):
        return StorageUnavailable("PostgreSQL did not answer in time")
    if isinstance(error, asyncpg.PostgresError) and _is_damage(error):
        return DatabaseDamaged(f"PostgreSQL says: {str(error).rstrip('.')}")
    # asyncpg reads to the end of a stream that a server, or a pooler, has cut.
    if isinstance(error, OSError | EOFError) or _is_away(error):
        return StorageUnavailable(f"PostgreSQL says: {str(error).rstrip('.') or type(error).__name__}")
    return error


@contextmanager
def in_sentences(url: str) -> Iterator[None]:
    """Raises `DatabaseUnusable` if the database at `url` cannot be opened."""
    try:
        yield
    except KeyError as error:
        # The driver looks up the name of the process's user, which may not exist.
        raise DatabaseUnusable(
            f"The database {without_password(url)} names no user, and this process has none with a name; write "
            "postgresql://USER@HOST/DATABASE."
        ) from error
    except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError, ValueError) as error:
        raise DatabaseUnusable(
            f"The database {without_password(url)} can't be opened: {str(error) or 'it does not answer'}. "
            "Check the address, the user and the password, and that the user may create in the database."
        ) from error


def _is_damage(error: asyncpg.PostgresError) -> bool:
    """Whether a file is damaged, or a stored text is not JSON; a text that is invalid for another type is a defect."""
    if error.sqlstate == _INVALID_TEXT:
        # A server translates its messages, but not the name of the type; the value may follow a colon.
        return "json" in str(error).partition(":")[0]
    return error.sqlstate in _DAMAGED


def _is_away(error: Exception) -> bool:
    if isinstance(error, asyncpg.PostgresError):
        # A plan made before another node's migration: asyncpg discards it before the next attempt.
        return isinstance(error, asyncpg.InvalidCachedStatementError) or (error.sqlstate or "").startswith(_AWAY)
    # Errors of the driver itself: a lost connection, a closing pool, no server that accepts writes; and its invalid
    # state if the server closes a connection while it is being used.
    return isinstance(error, _DRIVER_ERRORS) and not isinstance(error, asyncpg.DataError)
