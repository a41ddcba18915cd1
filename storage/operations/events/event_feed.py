"""Reads the stored events after a reader's position.

A slow reader, or one that reconnects, continues from its position: there is no buffer that could overflow.
"""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import partial

import msgspec

from ...model.errors import StorageUnavailable
from ...model.records import Event, Events
from ...sql.ports import Bindings, Reader, Row, session_key
from ...sql.statements.corrections import NEXT_CORRECTION, SEEN_CORRECTION
from ...sql.statements.sessions import Statements
from ..sessions import session_of
from .change_notifier import ChangeNotifier, Key
from .topics import Replay

MAX_EVENTS = 500
# As text, with its fields, a block of short events has less than 64 KiB.
BLOCK_BYTES = 48 * 1024
RETRY_SECONDS = 1.0

_encode = msgspec.json.Encoder().encode


class EventCursor(ABC):
    """A reader's position."""

    @abstractmethod
    async def read(self) -> "Step":
        """The next events, at most MAX_EVENTS in about BLOCK_BYTES; empty if there are none yet."""


@dataclass(frozen=True, slots=True)
class Step:
    """Events, and the position `after` them, or None if no event can follow. Readers at the same position share it."""

    events: Sequence[Event]
    after: EventCursor | None


@dataclass(frozen=True, slots=True)
class SessionEventCursor(EventCursor):
    """The position in one session: its last message, and the version of its last change or correction."""

    rows: Reader
    statements: Statements
    workspace: str
    session_id: str
    sequence: int
    version: int

    @property
    def _key(self) -> Bindings:
        return session_key(self.workspace, self.session_id)

    async def read(self) -> Step:
        state = await self.rows.row(self.statements.TAIL_STATE, self._key)
        if state is None:
            return Step((Event("deleted", _encode({"id": self.session_id})),), None)
        message_count, version, changed_sequence, latest = state
        changed = version > self.version
        correction = None if latest <= self.version else await self._next_correction()
        if correction is not None and not (changed and version < correction[0]):
            return await self._corrections(correction[1], version if changed else latest + 1)
        # A change comes after the messages that preceded it.
        last = changed_sequence if changed else message_count
        if last > self.sequence:
            return await self._messages(last)
        return await self._session() if changed else Step((), self)

    async def _next_correction(self) -> Row | None:
        return await self.rows.row(NEXT_CORRECTION, self._key | {"version": self.version})

    async def _messages(self, last: int) -> Step:
        bindings = self._key | {"first": self.sequence + 1, "last": last, "most": MAX_EVENTS}
        rows = await self.rows.block(self.statements.TAIL_MESSAGES, bindings, BLOCK_BYTES)
        if not rows:
            return self._wait()
        events = tuple(Event("message", record, str(sequence)) for sequence, record in rows)
        return Step(events, replace(self, sequence=rows[-1][0]))

    async def _corrections(self, after_sequence: int, before: int) -> Step:
        """The corrections before the version `before`, or, if any are unread, the messages up to `after_sequence`."""
        if after_sequence > self.sequence:
            return await self._messages(after_sequence)
        bindings = self._key | {"version": self.version, "before": before, "sequence": self.sequence}
        rows = await self.rows.block(self.statements.TAIL_CORRECTIONS, bindings | {"most": MAX_EVENTS}, BLOCK_BYTES)
        if not rows:
            return self._wait()
        events = tuple(
            Event("message_deleted" if is_deleted else "message_updated", record, f"{self.sequence}.{version}")
            for version, is_deleted, record in rows
        )
        return Step(events, replace(self, version=rows[-1][0]))

    async def _session(self) -> Step:
        row = await self.rows.row(self.statements.TAIL_SESSION, self._key)
        if row is None:
            return self._wait()
        version, changed_sequence, *columns = row
        if changed_sequence > self.sequence:
            # The session changed again, after more messages.
            return await self._messages(changed_sequence)
        session = session_of(self.session_id, tuple(columns))
        event = Event("session", _encode(session), f"{self.sequence}.{version}")
        return Step((event,), replace(self, version=version))

    def _wait(self) -> Step:
        """No events, because what was to be read has changed since the state was read; the change wakes the reader."""
        return Step((), self)


@dataclass(frozen=True, slots=True)
class WorkspaceEventCursor(EventCursor):
    """The position in the writes of a workspace: the revision of the last one that was read."""

    rows: Reader
    statements: Statements
    workspace: str
    revision: int

    async def read(self) -> Step:
        bindings: Bindings = {"workspace": self.workspace, "seen": self.revision, "most": MAX_EVENTS}
        rows = await self.rows.block(self.statements.CHANGES, bindings, BLOCK_BYTES)
        events = tuple(Event(kind, data, str(revision)) for revision, kind, data in rows)
        return Step(events, replace(self, revision=rows[-1][0]) if rows else self)


async def session_tail(
    rows: Reader, statements: Statements, workspace: str, session_id: str, after_event: str | None
) -> SessionEventCursor | None:
    """The position after an event, or without `after_event` after all of them; None if there is no such session."""
    key = session_key(workspace, session_id)
    state = await rows.row(statements.TAIL_STATE, key)
    if state is None:
        return None
    message_count, version, changed_sequence, latest = state
    if after_event is None:
        return SessionEventCursor(rows, statements, workspace, session_id, message_count, latest)
    sequence, _, seen = after_event.partition(".")
    if seen:
        return SessionEventCursor(rows, statements, workspace, session_id, int(sequence), int(seen))
    # A reader of this message has seen every change before it.
    seen_version = version if changed_sequence < int(sequence) else 0
    seen_correction = await rows.row(SEEN_CORRECTION, key | {"sequence": int(sequence)})
    if seen_correction is not None:
        seen_version = max(seen_version, seen_correction[0])
    return SessionEventCursor(rows, statements, workspace, session_id, int(sequence), seen_version)


async def workspace_tail(
    rows: Reader, statements: Statements, workspace: str, after_event: str | None
) -> WorkspaceEventCursor:
    """The position after an event, or without `after_event` after all of them."""
    if after_event is not None:
        return WorkspaceEventCursor(rows, statements, workspace, int(after_event))
    row = await rows.one(statements.LAST_REVISION, {"workspace": workspace})
    return WorkspaceEventCursor(rows, statements, workspace, row[0])


def follow(tail: EventCursor, changes: ChangeNotifier, workspace: str, session_id: str | None = None) -> Events:
    """The events after the position `tail`, in blocks, until no event can follow.

    If the storage is unavailable, it retries every RETRY_SECONDS.
    """
    replay = changes.replay()
    return Events(_batches(tail, changes, replay, (workspace, session_id)), replay.end_turn)


async def _batches(
    tail: EventCursor, changes: ChangeNotifier, replay: Replay, followed: Key
) -> AsyncGenerator[Sequence[Event], None]:
    with changes.watch(*followed) as (topic, changed), ExitStack() as ended:
        ended.callback(replay.end_turn)
        position: EventCursor | None = tail
        is_behind = True
        while position is not None:
            changed.clear()
            try:
                read = replay.read if is_behind else partial(topic.read, position)
                step: Step = await read(position.read)
            except StorageUnavailable:
                replay.end_turn()
                # The position is unchanged, and so are the events after it.
                await asyncio.sleep(RETRY_SECONDS)
                continue
            position, is_behind = step.after, _is_full(step.events)
            if not is_behind:
                replay.end_turn()
            if not step.events:
                await changed.wait()
                continue
            # A list, so that the events are not kept while their reader sends them.
            waiting = [step.events]
            del step
            yield waiting.pop()
            replay.end_turn()


def _is_full(events: Sequence[Event]) -> bool:
    """Whether a block ended at its limits, so that more events follow."""
    return len(events) == MAX_EVENTS or sum(len(event.data) for event in events) >= BLOCK_BYTES
