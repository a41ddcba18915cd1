"""Finds and counts the messages that wait to be indexed."""

from dataclasses import dataclass

import apsw

from ...sql.ports import Row, Rows
from ..statements import SQLiteStatements
from . import statements as search_statements

# A search waits until messages are indexed up to these limits: their number, and the bytes of their records.
MAX_MESSAGES = 10_000
MAX_BYTES = 16 * 1024 * 1024
# The limit of that wait: on a busy machine it would take longer than a request may take.
MAX_SECONDS = 5.0
# The maximum number of changed sessions that are counted, which takes a fraction of a second.
MAX_COUNTED_SESSIONS = 100_000


@dataclass(frozen=True, slots=True)
class Waiting:
    """The sessions with waiting messages up to a revision, each with its last sequence, and the number of messages.

    If `is_too_much` is set, a search cannot wait for them, and sessions may be missing.
    """

    revision: int
    sessions: list[tuple[str, int]]
    messages: int
    is_too_much: bool


async def is_indexed(rows: Rows, workspace: str) -> bool:
    """Whether every write of the workspace is in the index."""
    last = await rows.row(SQLiteStatements.LAST_REVISION, {"workspace": workspace})
    progress = await rows.row(search_statements.SEARCH_PROGRESS, {"workspace": workspace})
    # The progress may be ahead if somebody deleted sessions by hand; `amplifierd check` reports that.
    return last is not None and last[0] <= (progress[0] if progress is not None else 0)


def find_waiting(connection: apsw.Connection, workspace: str) -> Waiting:
    """The messages for which a search of a workspace must wait."""
    # Read the revision first: later writes have a higher revision.
    [(revision,)] = connection.execute(SQLiteStatements.LAST_REVISION, {"workspace": workspace})
    bindings = {"workspace": workspace, "most": MAX_MESSAGES + 1}
    rows: list[Row] = connection.execute(search_statements.WAITING_SESSIONS, bindings).fetchall()
    messages = sum(last - indexed for _, last, indexed in rows)
    size = 0
    for session_id, last, indexed in rows if messages <= MAX_MESSAGES else ():
        place = {"workspace": workspace, "id": session_id, "after": indexed, "last": last}
        [(length,)] = connection.execute(search_statements.WAITING_BYTES, place)
        size += length
        if size > MAX_BYTES:
            break
    is_too_much = messages > MAX_MESSAGES or size > MAX_BYTES
    return Waiting(revision, [(session_id, last) for session_id, last, _ in rows], messages, is_too_much)


def count_waiting(connection: apsw.Connection, workspace: str | None = None) -> int:
    """The number of messages that wait to be indexed, in a workspace or in all."""
    workspaces = [(workspace,)] if workspace else connection.execute(SQLiteStatements.WORKSPACES).fetchall()
    counted = 0
    for (each,) in workspaces:
        bindings = {"workspace": each, "most": MAX_COUNTED_SESSIONS}
        [(count,)] = connection.execute(search_statements.COUNT_WAITING, bindings)
        counted += count
    return counted
