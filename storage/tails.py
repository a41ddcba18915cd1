"""Following sessions: a reader's position in what is stored, and what there is after it.

A reader that is slow, or comes back, reads from where it was: there is no buffer that it could fall out of.
"""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator

import msgspec

from .changes import Changes
from .errors import StorageUnavailable
from .records import Event
from .rows import Bindings, Reader, Statements
from .sessions import session_of

MOST_EVENTS = 500
BLOCK_BYTES = 256 * 1024
RETRY_SECONDS = 1.0

_encode = msgspec.json.Encoder().encode


class Tail(ABC):
    """A reader's position; `over` when nothing can come any more."""

    over = False

    @abstractmethod
    async def read(self) -> list[Event]:
        """What comes next, of which the position is then the end; nothing where nothing has come."""


class SessionTail(Tail):
    """The position in one session: its last message, and the version of its last change."""

    def __init__(
        self, rows: Reader, statements: Statements, workspace: str, session_id: str, sequence: int, version: int
    ) -> None:
        self._rows = rows
        self._statements = statements
        self._key: Bindings = {"workspace": workspace, "id": session_id}
        self._sequence = sequence
        self._version = version

    async def read(self) -> list[Event]:
        state = await self._rows.row(self._statements.TAIL_STATE, self._key)
        if state is None:
            return self._end()
        message_count, version, changed_sequence = state
        changed = version > self._version
        # A change comes where it was made: after the messages that were there.
        last = changed_sequence if changed else message_count
        if last > self._sequence:
            return await self._messages(last)
        return await self._session() if changed else []

    async def _messages(self, last: int) -> list[Event]:
        bindings = self._key | {"first": self._sequence + 1, "last": last, "most": MOST_EVENTS}
        rows = await self._rows.block(self._statements.TAIL_MESSAGES, bindings, BLOCK_BYTES)
        if not rows:
            return self._end()
        self._sequence = rows[-1][0]
        return [Event("message", record, str(sequence)) for sequence, record in rows]

    async def _session(self) -> list[Event]:
        row = await self._rows.row(self._statements.TAIL_SESSION, self._key)
        if row is None:
            return self._end()
        version, changed_sequence, *columns = row
        if changed_sequence > self._sequence:
            # It changed again, after more messages.
            return await self._messages(changed_sequence)
        self._version = version
        session = session_of(str(self._key["id"]), tuple(columns))
        return [Event("session", _encode(session), f"{self._sequence}.{version}")]

    def _end(self) -> list[Event]:
        self.over = True
        return [Event("deleted", _encode({"id": self._key["id"]}))]


class WorkspaceTail(Tail):
    """The position in the writes of a workspace."""

    def __init__(self, rows: Reader, statements: Statements, workspace: str, revision: int) -> None:
        self._rows = rows
        self._statements = statements
        self._workspace = workspace
        self._revision = revision

    async def read(self) -> list[Event]:
        bindings: Bindings = {"workspace": self._workspace, "seen": self._revision, "most": MOST_EVENTS}
        rows = await self._rows.block(self._statements.CHANGES, bindings, BLOCK_BYTES)
        if rows:
            self._revision = rows[-1][0]
        return [Event(kind, data, str(revision)) for revision, kind, data in rows]


async def session_tail(
    rows: Reader, statements: Statements, workspace: str, session_id: str, after_event: str | None
) -> SessionTail | None:
    """The position after an event; None where there is no such session."""
    state = await rows.row(statements.TAIL_STATE, {"workspace": workspace, "id": session_id})
    if state is None:
        return None
    message_count, version, changed_sequence = state
    if after_event is None:
        return SessionTail(rows, statements, workspace, session_id, message_count, version)
    sequence, _, seen = after_event.partition(".")
    if seen:
        return SessionTail(rows, statements, workspace, session_id, int(sequence), int(seen))
    # Who has seen this message has seen every change that was made before it.
    seen_version = version if changed_sequence < int(sequence) else 0
    return SessionTail(rows, statements, workspace, session_id, int(sequence), seen_version)


async def workspace_tail(
    rows: Reader, statements: Statements, workspace: str, after_event: str | None
) -> WorkspaceTail:
    """The position after an event."""
    if after_event is not None:
        return WorkspaceTail(rows, statements, workspace, int(after_event))
    row = await rows.row(statements.LAST_REVISION, {"workspace": workspace})
    assert row is not None, "An aggregate always has a row."
    return WorkspaceTail(rows, statements, workspace, row[0])


async def follow(
    tail: Tail, changes: Changes, workspace: str, session_id: str | None = None
) -> AsyncGenerator[list[Event], None]:
    """What comes after a position, until nothing can come any more."""
    with changes.watch(workspace, session_id) as changed:
        while not tail.over:
            changed.clear()
            try:
                events = await tail.read()
            except StorageUnavailable:
                # The position stays, and with it all that comes after it.
                await asyncio.sleep(RETRY_SECONDS)
                continue
            if events:
                yield events
            else:
                await changed.wait()
