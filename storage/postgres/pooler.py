"""Poolers between a node and its server: session pooling is accepted, transaction pooling is refused.

A connection's settings, prepared statements and LISTEN registrations belong to the session of the server
(https://www.pgbouncer.org/features.html). A pooler that gives each transaction another session loses them, and a
statement may find the tables of another schema.
"""

from secrets import token_hex

import asyncpg

from ..model.database_errors import DatabaseUnusable
from .pool import SCHEMA, Connection, connect

# A pooler with many clients may return the same session several times by chance.
_ATTEMPTS = 50

# A prepared statement is missing, or one of another connection exists.
_LOST_STATEMENTS = (asyncpg.InvalidSQLStatementNameError, asyncpg.DuplicatePreparedStatementError)

_MARK = "SELECT set_config('amplifierd.session', '{}', FALSE)"
_MARKED = "SELECT current_setting('amplifierd.session', TRUE)"


async def refuse_shared_sessions(connection: Connection, url: str) -> None:
    """Raises `DatabaseUnusable` if `connection`, to the database at `url`, does not keep its session of the server."""
    try:
        # The process id from the connection's start, to which a cancellation would be sent, may be made up by a pooler.
        is_direct = await connection.fetchval("SELECT pg_backend_pid()") == connection.get_server_pid()
        is_shared = not is_direct and await _is_shared(connection, url)
    except _LOST_STATEMENTS:
        is_shared = True
    if is_shared:
        raise DatabaseUnusable(
            "A pooler gives each transaction another session of PostgreSQL. amplifierd keeps settings and prepared "
            "statements in its session: let the pooler lend one for the whole connection (PgBouncer: pool_mode = "
            "session), or connect to PostgreSQL itself; amplifierd has a pool of its own."
        )


async def refuse_other_schema(connection: Connection) -> None:
    """Raises `DatabaseUnusable` if statements on the connection would use tables outside of amplifierd's schema."""
    schema = await connection.fetchval("SELECT current_schema()")
    if schema != SCHEMA:
        raise DatabaseUnusable(
            f"Statements on this connection use the schema {schema or 'of nobody'}, not {SCHEMA}: something between "
            "amplifierd and PostgreSQL changes search_path. Connect to PostgreSQL itself."
        )


async def _is_shared(connection: Connection, url: str) -> bool:
    """Whether another connection gets this one's server session, or this one gets another session."""
    mark = token_hex(16)
    await connection.execute(_MARK.format(mark))
    other = await connect(url)
    try:
        for _ in range(_ATTEMPTS):
            async with other.transaction():
                if await other.fetchval(_MARKED) == mark or await connection.fetchval(_MARKED) != mark:
                    return True
        return False
    finally:
        other.terminate()
