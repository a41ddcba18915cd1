"""Writes the words of messages into the index, some at a time: between writes, or before a search."""

from collections.abc import Iterator

import apsw
import msgspec

from ...model.records import Message
from ...search.searched_text import searched_text
from ...search.tokenizer import PIPELINE_VERSION, IndexedText, Tokenizer
from ...sql.ports import Bindings, Row, Rows
from ..connection import transaction
from ..statements import SQLiteStatements
from . import statements as search_statements

# A step takes as long as a write that arrives meanwhile can wait.
MESSAGES_AT_ONCE = 500
BYTES_AT_ONCE = 1024 * 1024
SESSIONS_AT_ONCE = 100

_decode_message = msgspec.json.Decoder(Message).decode


async def is_indexed(rows: Rows, workspace: str) -> bool:
    """Whether every write of the workspace is in the index."""
    last = await rows.row(SQLiteStatements.LAST_REVISION, {"workspace": workspace})
    progress = await rows.row(search_statements.SEARCH_PROGRESS, {"workspace": workspace})
    # It is ahead if somebody deleted sessions by hand; `amplifierd check` reports that.
    return last is not None and last[0] <= (progress[0] if progress is not None else 0)


def index_some(connection: apsw.Connection, workspace: str, tokenizer: Tokenizer) -> bool:
    """Take the next messages in, within a transaction; whether there may be more."""
    row: Row | None = connection.execute(search_statements.SEARCH_PROGRESS, {"workspace": workspace}).fetchone()
    bindings: Bindings = {"workspace": workspace, "seen": 0 if row is None else row[0], "most": SESSIONS_AT_ONCE}
    changed = connection.execute(search_statements.CHANGED_SESSIONS, bindings).fetchall()
    left, bytes_left = MESSAGES_AT_ONCE, BYTES_AT_ONCE
    for revision, session_id, deleted in changed:
        key: Bindings = {"workspace": workspace, "id": str(session_id), "most": left, "bytes": bytes_left}
        if not deleted:
            taken, size = _index(connection, key, tokenizer)
            left, bytes_left = left - taken, bytes_left - size
        if left <= 0:
            return True
        connection.execute(search_statements.SET_SEARCH_PROGRESS, {"workspace": workspace, "revision": revision})
        if bytes_left <= 0:
            return True
    return len(changed) == SESSIONS_AT_ONCE


def reindex(connection: apsw.Connection, key: Bindings, message: Message, words: object, tokenizer: Tokenizer) -> None:
    """Replace the words of a message that are in the index, within a transaction, by these or those that it has."""
    sequence: Bindings = {"sequence": message.sequence}
    row: Row | None = connection.execute(search_statements.NUMBER_OF_INDEXED, {**key, **sequence}).fetchone()
    if row is None:
        return
    said = words if isinstance(words, IndexedText) else tokenizer.indexed(searched_text(message))
    connection.execute(search_statements.REMOVE_ENTRY, {"number": row[0], **sequence})
    connection.execute(search_statements.ADD_ENTRY, _entry(row[0], message.sequence, said))


def _index(connection: apsw.Connection, key: Bindings, tokenizer: Tokenizer) -> tuple[int, int]:
    """Take a session's next messages in.

    Returns their count, or the most that may be taken if there are more, and their size in bytes.
    """
    counted: list[Row] = connection.execute(SQLiteStatements.MESSAGE_COUNT, key).fetchall()
    message_count = min(counted[0][0], search_statements.LAST_SEQUENCE)
    connection.execute(search_statements.ADD_SEARCH_SESSION, key)
    entries: list[Row] = connection.execute(search_statements.NEXT_ENTRIES, key).fetchall()
    [(number, first, last)] = entries
    if last is None or last > message_count:
        return 1, 0
    bindings = key | {"number": number, "first": first, "last": last}
    messages: list[Row] = connection.execute(search_statements.MESSAGES, bindings).fetchall()
    connection.executemany(search_statements.ADD_ENTRY, _entries(number, messages, tokenizer))
    connection.execute(search_statements.SET_SEARCH_SESSION, bindings)
    taken: int = last - first + 1
    size = sum(len(record) for _, record in messages)
    return taken if last == message_count else MESSAGES_AT_ONCE, size


def _entries(number: int, messages: list[Row], tokenizer: Tokenizer) -> Iterator[Bindings]:
    for sequence, record in messages:
        yield _entry(number, sequence, tokenizer.indexed(_text(record)))


def _entry(number: int, sequence: int, said: IndexedText) -> Bindings:
    return {"number": number, "sequence": sequence, "words": said.words, "forms": " ".join(said.forms)}


def _text(record: bytes) -> str:
    """The text of a message, with its tools; empty for a damaged record."""
    try:
        return searched_text(_decode_message(record))
    except msgspec.MsgspecError:
        return ""


def begin_again(connection: apsw.Connection) -> None:
    """Empty the index, within a transaction; `index_some` then writes it again."""
    [(definition,)] = connection.execute(search_statements.SEARCH_TABLE)
    connection.execute(search_statements.FORGET_SEARCH)
    connection.execute(definition)
    connection.execute(search_statements.SET_PIPELINE, {"version": PIPELINE_VERSION})


def begin_again_by_other_rules(connection: apsw.Connection) -> None:
    """The same if another version of the program split words by other rules."""
    [(version,)] = connection.execute(search_statements.PIPELINE)
    if version != PIPELINE_VERSION:
        with transaction(connection):
            begin_again(connection)
