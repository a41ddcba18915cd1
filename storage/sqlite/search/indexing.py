"""Writes what messages say into the index of words, some at a time: between writes, or before a search."""

import apsw

from ...sql.ports import Bindings, Row, Rows
from ..statements import SQLiteStatements
from . import statements as search_statements

# A step is as much as a write that comes meanwhile can wait for.
MESSAGES_AT_ONCE = 500
BYTES_AT_ONCE = 1024 * 1024
SESSIONS_AT_ONCE = 100


async def is_indexed(rows: Rows, workspace: str) -> bool:
    """Whether every write of the workspace is in the index."""
    last = await rows.row(SQLiteStatements.LAST_REVISION, {"workspace": workspace})
    progress = await rows.row(search_statements.SEARCH_PROGRESS, {"workspace": workspace})
    # It is ahead where somebody took sessions away by hand: `amplifierd check` says so.
    return last is not None and last[0] <= (progress[0] if progress is not None else 0)


def index_some(connection: apsw.Connection, workspace: str) -> bool:
    """Take the next messages in, within a transaction; whether there may be more."""
    row: Row | None = connection.execute(search_statements.SEARCH_PROGRESS, {"workspace": workspace}).fetchone()
    bindings: Bindings = {"workspace": workspace, "seen": 0 if row is None else row[0], "most": SESSIONS_AT_ONCE}
    changed = connection.execute(search_statements.CHANGED_SESSIONS, bindings).fetchall()
    left = MESSAGES_AT_ONCE
    for revision, session_id, deleted in changed:
        key: Bindings = {"workspace": workspace, "id": str(session_id), "most": left, "bytes": BYTES_AT_ONCE}
        if not deleted:
            left -= _index(connection, key)
        if left <= 0:
            return True
        connection.execute(search_statements.SET_SEARCH_PROGRESS, {"workspace": workspace, "revision": revision})
    return len(changed) == SESSIONS_AT_ONCE


def _index(connection: apsw.Connection, key: Bindings) -> int:
    """Take a session's next messages in; how many there were, or all that may be taken where there are more."""
    counted: list[Row] = connection.execute(SQLiteStatements.MESSAGE_COUNT, key).fetchall()
    message_count = min(counted[0][0], search_statements.LAST_SEQUENCE)
    connection.execute(search_statements.ADD_SEARCH_SESSION, key)
    entries: list[Row] = connection.execute(search_statements.NEXT_ENTRIES, key).fetchall()
    [(number, first, last)] = entries
    if last is None or last > message_count:
        return 1
    bindings = key | {"number": number, "first": first, "last": last}
    connection.execute(search_statements.ADD_ENTRIES, bindings)
    connection.execute(search_statements.SET_SEARCH_SESSION, bindings)
    taken: int = last - first + 1
    return taken if last == message_count else MESSAGES_AT_ONCE
