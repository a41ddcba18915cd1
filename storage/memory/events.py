"""Streams the events after a position, as soon as they happen."""

import asyncio
from collections.abc import AsyncGenerator, Iterator, Sequence
from typing import NamedTuple, TypeVar

from ..model.interface import Storage
from ..model.records import Event, EventKind, Events
from ..operations.events.event_feed import BLOCK_BYTES, MAX_EVENTS
from .access import MemoryAccess, encode
from .contents import Conversation, Workspace

Position = TypeVar("Position")


class _Seen(NamedTuple):
    """The position of a session's reader: the last message that it has seen, and the version of the last change."""

    sequence: int
    version: int


class MemoryEvents(MemoryAccess, Storage):
    """Implements the streams of events."""

    async def follow_session(self, workspace: str, session_id: str, *, after_event: str | None = None) -> Events:
        stored = await self._workspace(workspace)
        conversation = stored.find(session_id)
        return Events(_follow_session(stored, conversation, _seen(conversation, after_event)))

    async def follow_sessions(self, workspace: str, *, after_event: str | None = None) -> Events:
        await self._workspace(workspace)
        stored = self._database.workspaces.setdefault(workspace, Workspace())
        return Events(_follow_sessions(stored, stored.revision if after_event is None else int(after_event)))


async def _follow_session(
    workspace: Workspace, conversation: Conversation, seen: _Seen
) -> AsyncGenerator[Sequence[Event], None]:
    session_id = conversation.session.id
    while workspace.conversations.get(session_id) is conversation:
        found = _bounded(_session_events(conversation, seen))
        if found:
            seen = found[-1][1]
            yield _remove_events(found)
        else:
            await _next_write(workspace)
    yield [Event("deleted", encode({"id": session_id}))]


async def _follow_sessions(workspace: Workspace, revision: int) -> AsyncGenerator[Sequence[Event], None]:
    while True:
        found = _bounded(_workspace_events(workspace, revision))
        if found:
            revision = found[-1][1]
            yield _remove_events(found)
        else:
            await _next_write(workspace)


async def _next_write(workspace: Workspace) -> None:
    written = asyncio.Event()
    workspace.followers.add(written)
    try:
        await written.wait()
    finally:
        workspace.followers.discard(written)


def _bounded(found: Iterator[tuple[Event, Position]]) -> list[tuple[Event, Position]]:
    """The first events, up to MAX_EVENTS and about BLOCK_BYTES, each with the position after it."""
    events: list[tuple[Event, Position]] = []
    size = 0
    for event, position in found:
        events.append((event, position))
        size += len(event.data)
        if len(events) == MAX_EVENTS or size >= BLOCK_BYTES:
            break
    return events


def _remove_events(found: list[tuple[Event, Position]]) -> list[Event]:
    """Remove and return the events, so that `found` does not keep them while their reader sends them."""
    events = [event for event, _ in found]
    found.clear()
    return events


def _changes(conversation: Conversation) -> list[tuple[int, int, int | None]]:
    """The changes of a session, in order: the version, the last message then, and the corrected message or None."""
    own = (conversation.changed_version, conversation.changed_sequence, None)
    corrected = [(each.version, each.after_sequence, sequence) for sequence, each in conversation.corrected.items()]
    return sorted([own, *corrected], key=lambda change: change[0])


def _seen(conversation: Conversation, after_event: str | None) -> _Seen:
    """The position after an event; without `after_event`, after all events so far."""
    if after_event is None:
        return _Seen(conversation.session.message_count, conversation.session.version)
    sequence, _, version = after_event.partition(".")
    if version:
        return _Seen(int(sequence), int(version))
    # A reader of this message has seen every change before it.
    before = [changed for changed, last, _ in _changes(conversation) if last < int(sequence)]
    return _Seen(int(sequence), max(before, default=0))


def _session_events(conversation: Conversation, seen: _Seen) -> Iterator[tuple[Event, _Seen]]:
    """The events of a session after a position, each change after the messages that preceded it."""
    sequence, version = seen
    for changed, last, corrected in _changes(conversation):
        if changed <= version:
            continue
        for message in conversation.messages[sequence:last]:
            sequence = message.sequence
            yield Event("message", encode(message), str(sequence)), _Seen(sequence, version)
        version = changed
        event_id = f"{sequence}.{version}"
        if corrected is None:
            yield Event("session", encode(conversation.session), event_id), _Seen(sequence, version)
        else:
            is_deleted = conversation.corrected[corrected].is_deleted
            kind: EventKind = "message_deleted" if is_deleted else "message_updated"
            yield Event(kind, encode(conversation.messages[corrected - 1]), event_id), _Seen(sequence, version)
    for message in conversation.messages[sequence:]:
        yield Event("message", encode(message), str(message.sequence)), _Seen(message.sequence, version)


def _workspace_events(workspace: Workspace, revision: int) -> Iterator[tuple[Event, int]]:
    """The changes after a revision: each session once, in its current state, or its deletion."""
    written = [(each.written, each) for each in workspace.conversations.values() if each.written > revision]
    deleted = [(each.revision, each.session_id) for each in workspace.deletions if each.revision > revision]
    changes: list[tuple[int, Conversation | str]] = [*written, *deleted]
    for number, changed in sorted(changes, key=lambda change: change[0]):
        if isinstance(changed, str):
            yield Event("deleted", encode({"id": changed}), str(number)), number
        else:
            kind: EventKind = "created" if changed.created > revision else "changed"
            yield Event(kind, encode(changed.summary), str(number)), number
