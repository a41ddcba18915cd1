"""Rebuilds the indexes of a file from its tables, without a read of an index that is too damaged for that."""

from collections.abc import Container
from contextlib import suppress

import apsw

from ..connection import WriteTransaction

INDEXES = """
SELECT name, tbl_name, sql
FROM sqlite_schema
WHERE type = 'index'
    AND rootpage > 0
"""

# The columns of the index that a constraint of a table has.
COLUMNS = """
SELECT name, "desc", coll
FROM pragma_index_xinfo(?)
WHERE key
ORDER BY seqno
"""

FORGET = """
DELETE FROM sqlite_schema
WHERE type = 'index'
    AND name = ?
"""

# The index of a constraint gets the pages of another one.
MOVE = """
UPDATE sqlite_schema
SET rootpage = (
    SELECT rootpage
    FROM sqlite_schema
    WHERE name = :source
)
WHERE type = 'index'
    AND name = :name
"""

_NEW = "rebuilt_index"


def rebuild_indexes(connection: apsw.Connection) -> None:
    """Rebuild all indexes. Raises `apsw.ConstraintError` if a table has two rows that a unique index does not allow.

    SQLite frees the pages of an index before it writes the new ones, so it must read them. An index that it cannot read
    is made under new pages, and the old ones are removed with VACUUM, for which the disk needs space for another file.
    """
    try:
        connection.execute("REINDEX")
    except apsw.CorruptError:
        lost = [index for index in connection.execute(INDEXES).fetchall() if not _is_rebuilt(connection, str(index[0]))]
        for name, table, statement in lost:
            _replace(connection, str(name), str(table), statement)
        connection.execute("VACUUM")


def replace_indexes(connection: apsw.Connection, tables: Container[str]) -> None:
    """Make the indexes of some tables under new pages; those of a table that can't be read stay as they are.

    The old pages are neither read nor freed, because they may refer to pages of tables.
    """
    for name, table, statement in connection.execute(INDEXES).fetchall():
        if table in tables:
            with suppress(apsw.CorruptError, apsw.ConstraintError):
                _replace(connection, str(name), str(table), statement)


def _is_rebuilt(connection: apsw.Connection, name: str) -> bool:
    try:
        connection.execute(f'REINDEX "{name}"')
    except apsw.CorruptError:
        return False
    return True


def _replace(connection: apsw.Connection, name: str, table: str, statement: object) -> None:
    with WriteTransaction(connection):
        if statement is not None:
            _change_schema(connection, FORGET, (name,))
            connection.execute(str(statement))
            return
        columns = ", ".join(
            f'"{column}" COLLATE {collation}{" DESC" if descends else ""}'
            for column, descends, collation in connection.execute(COLUMNS, (name,))
        )
        connection.execute(f'CREATE UNIQUE INDEX {_NEW} ON "{table}" ({columns})')
        _change_schema(connection, MOVE, {"source": _NEW, "name": name})
        _change_schema(connection, FORGET, (_NEW,))


def _change_schema(connection: apsw.Connection, statement: str, bindings: tuple[str, ...] | dict[str, str]) -> None:
    connection.pragma("writable_schema", "on")
    try:
        connection.execute(statement, bindings)
    finally:
        connection.pragma("writable_schema", "reset")
