"""The storage as handlers see it: what every backend does, in which order, within which limits."""

from abc import abstractmethod
from types import TracebackType
from typing import ClassVar, Literal, Self

from .api_keys import Keys
from .directory_interface import Directories
from .profile_interface import Profiles
from .queries import MessageQuery, SessionQuery
from .records import (
    CleanUp,
    CleanUpReport,
    Events,
    Export,
    Failure,
    Fork,
    IdempotentRequest,
    ImportReport,
    Lineage,
    Listing,
    Message,
    Messages,
    NewMessage,
    NewMessages,
    NewSession,
    OnConflict,
    Progressed,
    SearchQuery,
    Session,
    SessionPatch,
    Transcript,
    Versions,
    no_progress,
)
from .workspaces import Workspaces


class Storage(Profiles, Directories, Keys, Workspaces):
    """Keeps sessions and their messages, profiles and directories, each under a workspace, which is a tenant.

    It keeps the keys to workspaces, too.

    A workspace sees nothing of another's. A method returns when its effect is durable: on disk, not in a buffer. Two
    calls that meet are ordered by the storage; a reader sees all of a write or nothing of it. Each write counts the
    session's version on.

    Sequences depend on no clock. Times come from the storage, and whatever the machine's clock does they never go back
    within a session; nor do those that one opened storage gives, or gives after what it finds when it is opened, up to
    a day: a later write has a later time, and a later session an id that sorts after those before. Among several
    storages on one database that holds as far as their machines' clocks agree.

    Every method raises `StorageUnavailable` when the storage can't answer now. Nothing was written then, unless the way
    to a database server broke in the midst of a commit, or a disk failed in the midst of one and would not be written
    to any more: that nobody knows, and `once` makes another try safe.
    Methods of one session raise `SessionNotFound`.

    A write that takes many transactions calls `progressed` after each.

    A method that is cancelled lets go at once of what it waits for, and its statement is interrupted. A write of one
    transaction that has not taken effect by then takes none, and raises `NothingWritten`; any other cancelled write may
    have been done, or a part of it where it takes many transactions.

    With `versions` a method does its work only where the session is at one of them, and raises `VersionMismatch`
    otherwise; None is any. With `once` the answer is recorded in the transaction of the effect: a second call with the
    key, from whatever process, gets that answer and has no effect, or raises `IdempotencyKeyReused` where its
    fingerprint is another. The record goes with the session that it is about. Of long answers a workspace keeps 64 MiB:
    for one that is not kept any more the second call raises `IdempotencyAnswerNotKept`. What raises is not recorded.
    What takes many transactions records in each how far it is: a second call goes on from there, and where both go on
    at once one raises `IdempotencyKeyInUse`.
    """

    kind: ClassVar[Literal["sqlite", "postgresql"]]

    async def __aenter__(self) -> Self:
        await self.open()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    @abstractmethod
    async def open(self) -> None:
        """Make ready for the running event loop: create the database at need, bring its schema up to date.

        Raises `DatabaseUnusable` when that can't be done; its text says what to do.
        """

    @abstractmethod
    async def close(self) -> None:
        """Finish what is being written, then let go of everything."""

    @abstractmethod
    async def ping(self) -> None:
        """Return when the storage can be read and takes writes, as far as that is known without one."""

    @abstractmethod
    async def create_session(
        self, workspace: str, new: NewSession, *, once: IdempotentRequest | None = None
    ) -> Session:
        """Open a session with an empty transcript; without an id of its own it gets a new one (UUID version 7).

        Without a profile of its own it gets that of its directory, else the active one, else `default`, with its
        overrides merged in; it keeps that as it is now. Raises `ProfileNotFound`, `DirectoryNotAmplified`,
        `ProfileInvalid` where the overrides make none of it, and `SessionIdInUse`.
        A time that it brings is its `created_at`, to the microsecond; a leap second is the last microsecond before its
        end, and what is outside of the years 1 to 9999 is their first or last moment.
        """

    @abstractmethod
    async def get_session(self, workspace: str, session_id: str) -> Session:
        """Read a session."""

    @abstractmethod
    async def list_sessions(self, workspace: str, query: SessionQuery) -> Listing:
        """List `SessionSummary` records, ties in the sort's order by id; those of one time in the order of their ids.

        A list without a limit is read from one moment, in constant memory. A cursor is a position in the order:
        sessions that come or move meanwhile shift no page.
        """

    @abstractmethod
    async def update_session(
        self, workspace: str, session_id: str, patch: SessionPatch, *, versions: Versions = None
    ) -> Session:
        """Change a session; patches that meet are merged one after the other, so that neither loses a key.

        A profile that it names the session keeps as it is now. Raises `ProfileNotFound`, and `ContextTooLarge` where
        the context would have over 1,024 members, 100,000 values or 8 MiB.
        """

    @abstractmethod
    async def start_session(
        self, workspace: str, session_id: str, *, versions: Versions = None, once: IdempotentRequest | None = None
    ) -> Session:
        """Make a created session active. Raises `SessionStatusConflict`."""

    @abstractmethod
    async def complete_session(
        self, workspace: str, session_id: str, *, versions: Versions = None, once: IdempotentRequest | None = None
    ) -> Session:
        """End an active session. Raises `SessionStatusConflict`."""

    @abstractmethod
    async def fail_session(
        self,
        workspace: str,
        session_id: str,
        failure: Failure,
        *,
        versions: Versions = None,
        once: IdempotentRequest | None = None,
    ) -> Session:
        """End an active session with an error. Raises `SessionStatusConflict`."""

    @abstractmethod
    async def terminate_session(
        self, workspace: str, session_id: str, *, versions: Versions = None, once: IdempotentRequest | None = None
    ) -> Session:
        """Break an active session off. Raises `SessionStatusConflict`."""

    @abstractmethod
    async def resume_session(
        self, workspace: str, session_id: str, *, versions: Versions = None, once: IdempotentRequest | None = None
    ) -> Session:
        """Make a session active, whatever it is, and move its `updated_at` on, to a later time unless there is none."""

    @abstractmethod
    async def fork_session(
        self,
        workspace: str,
        session_id: str,
        fork: Fork,
        *,
        versions: Versions = None,
        once: IdempotentRequest | None = None,
        progressed: Progressed = no_progress,
    ) -> Session:
        """Open a session as a copy of another with its messages, whose timestamps are kept.

        A long one is copied in pieces, between which others write; it is as the other session is when it is seen.
        It is created where it has no messages, else active. Raises `TooFewMessages`.
        """

    @abstractmethod
    async def lineage(self, workspace: str, session_id: str) -> Lineage:
        """Read where a session comes from, and its children."""

    @abstractmethod
    async def delete_session(self, workspace: str, session_id: str, *, versions: Versions = None) -> None:
        """Delete a session, its transcript, and the answers about it that are recorded under keys.

        Nothing of it is seen from then on. Of many messages the first 1,000 are removed before this returns, the others
        in the background, by whichever storage is open on the database.
        """

    @abstractmethod
    async def append_message(
        self,
        workspace: str,
        session_id: str,
        new: NewMessage,
        *,
        versions: Versions = None,
        once: IdempotentRequest | None = None,
    ) -> Message:
        """Append a message under the next sequence number; it makes a created session active.

        Without a content it has that of its parts: their texts, those that belong to no call's result, with an empty
        line between two. Its parts are kept as they came, its calls are open until their results come, its usage goes
        into the session's sums.
        An empty list of parts beside a content is as none.
        A time that it brings is its `timestamp`, as that of a session; an id has one message of a session.
        Raises `MessageInvalid` if it has neither, or both and they differ; `MessageIdInUse`, `SessionEnded`,
        `SequenceConflict`.
        """

    @abstractmethod
    async def append_messages(
        self,
        workspace: str,
        session_id: str,
        new: NewMessages,
        *,
        versions: Versions = None,
        once: IdempotentRequest | None = None,
    ) -> Messages:
        """Append messages in their order, all or none; else as `append_message`.

        Raises `MessageInvalid` also if two of them have one id.
        """

    @abstractmethod
    async def get_message(self, workspace: str, session_id: str, sequence: int) -> Message:
        """Read one message. Raises `MessageNotFound`."""

    @abstractmethod
    async def list_messages(self, workspace: str, session_id: str, query: MessageQuery) -> Transcript:
        """List `Message` records by sequence, from one moment, in constant memory.

        A call is open as long as no message has its result, in the same message or in a later one.
        """

    @abstractmethod
    async def follow_session(self, workspace: str, session_id: str, *, after_event: str | None = None) -> Events:
        """Follow a session: each message, what it is after a change, that it is deleted, which ends the stream.

        It begins after the event of that id, or after the message of that sequence, None for what comes next. It reads
        the transcript, so nothing is lost and nothing comes twice; changes that follow each other may come as one.
        """

    @abstractmethod
    async def follow_sessions(self, workspace: str, *, after_event: str | None = None) -> Events:
        """Follow all sessions: that one was created, changed or deleted, with the session as a list has it.

        It begins after the event of that id, None for what comes next. A session that changed several times meanwhile
        comes once; deletions are known for a week.
        """

    @abstractmethod
    async def count_sessions(self, workspace: str) -> int:
        """Count sessions."""

    @abstractmethod
    async def list_workspaces(self) -> list[str]:
        """The workspaces that have a session, in order."""

    @abstractmethod
    async def has_workspace(self, workspace: str) -> bool:
        """Whether it has a session, a profile, a directory or a key, or had a session within a week."""

    @abstractmethod
    async def export_sessions(self, workspace: str) -> Export:
        """Read every session with its messages: a header, then the sessions in the order of their ids.

        Each session is read as it is at one moment, all in constant memory. A session that is deleted while it is being
        read raises `SessionNotFound` out of the batches.
        """

    @abstractmethod
    async def import_sessions(
        self, workspace: str, export: Export, on_conflict: OnConflict, *, once: IdempotentRequest | None = None
    ) -> ImportReport:
        """Write the sessions of an export as they were, each whole or not at all, in constant memory and in pieces.

        All of it is read and checked before the first is written. Raises `ImportInvalid`, and `SessionExists` where a
        session is there and `on_conflict` is fail. The answer is recorded with the last session.
        """

    @abstractmethod
    async def forget_answer(self, workspace: str, key: str) -> None:
        """Forget what was recorded under a key, if anything was: another call with it has an effect."""

    @abstractmethod
    async def search_messages(self, workspace: str, query: SearchQuery) -> Listing:
        """List `SearchHit` records of messages that have all words and phrases of a text, the best first.

        Of those that are alike the later session's go first, of one session the later message.
        They are in what a message says, in its tools, or in both as one text, by the query's scope; tools are the names
        and inputs of calls, the outputs of results, and the texts that belong to those.
        Words are told apart, and compared without case and accents, as Unicode has it. What was written before the call
        is found. A score depends on its message alone: what is written meanwhile shifts no page.

        The first 16 different terms are looked for. The latest 10,000 messages that have all words are looked at, of
        the session if the query names one; the scope, filters, phrases and beginnings of words choose among them. The
        latest 2,000 of these are ranked, or fewer with 8 MiB in all; phrases and beginnings are looked for in 8 MiB. Up
        to 1,000 matches of a message count. A page with more than 4 MiB of text ends there, with its cursor. What other
        workspaces have changes nothing.
        Raises `StorageUnavailable` if other searches leave it no turn for 5 seconds.
        """

    @abstractmethod
    async def clean_up_sessions(
        self,
        workspace: str,
        which: CleanUp,
        *,
        once: IdempotentRequest | None = None,
        progressed: Progressed = no_progress,
    ) -> CleanUpReport:
        """Delete old sessions, some at a time, or with `dry_run` say which would go.

        Days are counted from the machine's clock; 0 days are all sessions, also those that were updated in the future.
        The answer is recorded after the last of them.
        """
