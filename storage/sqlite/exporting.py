"""Reading every session with its messages, a batch at a time: between two batches nothing is held but a position."""

from collections.abc import AsyncGenerator

import apsw
import msgspec

from ..errors import SessionNotFound
from ..records import ExportHeader, ExportLine, Message
from . import statements
from .readers import Bindings, Readers, first_rows
from .sessions import session_of

MOST_LINES = 1_000
BATCH_BYTES = 256 * 1024

_decode_message = msgspec.json.Decoder(Message).decode


class Position:
    """How far an export is: a session, and its last message that was read of so many."""

    def __init__(self, workspace: str) -> None:
        self._key: Bindings = {"workspace": workspace, "id": ""}
        self._sequence = 0
        self._message_count = 0

    def read(self, connection: apsw.Connection) -> list[ExportLine]:
        """The next lines; none after the last session."""
        lines: list[ExportLine] = []
        size = 0
        while size < BATCH_BYTES and len(lines) < MOST_LINES:
            taken = (
                self._messages(connection, lines)
                if self._sequence < self._message_count
                else self._session(connection, lines)
            )
            if not taken:
                break
            size += taken
        return lines

    def _session(self, connection: apsw.Connection, lines: list[ExportLine]) -> int:
        row = connection.execute(statements.NEXT_SESSION, self._key).fetchone()
        if row is None:
            return 0
        session = session_of("", row)
        self._key["id"] = session.id
        self._sequence, self._message_count = 0, session.message_count
        lines.append(ExportLine(session=session))
        return len(bytes(session.context)) + 1

    def _messages(self, connection: apsw.Connection, lines: list[ExportLine]) -> int:
        bindings = self._key | {"first": self._sequence + 1, "last": self._message_count, "most": MOST_LINES}
        found = connection.execute(statements.TAIL_MESSAGES, bindings)
        rows = first_rows(found, BATCH_BYTES, lambda row: len(row[-1]))
        if not rows:
            raise SessionNotFound(str(self._key["id"]))
        self._sequence = rows[-1][0]
        lines += [ExportLine(message=_decode_message(record)) for _, record in rows]
        return sum(len(record) for _, record in rows)


async def export(readers: Readers, workspace: str) -> AsyncGenerator[list[ExportLine], None]:
    """The header and the first lines, then the others."""
    position = Position(workspace)
    lines = [ExportLine(header=ExportHeader()), *await readers.work(position.read)]
    while lines:
        yield lines
        lines = await readers.work(position.read)
