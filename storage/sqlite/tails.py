"""Following sessions: a reader's position in what is stored, and what there is after it.

A reader that is slow, or comes back, reads from where it was: there is no buffer that it could fall out of.
"""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator

import msgspec

from ..errors import StorageUnavailable
from ..records import Event
from . import statements
from .changes import Changes
from .readers import Bindings, Readers
from .sessions import session_of

MOST_EVENTS = 500
BLOCK_BYTES = 256 * 1024
RETRY_SECONDS = 1.0

_encode = msgspec.json.Encoder().encode


class Tail(ABC):
    """A reader's position; `over` when nothing can come any more."""

    over = False

    @abstractmethod
    def read(self) -> list[Event]:
        """What comes next, of which the position is then the end; nothing where nothing has come."""


class SessionTail(Tail):
    """The position in one session: its last message, and the version of its last change."""

    def __init__(self, readers: Readers, workspace: str, session_id: str, sequence: int, version: int) -> None:
        self._readers = readers
        self._key: Bindings = {"workspace": workspace, "id": session_id}
        self._sequence = sequence
        self._version = version

    def read(self) -> list[Event]:
        state = self._readers.row(statements.TAIL_STATE, self._key)
        if state is None:
            return self._end()
        message_count, version, changed_sequence = state
        changed = version > self._version
        # A change comes where it was made: after the messages that were there.
        last = changed_sequence if changed else message_count
        if last > self._sequence:
            return self._messages(last)
        return self._session() if changed else []

    def _messages(self, last: int) -> list[Event]:
        bindings = self._key | {"first": self._sequence + 1, "last": last, "most": MOST_EVENTS}
        rows = self._readers.block(statements.TAIL_MESSAGES, bindings, BLOCK_BYTES)
        if not rows:
            return self._end()
        self._sequence = rows[-1][0]
        return [Event("message", record, str(sequence)) for sequence, record in rows]

    def _session(self) -> list[Event]:
        row = self._readers.row(statements.TAIL_SESSION, self._key)
        if row is None:
            return self._end()
        version, changed_sequence, *columns = row
        if changed_sequence > self._sequence:
            # It changed again, after more messages.
            return self._messages(changed_sequence)
        self._version = version
        session = session_of(str(self._key["id"]), tuple(columns))
        return [Event("session", _encode(session), f"{self._sequence}.{version}")]

    def _end(self) -> list[Event]:
        self.over = True
        return [Event("deleted", _encode({"id": self._key["id"]}))]


class WorkspaceTail(Tail):
    """The position in the writes of a workspace."""

    def __init__(self, readers: Readers, workspace: str, revision: int) -> None:
        self._readers = readers
        self._workspace = workspace
        self._revision = revision

    def read(self) -> list[Event]:
        bindings: Bindings = {"workspace": self._workspace, "seen": self._revision, "most": MOST_EVENTS}
        rows = self._readers.block(statements.CHANGES, bindings, BLOCK_BYTES)
        if rows:
            self._revision = rows[-1][0]
        return [Event(kind, data, str(revision)) for revision, kind, data in rows]


def session_tail(readers: Readers, workspace: str, session_id: str, after_event: str | None) -> SessionTail | None:
    """The position after an event; None where there is no such session."""
    state = readers.row(statements.TAIL_STATE, {"workspace": workspace, "id": session_id})
    if state is None:
        return None
    message_count, version, changed_sequence = state
    if after_event is None:
        return SessionTail(readers, workspace, session_id, message_count, version)
    sequence, _, seen = after_event.partition(".")
    if seen:
        return SessionTail(readers, workspace, session_id, int(sequence), int(seen))
    # Who has seen this message has seen every change that was made before it.
    seen_version = version if changed_sequence < int(sequence) else 0
    return SessionTail(readers, workspace, session_id, int(sequence), seen_version)


def workspace_tail(readers: Readers, workspace: str, after_event: str | None) -> WorkspaceTail:
    """The position after an event."""
    if after_event is not None:
        return WorkspaceTail(readers, workspace, int(after_event))
    row = readers.row(statements.LAST_REVISION, {"workspace": workspace})
    assert row is not None, "An aggregate always has a row."
    return WorkspaceTail(readers, workspace, row[0])


async def follow(
    tail: Tail, changes: Changes, workspace: str, session_id: str | None = None
) -> AsyncGenerator[list[Event], None]:
    """What comes after a position, until nothing can come any more."""
    with changes.watch(workspace, session_id) as changed:
        while not tail.over:
            changed.clear()
            try:
                events = tail.read()
            except StorageUnavailable:
                # The position stays, and with it all that comes after it.
                await asyncio.sleep(RETRY_SECONDS)
                continue
            if events:
                yield events
            else:
                await changed.wait()
