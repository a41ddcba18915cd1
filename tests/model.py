"""What a storage should do, in memory: written from the contract's words, with dicts and lists, one request at a time.

What only the storage can know, an id and a time, is taken from its answer, within the bounds that the contract sets.
"""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from msgspec import UNSET, Raw, UnsetType
from msgspec.structs import asdict, replace

from amplifierd.storage.model.errors import (
    ContextTooLarge,
    IdempotencyKeyReused,
    MessageDeleted,
    MessageIdInUse,
    MessageVersionMismatch,
    SequenceConflict,
    SessionEnded,
    SessionExists,
    SessionIdInUse,
    SessionStatusConflict,
    TooFewMessages,
)
from amplifierd.storage.model.queries import SessionDeletion
from amplifierd.storage.model.records import (
    BatchMessage,
    CleanUp,
    DeletionReport,
    ExportLine,
    Failure,
    Fork,
    IdempotentRequest,
    ImportReport,
    Message,
    MessagePatch,
    Messages,
    NewMessage,
    NewMessages,
    NewSession,
    OnConflict,
    Session,
    SessionPatch,
    SessionStatus,
    Versions,
)
from amplifierd.testing.storage.exports import Transcripts, transcripts
from exact_json import merged, text_of, tree
from model_files import Files, named
from model_parts import OWN_TIMES, replaced, said_by, usage, usage_sums
from model_reading import Conversation, Conversations

MAX_TOKENS = 2**53 - 1
MAX_MEMBERS = 1_024
MAX_NAMED = 1_000


@dataclass(frozen=True)
class Outcome:
    """What the storage answered, and between which times; `stored` is what the workspace holds then, by id.

    `updated_at` is that of a session that got messages.
    """

    answer: Any
    began: str
    ended: str
    stored: Transcripts = field(default_factory=dict)
    updated_at: str = ""

    def moment(self, moment: str, previous: str = "") -> str:
        """A time that the storage gave: that of its clock, but never before the one before."""
        assert max(previous, self.began) <= moment <= max(previous, self.ended)
        return moment


class Workspace(Conversations):
    """The sessions of one workspace; each change is named as the storage's is."""

    def __init__(self) -> None:
        super().__init__()
        # With the fingerprint of each, and the session that it is about.
        self.answers: dict[str, tuple[str, Any, str]] = {}
        self.writes = 0
        self.files = Files()

    def change(self, name: str, arguments: tuple[Any, ...], once: IdempotentRequest | None, told: Outcome) -> Any:
        """What a change answers, once where it has a key."""
        if once is not None and once.key in self.answers:
            fingerprint, answer, _ = self.answers[once.key]
            if fingerprint != once.fingerprint:
                raise IdempotencyKeyReused(once.key)
            return answer
        answer = getattr(self, name)(*arguments, told)
        self.files.sweep(self.transcripts())
        if once is not None:
            self.answers[once.key] = (once.fingerprint, answer, _about(answer, arguments))
        return answer

    def delete_file(self, file_id: str) -> None:
        self.files.delete(file_id, self.transcripts())

    def transcripts(self) -> dict[str, list[Message]]:
        """The messages of each session."""
        return {session_id: it.messages for session_id, it in self.conversations.items()}

    def create_session(self, new: NewSession, told: Outcome) -> Session:
        if new.id is not None and new.id.lower() in self.conversations:
            raise SessionIdInUse(self.summary(self.find(new.id.lower()).session))
        created = told.moment(told.answer.updated_at)
        session = Session(
            id=told.answer.id if new.id is None else new.id.lower(),
            status="created",
            profile=new.profile or "default",
            context=new.context,
            amplified_dir=new.amplified_dir,
            created_at=created if new.created_at is None else OWN_TIMES[new.created_at],
            updated_at=created,
            message_count=0,
            token_usage=0,
            version=1,
            name=UNSET if new.name is None else new.name,
            labels=new.labels or UNSET,
            archived=new.archived or UNSET,
            pinned=new.pinned or UNSET,
        )
        return self._add(session, [], changed=(0, 1))

    def update_session(self, session_id: str, patch: SessionPatch, versions: Versions, told: Outcome) -> Session:
        conversation = self.find(session_id)
        session = conversation.take(versions)
        named: dict[str, Any] = {name: value for name, value in asdict(patch).items() if value is not UNSET}
        if not named:
            return session
        if "name" in named and named["name"] is None:
            named["name"] = UNSET
        if isinstance(patch.context, Raw):
            context = merged(tree(bytes(session.context)), tree(bytes(patch.context)))
            if len(context) > MAX_MEMBERS:
                raise ContextTooLarge(session_id, f"{len(context)} members; the most is {MAX_MEMBERS}")
            named["context"] = Raw(text_of(context).encode())
        if isinstance(patch.labels, dict):
            labels: dict[str, str | None] = {**(session.labels or {}), **patch.labels}
            named["labels"] = {key: value for key, value in labels.items() if value is not None} or UNSET
        named |= {name: named[name] or UNSET for name in ("archived", "pinned") if name in named}
        return self._alter(conversation, told, **named)

    def start_session(self, session_id: str, versions: Versions, told: Outcome) -> Session:
        conversation = self.find(session_id)
        session = conversation.take(versions)
        if session.status != "created":
            raise SessionStatusConflict(session_id, "start", session.status)
        return self._alter(conversation, told, status="active")

    def complete_session(self, session_id: str, versions: Versions, told: Outcome) -> Session:
        return self._end(session_id, "complete", "completed", versions, told)

    def fail_session(self, session_id: str, failure: Failure, versions: Versions, told: Outcome) -> Session:
        return self._end(session_id, "fail", "failed", versions, told, **asdict(failure))

    def terminate_session(self, session_id: str, versions: Versions, told: Outcome) -> Session:
        return self._end(session_id, "terminate", "terminated", versions, told)

    def resume_session(self, session_id: str, versions: Versions, told: Outcome) -> Session:
        conversation = self.find(session_id)
        before = conversation.take(versions).updated_at
        forgotten = dict.fromkeys(("ended_at", "error_message", "error_details"), UNSET)
        moment = told.answer.updated_at
        assert before < moment <= max(_later(before), told.ended)
        return self._set(conversation, moment, status="active", **forgotten)

    def fork_session(self, session_id: str, fork: Fork, versions: Versions, told: Outcome) -> Session:
        parent = self.find(session_id)
        parent.take(versions)
        last = len(parent.messages) if fork.at_sequence is None else fork.at_sequence
        if last > len(parent.messages):
            raise TooFewMessages(session_id, last, len(parent.messages))
        messages = parent.messages[:last]
        created = told.moment(told.answer.created_at)
        session = Session(
            id=told.answer.id,
            status="active" if messages else "created",
            profile=parent.session.profile,
            context=parent.session.context,
            amplified_dir=parent.session.amplified_dir,
            created_at=created,
            updated_at=told.moment(told.answer.updated_at, parent.session.updated_at),
            message_count=last,
            token_usage=_tokens(messages),
            usage=usage_sums(messages),
            version=1,
            name=parent.session.name if fork.name is None else fork.name,
            started_at=created if messages else UNSET,
            parent_session_id=session_id,
            forked_at_sequence=last,
            labels=parent.session.labels,
        )
        return self._add(session, messages, changed=(last, 1))

    def delete_session(self, session_id: str, versions: Versions, _told: Outcome) -> None:
        self.find(session_id).take(versions)
        del self.conversations[session_id]
        self.deletions.append((self._count(), session_id))
        self.answers = {key: kept for key, kept in self.answers.items() if kept[-1] != session_id}

    def append_message(self, session_id: str, new: NewMessage, versions: Versions, told: Outcome) -> Message:
        [message] = self._append(session_id, [new], new.expected_sequence, versions, told, is_batch=False)
        return message

    def append_messages(self, session_id: str, new: NewMessages, versions: Versions, told: Outcome) -> Messages:
        return Messages(
            session_id, self._append(session_id, new.messages, new.expected_sequence, versions, told, is_batch=True)
        )

    def update_message(
        self, session_id: str, sequence: int, patch: MessagePatch, versions: Versions, told: Outcome
    ) -> Message:
        before = self._corrected(session_id, sequence, versions)
        if before.deleted_at is not UNSET:
            raise MessageDeleted(session_id, sequence)
        if patch == MessagePatch():
            return before
        after = replaced(session_id, before, patch)
        refers = {file_id for _, file_id in named(before)} != {file_id for _, file_id in named(after)}
        if refers:
            self.files.check([after], is_batch=False)
        moment = self._correct(session_id, after, told)
        after = replace(after, edited_at=before.edited_at if _keeps_text(patch) else moment)
        self.find(session_id).messages[sequence - 1] = after
        if refers:
            self.files.refer([after])
        return after

    def delete_message(self, session_id: str, sequence: int, versions: Versions, told: Outcome) -> Message:
        before = self._corrected(session_id, sequence, versions)
        if before.deleted_at is not UNSET:
            return before
        nothing = dict.fromkeys(("parts", "agent", "model", "edited_at"), UNSET)
        after = replace(before, content="", metadata=Raw(b"{}"), version=before.version + 1, **nothing)
        after = replace(after, deleted_at=self._correct(session_id, after, told))
        self.find(session_id).messages[sequence - 1] = after
        return after

    def _corrected(self, session_id: str, sequence: int, versions: Versions) -> Message:
        message = self.get_message(session_id, sequence)
        if versions is not None and message.version not in versions:
            raise MessageVersionMismatch(session_id, sequence, message.version, versions)
        return message

    def _correct(self, session_id: str, after: Message, told: Outcome) -> str:
        conversation = self.find(session_id)
        session = conversation.session
        moment = told.moment(told.updated_at, session.updated_at)
        conversation.session = replace(session, version=session.version + 1, updated_at=moment)
        conversation.messages = [*conversation.messages]
        conversation.corrected[after.sequence] = (session.message_count, session.version + 1)
        conversation.written = self._count()
        return moment

    def import_sessions(self, lines: list[ExportLine], on_conflict: OnConflict, told: Outcome) -> ImportReport:
        sessions = transcripts(lines)
        known = [session_id for session_id in sessions if session_id in self.conversations]
        if known and on_conflict == "fail":
            raise SessionExists(known[0])
        written = messages = extended = 0
        renamed = self._renamed(sessions, known, told) if on_conflict == "new_id" else {}
        for session_id, (session, said) in sessions.items():
            if session_id in known and on_conflict == "extend":
                added = self._extend(self.conversations[session_id], session, said)
                messages, extended = messages + added, extended + (added > 0)
            if session_id in known and session_id not in renamed:
                continue
            parent = session.parent_session_id
            parent = parent if parent is UNSET else renamed.get(parent, parent)
            imported = replace(session, id=renamed.get(session_id, session_id), parent_session_id=parent)
            self._add(imported, said, changed=(len(said), session.version))
            self.files.refer(said)
            written, messages = written + 1, messages + len(said)
        if on_conflict == "extend":
            return ImportReport(written, messages, skipped=len(known) - extended, extended=extended)
        left = {"skipped": len(known)} if on_conflict == "skip" else {"renamed": len(known)}
        return ImportReport(written, messages, **left)

    def _extend(self, conversation: Conversation, imported: Session, said: list[Message]) -> int:
        """Append the messages that a session does not have; their number."""
        session, last = conversation.session, len(conversation.messages)
        there = {message.id for message in conversation.messages if message.id is not UNSET}
        missing = [it for it in said if (it.sequence > last if it.id is UNSET else it.id not in there)]
        if not missing:
            return 0
        added = [replace(message, sequence=at) for at, message in enumerate(missing, last + 1)]
        conversation.messages = [*conversation.messages, *added]
        starts = session.status == "created"
        conversation.session = replace(
            session,
            status="active" if starts else session.status,
            started_at=imported.updated_at if starts else session.started_at,
            updated_at=max(session.updated_at, imported.updated_at),
            message_count=last + len(added),
            token_usage=_tokens(added, session.token_usage),
            usage=usage_sums([*conversation.messages]),
            version=session.version + 1,
        )
        if starts:
            conversation.changed = (last + len(added), session.version + 1)
        conversation.written = self._count()
        self.files.refer(added)
        return len(added)

    def _renamed(self, sessions: Transcripts, known: list[str], told: Outcome) -> dict[str, str]:
        """The new ids of sessions that are there already: of those that are stored now, which is alike."""
        new = {it: stored for it, stored in told.stored.items() if it not in self.conversations and it not in sessions}
        renamed: dict[str, str] = {}
        for session_id in known:
            copy = next(it for it, stored in new.items() if _alike(*stored) == _alike(*sessions[session_id]))
            renamed[session_id] = copy
            del new[copy]
        return renamed

    def clean_up_sessions(self, which: CleanUp, told: Outcome) -> DeletionReport:
        ended = datetime.fromisoformat(told.ended).replace(tzinfo=UTC)
        days = which.older_than_days
        # 0 days are all, also those that an import brought from the future.
        cutoff = ended - timedelta(days=days) if days else datetime.max.replace(tzinfo=UTC)
        old = [
            session
            for session in self.ordered("updated_at")
            if session.status in which.status and datetime.fromisoformat(session.updated_at) <= cutoff
        ]
        return self._delete_all(old, told, dry_run=which.dry_run)

    def delete_sessions(self, which: SessionDeletion, told: Outcome) -> DeletionReport:
        found = self.filtered(which.filter, "updated_at")
        return self._delete_all(found, told, dry_run=which.dry_run)

    def _delete_all(self, sessions: list[Session], told: Outcome, *, dry_run: bool) -> DeletionReport:
        if not dry_run:
            for session in sessions:
                self.delete_session(session.id, None, told)
        named = tuple(session.id for session in sessions[:MAX_NAMED])
        return DeletionReport(dry_run, len(sessions), sum(session.message_count for session in sessions), named)

    def _end(
        self, session_id: str, action: str, status: SessionStatus, versions: Versions, told: Outcome, **why: Any
    ) -> Session:
        conversation = self.find(session_id)
        session = conversation.take(versions)
        if session.status != "active":
            raise SessionStatusConflict(session_id, action, session.status)
        return self._alter(conversation, told, status=status, **why)

    def _alter(self, conversation: Conversation, told: Outcome, **changes: Any) -> Session:
        moment = told.moment(told.answer.updated_at, conversation.session.updated_at)
        return self._set(conversation, moment, **changes)

    def _set(self, conversation: Conversation, moment: str, **changes: Any) -> Session:
        session = conversation.session
        status = changes.get("status", session.status)
        if status != "created" and session.started_at is UNSET:
            changes["started_at"] = moment
        if "status" in changes and status != "active":
            changes["ended_at"] = moment
        conversation.session = replace(session, version=session.version + 1, updated_at=moment, **changes)
        conversation.changed = (session.message_count, session.version + 1)
        conversation.written = self._count()
        return conversation.session

    def _append(
        self,
        session_id: str,
        new: list[Any],
        expected: int | None,
        versions: Versions,
        told: Outcome,
        *,
        is_batch: bool,
    ) -> list[Message]:
        conversation = self.find(session_id)
        session = conversation.take(versions)
        last = len(conversation.messages)
        if expected not in (None, last + 1):
            raise SequenceConflict(session_id, expected, last + 1)
        there = {message.id: message.sequence for message in conversation.messages if message.id is not UNSET}
        taken = next((it.id for it in new if it.id in there), None)
        if taken is not None:
            raise MessageIdInUse(session_id, taken, there[taken])
        if session.status not in ("created", "active"):
            raise SessionEnded(session_id, session.status)
        self.files.check(new, is_batch=is_batch)
        moment = told.moment(told.updated_at, session.updated_at)
        messages = [_message(it, moment, sequence) for sequence, it in enumerate(new, last + 1)]
        starts = session.status == "created"
        conversation.messages = [*conversation.messages, *messages]
        conversation.session = replace(
            session,
            status="active",
            started_at=moment if starts else session.started_at,
            updated_at=moment,
            message_count=last + len(messages),
            token_usage=_tokens(messages, session.token_usage),
            usage=usage_sums([*conversation.messages]),
            version=session.version + 1,
        )
        if starts:
            conversation.changed = (last + len(messages), session.version + 1)
        conversation.written = self._count()
        self.files.refer(messages)
        return messages

    def _add(self, session: Session, messages: list[Message], changed: tuple[int, int]) -> Session:
        write = self._count()
        assert session.id not in self.conversations
        self.conversations[session.id] = Conversation(session, messages, changed, write, write)
        return session

    def _count(self) -> int:
        self.writes += 1
        return self.writes


def _keeps_text(patch: MessagePatch) -> bool:
    return patch.content is None and patch.parts is UNSET


def _about(answer: Any, arguments: tuple[Any, ...]) -> str:
    """The session that an answer is about; of other answers something that is no id."""
    return answer.id if isinstance(answer, Session) else str(arguments[0])


def _message(new: BatchMessage, timestamp: str, sequence: int) -> Message:
    return Message(
        role=new.role,
        content=_content(new),
        timestamp=timestamp if isinstance(new.timestamp, UnsetType) else OWN_TIMES[new.timestamp],
        metadata=new.metadata,
        sequence=sequence,
        agent=UNSET if new.agent is None else new.agent,
        token_count=UNSET if new.token_count is None else new.token_count,
        parts=new.parts,
        model=new.model,
        usage=UNSET if isinstance(new.usage, UnsetType) else usage(new.usage),
        id=new.id,
    )


def _content(new: BatchMessage) -> str:
    if isinstance(new.parts, UnsetType):
        assert new.content is not None
        return new.content
    said = said_by(new.parts)
    assert new.content in {None, said}
    return said


def _tokens(messages: list[Message], before: int = 0) -> int:
    counts = [message.token_count for message in messages if isinstance(message.token_count, int)]
    return min(before + sum(counts), MAX_TOKENS)


def _later(moment: str) -> str:
    later = datetime.fromisoformat(moment) + timedelta(microseconds=1)
    return later.isoformat(timespec="microseconds").replace("+00:00", "Z")


def _alike(session: Session, said: list[Message]) -> tuple[Session, list[Message]]:
    """What a session and its copy by an import have in common."""
    return replace(session, id="", parent_session_id=UNSET), said
