"""opencode's database (`~/.local/share/opencode/opencode.db`): sessions, their messages, and the parts of these.

The columns `data` are JSON.
"""

from collections.abc import Iterator
from typing import IO, Any

from ..interface import Chat, Fault, Head, Object, Step
from ..sqlite.rows import SQLITE, Database, json_of, plain, read_database
from ..values import labels_of, line_of, texts_of, time_of, without
from .records import NAME, StoredMessage, last_turns, turns

_TABLES = {"session", "message", "part"}
_SESSIONS = "SELECT * FROM session ORDER BY id"
_MESSAGES = "SELECT id, time_created, data FROM message WHERE session_id = ? ORDER BY time_created, id"
_PARTS = "SELECT id, data FROM part WHERE message_id = ? ORDER BY id"


def is_database(head: Head) -> bool:
    """Whether a source with this beginning is the database."""
    return head.start.startswith(SQLITE) and all(
        name in head.start for name in (b"session", b"message_id", b"project_id", b"time_created")
    )


def read_opencode_database(source: IO[bytes]) -> Iterator[Step]:
    """The steps of a database."""
    return read_database(source, _steps)


def _steps(database: Database) -> Iterator[Step]:
    if not database.tables >= _TABLES:
        yield Fault(kind="no conversation", line=1, sentence="The database has no tables session, message and part.")
        return
    database.index("message", "session_id")
    database.index("part", "message_id")
    for row in database.rows(_SESSIONS):
        yield _chat(row)
        yield from _messages(database, row.get("id"))


def _chat(row: Object) -> Chat:
    consumed = ("id", "title", "directory", "parent_id", "time_created")
    context = {name: json_of(value) for name, value in without(row, *consumed).items() if value is not None}
    return Chat(
        key=f"{row.get('id')}",
        name=line_of(row.get("title")),
        created_at=time_of(row.get("time_created")),
        labels=labels_of(directory=row.get("directory"), project=row.get("project_id")),
        context={NAME: context},
        parent=texts_of(row, "parent_id")[0],
        archived=row.get("time_archived") is not None,
    )


def _messages(database: Database, session_id: Any) -> Iterator[Step]:
    waiting: Object | None = None
    for row in database.rows(_MESSAGES, session_id):
        if waiting is not None:
            yield from turns(_read_message(database, session_id, waiting))
        waiting = row
    if waiting is not None:
        yield from last_turns(_read_message(database, session_id, waiting))


def _read_message(database: Database, session_id: Any, row: Object) -> StoredMessage:
    parts = [(plain(part["id"]), json_of(part["data"])) for part in database.rows(_PARTS, row["id"])]
    return StoredMessage(f"{session_id}", f"{row['id']}", plain(row["time_created"]), json_of(row["data"]), parts)
