"""The schema, upgraded by numbered SQL files; the table `schema_version` holds the last one applied."""

from ..model.database_errors import DatabaseMissing, DatabaseUnusable
from ..sql import migrations
from ..values.clock import DAY_SECONDS
from .functions import functions, has_functions
from .pool import SCHEMA, Connection
from .pooler import refuse_other_schema

# The upgrade of a large database, by this process or another, may take a long time.
SECONDS = 7 * DAY_SECONDS
# An arbitrary number that no other program uses: "ampd" in ASCII.
LOCK = 0x616D7064

_DATABASE = "The database"


async def migrate(connection: Connection, *, upgrade: bool, create: bool) -> None:
    """Apply the scripts that the database lacks, and create the functions of this program, all or none.

    If many processes start at once, one of them does it. Missing functions can be added to a current schema at any
    time: the functions of older versions stay, so that these keep running.

    Raises `DatabaseUnusable` if its schema is newer than this program's, if it is older and may not be upgraded, if
    there is none and it may not be created, and if the database is not UTF-8.
    """
    encoding = await connection.fetchval("SHOW server_encoding")
    if encoding != "UTF8":
        raise DatabaseUnusable(f"The database keeps text as {encoding}; make one with ENCODING 'UTF8'.")
    scripts = _scripts()
    version = await _version(connection)
    if version:
        await refuse_other_schema(connection)
    if version == len(scripts) and await has_functions(connection, SCHEMA):
        return
    if version == 0 and not create:
        raise DatabaseMissing("The database has no tables of amplifierd's")
    if version and not upgrade:
        await refuse_other(connection)
    async with connection.transaction():
        # Wait for the migration of another program, however long it takes.
        await connection.execute("SET LOCAL lock_timeout = 0")
        await connection.execute("SELECT pg_advisory_xact_lock($1)", LOCK, timeout=SECONDS)
        version = await _version(connection)
        migrations.refuse_newer(version, len(scripts), _DATABASE)
        if version == 0:
            await _refuse_misplaced(connection)
            await connection.execute(f"CREATE SCHEMA IF NOT EXISTS {SCHEMA}")
            await refuse_other_schema(connection)
        for script in scripts[version:]:
            await connection.execute(script, timeout=SECONDS)
        await connection.execute(functions())
        await connection.execute("DELETE FROM schema_version")
        await connection.execute("INSERT INTO schema_version VALUES ($1)", len(scripts))


async def refuse_other(connection: Connection) -> None:
    """Raises `DatabaseUnusable` if the database does not have the schema of this program."""
    migrations.refuse_other(await _version(connection), len(_scripts()), _DATABASE)


_HAS_VERSION = """
SELECT 1
FROM pg_catalog.pg_tables
WHERE schemaname = $1
    AND tablename = 'schema_version'
"""


_MISPLACED = """
SELECT schemaname
FROM pg_catalog.pg_tables
WHERE schemaname <> $1
    AND tablename IN ('schema_version', 'session', 'api_key', 'message')
GROUP BY schemaname
HAVING COUNT(*) = 4
LIMIT 1
"""


async def _refuse_misplaced(connection: Connection) -> None:
    schema = await connection.fetchval(_MISPLACED, SCHEMA)
    if schema is not None:
        # Beside a new schema all of these tables would be invisible, including the keys.
        raise DatabaseUnusable(
            f"The tables of amplifierd are in the schema {schema}: an earlier version wrote through a pooler that "
            f"ignores search_path. If nothing else is in that schema, do ALTER SCHEMA {schema} RENAME TO {SCHEMA}; "
            f"otherwise move the tables and functions with ALTER ... SET SCHEMA {SCHEMA}."
        )


async def _version(connection: Connection) -> int:
    # Not by to_regclass, which in a transaction uses what this connection knew when it began.
    if await connection.fetchval(_HAS_VERSION, SCHEMA) is None:
        return 0
    version: int | None = await connection.fetchval(f"SELECT version FROM {SCHEMA}.schema_version")  # noqa: S608  # a constant
    if version is None:
        raise DatabaseUnusable(f"The table {SCHEMA}.schema_version is empty: restore the database from a backup.")
    return version


def _scripts() -> list[str]:
    return migrations.numbered_scripts(str(__package__))
