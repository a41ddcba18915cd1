"""SQLite's own checks of a file: of its pages, and of its indexes against their tables.

See https://www.sqlite.org/pragma.html#pragma_integrity_check.
"""

import apsw

MAX_FAULTS = 10
# A line before the faults of pages.
_HEADING = "*** in database"

# A list of the virtual tables as well would read the tables of the search index.
_STORED_TABLES = """
SELECT name
FROM sqlite_schema
WHERE type = 'table'
    AND rootpage > 0
"""


def faults(connection: apsw.Connection, *, table: str | None = None, is_quick: bool = False) -> list[str]:
    """The first MAX_FAULTS faults that SQLite finds, in a table and its indexes, or in the whole file without `table`.

    With `is_quick` it does not compare indexes with their tables.
    """
    check = "quick_check" if is_quick else "integrity_check"
    subject = str(MAX_FAULTS) if table is None else f'"{table}"'
    found: list[str] = []
    try:
        for (text,) in connection.execute(f"PRAGMA {check}({subject})"):
            found += [line for line in str(text).splitlines() if not line.startswith(_HEADING)]
    except (apsw.CorruptError, apsw.NotADBError) as error:
        found.append(str(error))
    return [] if found == ["ok"] else found[:MAX_FAULTS]


def faults_of_tables(connection: apsw.Connection) -> dict[str, str]:
    """The first fault of each table that has one, in the table or in one of its indexes."""
    tables = [str(name) for (name,) in connection.execute(_STORED_TABLES)]
    found = {table: faults(connection, table=table) for table in tables}
    return {table: lines[0] for table, lines in found.items() if lines}
