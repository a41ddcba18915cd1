"""Reads every session with its messages in batches: between two batches only a position is held."""

from collections.abc import AsyncGenerator, Awaitable, Callable

import msgspec

from ...model.errors import SessionNotFound
from ...model.profile_records import ProfileSettings
from ...model.records import ExportHeader, ExportLine, Message
from ...sql.ports import Bindings, Reader
from ...sql.statements.sessions import Statements
from ..sessions import session_of

MAX_LINES = 1_000
BATCH_BYTES = 256 * 1024

_decode_profile = msgspec.json.Decoder(ProfileSettings).decode
_decode_message = msgspec.json.Decoder(Message).decode


class Position:
    """The progress of an export: a session, its number of messages, and the last one that was read."""

    def __init__(self, statements: Statements, workspace: str) -> None:
        self._statements = statements
        self._key: Bindings = {"workspace": workspace, "id": ""}
        self._sequence = 0
        self._message_count = 0

    async def read(self, rows: Reader) -> list[ExportLine]:
        """The next lines; empty after the last session."""
        lines: list[ExportLine] = []
        size = 0
        while size < BATCH_BYTES and len(lines) < MAX_LINES:
            taken = (
                await self._messages(rows, lines)
                if self._sequence < self._message_count
                else await self._session(rows, lines)
            )
            if not taken:
                break
            size += taken
        return lines

    async def _session(self, rows: Reader, lines: list[ExportLine]) -> int:
        row = await rows.row(self._statements.NEXT_SESSION, self._key)
        if row is None:
            return 0
        profile, *columns = row
        session = session_of("", tuple(columns))
        self._key["id"] = session.id
        self._sequence, self._message_count = 0, session.message_count
        lines.append(ExportLine(session=session))
        if profile is not None:
            lines.append(ExportLine(profile=_decode_profile(profile)))
        return len(bytes(session.context)) + len(profile or "") + 1

    async def _messages(self, rows: Reader, lines: list[ExportLine]) -> int:
        bindings = self._key | {"first": self._sequence + 1, "last": self._message_count, "most": MAX_LINES}
        found = await rows.block(self._statements.TAIL_MESSAGES, bindings, BATCH_BYTES)
        if not found:
            raise SessionNotFound(str(self._key["id"]))
        self._sequence = found[-1][0]
        lines += [ExportLine(message=_decode_message(record)) for _, record in found]
        return sum(len(record) for _, record in found)


async def export(read: Callable[[], Awaitable[list[ExportLine]]]) -> AsyncGenerator[list[ExportLine], None]:
    """The header and the first lines, then the others."""
    lines = [ExportLine(header=ExportHeader()), *await read()]
    while lines:
        yield lines
        lines = await read()
