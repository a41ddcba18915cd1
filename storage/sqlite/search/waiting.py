"""What waits to be indexed: how much, which sessions, and the texts of their next messages, each as of one moment."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import NamedTuple

import apsw
import msgspec

from ...model.queries import IndexProgress
from ...model.records import Message
from ...search.searched_text import searched_text
from ...sql.ports import Bindings, Row, Rows
from ..statements import SQLiteStatements
from . import index_statements as statements

# Records of more bytes are indexed in pieces, and their words not told apart before their turn comes.
LONG_BYTES = 128 * 1024
# The messages of a batch, and the bytes of their records; the last one may exceed it.
MESSAGES_AT_ONCE = 500
BYTES_AT_ONCE = 256 * 1024
# As many sessions that were written are counted, in a fraction of a second.
MAX_COUNTED_SESSIONS = 100_000
# As many sessions are in a plan.
MAX_SESSIONS = 10_000

_decode_message = msgspec.json.Decoder(Message).decode


class Span(NamedTuple):
    """The next messages of a session that wait: at most `most`, none after `last`."""

    session_id: str
    last: int
    most: int


@dataclass(slots=True)
class Plan:
    """What waits in a workspace, or its first part: all writes after `seen` up to `revision` are indexed by it.

    `messages` are those that wait in sessions up to the last of `spans`. The plan holds as long as the index is of the
    same `generation`. It `is_whole` if nothing waits after it.
    """

    workspace: str
    generation: int
    seen: int
    revision: int
    spans: list[Span] = field(default_factory=list)
    messages: int = 0
    is_whole: bool = True


@dataclass(slots=True)
class Batch:
    """The next messages of a session after one, as they were at a version of the session.

    A text is None if it is long. Without further messages before `last` the session is done.
    """

    session_id: str
    version: int
    created_revision: int
    after: int
    last: int
    texts: list[tuple[int, str | None]]


async def is_indexed(rows: Rows, workspace: str) -> bool:
    """Whether every write of the workspace is in the index."""
    last = await rows.one(SQLiteStatements.LAST_REVISION, {"workspace": workspace})
    progress = await rows.one(statements.PROGRESS, {"workspace": workspace})
    # It is ahead if somebody deleted sessions by hand; `amplifierd check` reports that.
    is_behind = last[0] > progress[0]
    return not is_behind and await rows.row(statements.HAS_WAITING_LONG, {"workspace": workspace}) is None


def index_progress(connection: apsw.Connection, workspace: str) -> IndexProgress:
    """How many messages of a workspace are in the index, and how many wait, of the first 100,000 changed sessions."""
    with snapshot(connection):
        seen, indexed, _ = _progress(connection, workspace)
        bindings = {"workspace": workspace, "seen": seen, "most": MAX_COUNTED_SESSIONS}
        [(waiting,)] = connection.execute(statements.COUNT_WAITING, bindings)
    return IndexProgress(indexed, waiting)


def plan(connection: apsw.Connection, workspace: str, most: int) -> Plan:
    """A plan for at most `most` messages, in the order in which their sessions were written."""
    with snapshot(connection):
        seen, _, generation = _progress(connection, workspace)
        [(last,)] = connection.execute(SQLiteStatements.LAST_REVISION, {"workspace": workspace})
        made = Plan(workspace, generation, seen, seen)
        bindings = {"workspace": workspace, "seen": seen, "most": MAX_SESSIONS}
        rows: list[Row] = connection.execute(statements.CHANGED_SESSIONS, bindings).fetchall()
    for revision, session_id, message_count, indexed in rows:
        waiting = message_count - indexed
        if waiting > 0 and made.messages >= most:
            made.messages += waiting
            made.is_whole = False
            return made
        if waiting > 0:
            made.spans.append(Span(session_id, message_count, min(waiting, most - made.messages)))
            made.messages += waiting
            if made.messages > most:
                # Some of its messages are left.
                made.is_whole = False
                return made
        made.revision = revision
    made.is_whole = len(rows) < MAX_SESSIONS
    if made.is_whole:
        # Sessions that were deleted since have revisions too.
        made.revision = last
    return made


def next_batches(connection: apsw.Connection, workspace: str, spans: list[Span]) -> list[Batch]:
    """The next messages of the first of these spans, which are taken from the list; none if the list is empty.

    A span of which more is left stays in the list.
    """
    batches: list[Batch] = []
    left, bytes_left = MESSAGES_AT_ONCE, BYTES_AT_ONCE
    with snapshot(connection):
        while spans and left > 0 and bytes_left > 0:
            span = spans.pop()
            batch = _batch(connection, workspace, span, min(left, span.most), bytes_left)
            if batch is None:
                continue
            batches.append(batch)
            taken = len(batch.texts)
            # A session of which nothing is left counts as well.
            left -= max(1, taken)
            bytes_left -= sum(len(text or "") for _, text in batch.texts)
            if batch.last < span.last and taken < span.most:
                spans.append(span._replace(most=span.most - taken))
    return batches


def _batch(connection: apsw.Connection, workspace: str, span: Span, most: int, most_bytes: int) -> Batch | None:
    """The next messages of a span; None if its session is gone, or was indexed meanwhile."""
    key: Bindings = {"workspace": workspace, "id": span.session_id}
    session: Row | None = connection.execute(statements.SESSION_TO_INDEX, key).fetchone()
    if session is None or session[2] >= span.last:
        return None
    version, created_revision, after = session
    bindings = key | {"after": after, "last": span.last, "most": most, "long": LONG_BYTES}
    texts: list[tuple[int, str | None]] = []
    size = 0
    is_cut = False
    for sequence, record in connection.execute(statements.MESSAGES, bindings):
        if size >= most_bytes:
            is_cut = True
            break
        texts.append((sequence, None if record is None else text_of(record)))
        size += len(record or b"")
    # Messages may be missing at the end of a damaged session.
    is_done = not is_cut and len(texts) < most
    last = span.last if is_done else texts[-1][0]
    return Batch(span.session_id, version, created_revision, after, last, texts)


def long_text(connection: apsw.Connection, number: int) -> str | None:
    """The text of a long message that waits; None if it does not wait any more."""
    row: Row | None = connection.execute(statements.LONG_RECORD, {"number": number}).fetchone()
    return None if row is None else text_of(row[0])


def text_of(record: bytes) -> str:
    """The text of a message, with its tools; empty for a damaged record."""
    try:
        return searched_text(_decode_message(record))
    except msgspec.MsgspecError:
        return ""


@contextmanager
def snapshot(connection: apsw.Connection) -> Iterator[None]:
    """Let statements read the database as of one moment."""
    connection.execute("BEGIN")
    try:
        yield
    finally:
        if connection.in_transaction:
            connection.execute("ROLLBACK")


def _progress(connection: apsw.Connection, workspace: str) -> Row:
    row: Row = connection.execute(statements.PROGRESS, {"workspace": workspace}).fetchall()[0]
    return row
