"""What a storage should answer of what it keeps: written from the contract's words, with dicts and lists."""

from dataclasses import dataclass, field
from datetime import datetime

import msgspec
from msgspec import UNSET

from amplifierd.storage.model.errors import MessageNotFound, SessionNotFound, VersionMismatch
from amplifierd.storage.model.queries import MessageQuery, SessionFilter, SessionQuery, SessionSort
from amplifierd.storage.model.records import (
    Event,
    EventKind,
    ExportEnd,
    ExportHeader,
    ExportLine,
    LastMessage,
    Lineage,
    Message,
    Session,
    SessionSummary,
    Versions,
)
from model_parts import open_calls

_encode = msgspec.json.Encoder().encode


@dataclass
class Conversation:
    """A session with its transcript.

    `changed` is the last message and the version when something else than the transcript last changed; `created` and
    `written` say which writes of the workspace made it and changed it last.
    """

    session: Session
    messages: list[Message]
    changed: tuple[int, int]
    created: int
    written: int
    # The last message and the version at the last correction of each message.
    corrected: dict[int, tuple[int, int]] = field(default_factory=dict)

    def take(self, versions: Versions) -> Session:
        """The session, which must be at one of these versions."""
        if versions is not None and self.session.version not in versions:
            raise VersionMismatch(self.session.id, self.session.version, versions)
        return self.session


class Conversations:
    """The sessions of one workspace with their messages, and which were deleted by which write."""

    def __init__(self) -> None:
        self.conversations: dict[str, Conversation] = {}
        self.deletions: list[tuple[int, str]] = []

    def find(self, session_id: str) -> Conversation:
        """Raises `SessionNotFound`."""
        if session_id not in self.conversations:
            raise SessionNotFound(session_id)
        return self.conversations[session_id]

    def ordered(self, sort: str) -> list[Session]:
        """Sessions by a time, the earliest first, with a minus the latest first; ties by id, each way."""
        sessions = [conversation.session for conversation in self.conversations.values()]
        if sort.endswith("name"):
            # Those without a name come after all others.
            by_name = sorted(sessions, key=lambda it: (not it.name, (it.name or "").casefold(), it.id))
            return by_name[::-1] if sort == "-name" else by_name
        if sort.endswith("created_at"):
            return sorted(sessions, key=lambda it: (it.created_at, it.id), reverse=sort.startswith("-"))
        latest_first = sorted(sorted(sessions, key=lambda it: it.id), key=lambda it: it.updated_at, reverse=True)
        return latest_first if sort.startswith("-") else latest_first[::-1]

    def list_sessions(self, query: SessionQuery) -> list[SessionSummary]:
        """All that pass every filter."""
        return [self.summary(session) for session in self.filtered(query, query.sort)]

    def filtered(self, which: SessionFilter, sort: SessionSort) -> list[Session]:
        """All sessions that pass a filter."""
        return [session for session in self.ordered(sort) if _passes(session, which)]

    def get_message(self, session_id: str, sequence: int) -> Message:
        """Raises `MessageNotFound`."""
        messages = self.find(session_id).messages
        if not 1 <= sequence <= len(messages):
            raise MessageNotFound(session_id, sequence)
        return messages[sequence - 1]

    def list_messages(self, session_id: str, query: MessageQuery) -> list[Message]:
        """Those of the role between the two sequences: the first or the last of them."""
        after, before = query.after_sequence or 0, query.before_sequence or float("inf")
        messages = [
            message
            for message in self.find(session_id).messages
            if after < message.sequence < before
            and query.role in (None, message.role)
            and query.id in (None, message.id)
        ]
        if query.open_calls:
            waiting = open_calls(self.find(session_id).messages)
            messages = [message for message in messages if message.sequence in waiting]
        if query.limit is not None:
            from_end = query.before_sequence is not None or query.order == "desc"
            messages = messages[-query.limit :] if from_end else messages[: query.limit]
        return messages[::-1] if query.order == "desc" else messages

    def lineage(self, session_id: str) -> Lineage:
        """Parents that are still there, and children."""
        ancestors: list[SessionSummary] = []
        session: Session | None = self.find(session_id).session
        while session is not None and isinstance(session.parent_session_id, str):
            parent = self.conversations.get(session.parent_session_id)
            session = None if parent is None else parent.session
            ancestors += [] if session is None else [self.summary(session)]
        children = self.list_sessions(SessionQuery(sort="created_at", parent_session_id=session_id))
        return Lineage(session_id, ancestors, children)

    def export_sessions(self) -> list[ExportLine]:
        """A header, then the sessions by id, each before its messages."""
        lines = [ExportLine(header=ExportHeader())]
        for _, conversation in sorted(self.conversations.items()):
            lines.append(ExportLine(session=conversation.session))
            lines += [ExportLine(message=message) for message in conversation.messages]
        messages = sum(len(conversation.messages) for conversation in self.conversations.values())
        return [*lines, ExportLine(end=ExportEnd(len(self.conversations), messages, 0))]

    def session_events(self, session_id: str, after: str) -> list[Event]:
        """What there is after an event: messages, their corrections, and the session where it changed last."""
        conversation = self.find(session_id)
        sequence, _, version = after.partition(".")
        changes = [(*conversation.changed, 0)]
        changes += [(*when, corrected) for corrected, when in conversation.corrected.items()]
        due = [it for it in changes if (it[1] > int(version) if version else it[0] >= int(sequence))]
        events, told = [], int(sequence)
        for last, changed, corrected in sorted(due, key=lambda it: it[1]):
            events += [_said(message) for message in conversation.messages[told:last]]
            told = max(told, last)
            event_id = f"{told}.{changed}"
            if corrected:
                message = conversation.messages[corrected - 1]
                kind: EventKind = "message_updated" if message.deleted_at is UNSET else "message_deleted"
                events.append(Event(kind, _encode(message), event_id))
            else:
                events.append(Event("session", _encode(conversation.session), event_id))
        return events + [_said(message) for message in conversation.messages[told:]]

    def last_event(self, session_id: str) -> str:
        """The id of what was told last to who has followed a session so far."""
        conversation = self.find(session_id)
        return f"{len(conversation.messages)}.{conversation.session.version}"

    def summary(self, session: Session) -> SessionSummary:
        """A session as a list has it."""
        names = [name for name in SessionSummary.__struct_fields__ if name != "last_message"]
        said = self.conversations[session.id].messages
        last = LastMessage(said[-1].role, said[-1].timestamp, said[-1].content[:200]) if said else UNSET
        return SessionSummary(**{name: getattr(session, name) for name in names}, last_message=last)

    def version(self, session_id: str) -> int:
        """The version of a session, and of one that is not there 1."""
        return self.find(session_id).session.version if session_id in self.conversations else 1

    def workspace_events(self, after: int) -> list[tuple[int, EventKind, bytes]]:
        """What was written after a write of the workspace: each session once, as it is, and what was deleted."""
        events: list[tuple[int, EventKind, bytes]] = [
            (it.written, "created" if it.created > after else "changed", _encode(self.summary(it.session)))
            for it in self.conversations.values()
        ]
        events += [(write, "deleted", _encode({"id": session_id})) for write, session_id in self.deletions]
        return sorted(event for event in events if event[0] > after)


def _said(message: Message) -> Event:
    return Event("message", _encode(message), str(message.sequence))


def _passes(session: Session, query: SessionFilter) -> bool:
    equal = ("profile", "amplified_dir", "parent_session_id")
    labels: dict[str, str] = session.labels or {}
    return (
        (not query.status or session.status in query.status)
        and (not query.ids or session.id in query.ids)
        and query.archived in (None, session.archived is True)
        and query.pinned in (None, session.pinned is True)
        and (not query.roots or session.parent_session_id is UNSET)
        and all(label in {*labels, *map(":".join, labels.items())} for label in query.labels)
        and all(getattr(query, name) in (None, getattr(session, name)) for name in equal)
        and (query.name is None or query.name.casefold() in (session.name or "").casefold())
        and _between(session.created_at, query.created_after, query.created_before)
        and _between(session.updated_at, query.updated_after, query.updated_before)
    )


def _between(moment: str, after: str | None, before: str | None) -> bool:
    at = datetime.fromisoformat(moment)
    return (after is None or datetime.fromisoformat(after) < at) and (
        before is None or at < datetime.fromisoformat(before)
    )
