"""The interface of the storage for handlers: the operations of every backend, their order and limits."""

from abc import abstractmethod
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import ClassVar, Literal, Self

from .collections import Collections
from .directories import Directories
from .files import Files
from .modules import Modules, MountPlans
from .profile_interface import Profiles
from .queries import MessageQuery, Search, SessionDeletion, SessionQuery
from .records import (
    CleanUp,
    DeletionReport,
    Events,
    Export,
    Failure,
    Fork,
    IdempotentRequest,
    ImportReport,
    Lineage,
    Listing,
    Message,
    MessagePatch,
    Messages,
    NewMessage,
    NewMessages,
    NewSession,
    OnConflict,
    Progressed,
    Session,
    SessionPatch,
    Transcript,
    Versions,
    no_progress,
)
from .workspaces import Keys, Workspaces

# Checks the profile of a new session.
CheckSession = Callable[[], Awaitable[None]] | None


class Storage(Search, Profiles, Collections, Modules, MountPlans, Directories, Files, Keys, Workspaces):
    """Keeps sessions and their messages, profiles, collections, modules, directories and files, by workspace.

    A workspace is a tenant. It also keeps the API keys of workspaces.

    Workspaces are isolated from each other. A method returns when its effect is durable: on disk, not in a buffer. The
    storage orders concurrent calls; a reader sees all of a write or none. Each write increments the session's version.

    Sequences do not depend on a clock. The storage assigns times. Within a session they never go back, whatever the
    machine's clock does. The same holds for all times that one opened storage assigns, counted from the latest one that
    it finds when it is opened, as long as the clock is put back by less than a day: a later write has a later time, and
    a later session has an id that sorts after earlier ones. Among several storages on one database this holds as far as
    their machines' clocks agree.

    Every method raises `StorageUnavailable` when the storage cannot answer now. Nothing was written then, with two
    exceptions: the connection to a database server broke during a commit, or a disk failed during a commit and accepts
    no further writes. After these the outcome is unknown; retry with `once`. Methods of one session raise
    `SessionNotFound`.

    A write that takes many transactions calls `progressed` after each of them.

    A method that is cancelled stops waiting at once, and its statement is interrupted. A write of one transaction that
    has not taken effect by then never will, and raises `WriteCancelled`; any other cancelled write may have been
    applied, in part if it takes many transactions.

    With `versions` a method applies only if the session is at one of them, and raises `VersionMismatch` otherwise; None
    allows any. With `once` the response is recorded in the same transaction as the effect: a second call with the key,
    from any process, has no effect, and raises `AlreadyApplied` with that response, or `IdempotencyKeyReused` if its
    fingerprint differs. The record is deleted with the session that it is about. A workspace keeps 64 MiB of long
    responses: if a response is no longer kept, the second call raises `IdempotencyResponseNotKept`. Errors are not
    recorded. A write that takes many transactions records its progress in each: a second call continues from there,
    and if two continue at once, one raises `IdempotencyKeyInUse`.
    """

    kind: ClassVar[Literal["sqlite", "postgresql", "memory"]]

    async def __aenter__(self) -> Self:
        await self.open()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    @abstractmethod
    async def open(self) -> None:
        """Prepare for the running event loop: create the database if necessary, and upgrade its schema.

        Raises `DatabaseUnusable` if that fails; its text says what to do.
        """

    @abstractmethod
    async def close(self) -> None:
        """Finish pending writes, then release everything."""

    @abstractmethod
    async def ping(self) -> None:
        """Return if the storage can be read and, as far as is known without a write, accepts writes."""

    @abstractmethod
    async def create_session(
        self, workspace: str, new: NewSession, *, once: IdempotentRequest | None = None, check: CheckSession = None
    ) -> Session:
        """Create a session with an empty transcript; without an id in the request it gets a new one (UUID version 7).

        Without a profile of its own it gets that of its directory, else the active one, else `default`, with its
        overrides merged in; later changes of the profile do not affect it. `check` is called unless the response is
        recorded already; what it raises is raised. Raises `ProfileNotFound`,
        `DirectoryNotAmplified`, `ProfileInvalid` if the overrides make the profile invalid, `SessionIdInUse`, and
        `LabelsInvalid` for a label whose key contains a colon or control characters, is empty, or is longer than 200
        characters.

        A time in the request becomes its `created_at`, to the microsecond; a leap second becomes the last microsecond
        before its end, and a time outside the years 1 to 9999 becomes their first or last moment.
        """

    @abstractmethod
    async def get_session(self, workspace: str, session_id: str) -> Session:
        """Read a session."""

    @abstractmethod
    async def list_sessions(self, workspace: str, query: SessionQuery) -> Listing:
        """List `SessionSummary` records in the order of the sort; sessions with equal times are ordered by id.

        An index finds the sessions of a label in the order of their updates.

        A list without a limit is read as of one moment, in constant memory. A cursor is a position in the order:
        sessions that are created or moved meanwhile do not shift pages.
        """

    @abstractmethod
    async def update_session(
        self, workspace: str, session_id: str, patch: SessionPatch, *, versions: Versions = None
    ) -> Session:
        """Change a session; concurrent patches are merged one after the other, so that neither loses a member.

        If the patch names a profile, the session keeps that profile as it is now. Raises `ProfileNotFound`, and
        `ContextTooLarge` if the context would have over 1,024 members, 100,000 values or 8 MiB; `LabelsInvalid`, also
        if the session would have more than 64 labels.
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
        """Abort an active session. Raises `SessionStatusConflict`."""

    @abstractmethod
    async def resume_session(
        self, workspace: str, session_id: str, *, versions: Versions = None, once: IdempotentRequest | None = None
    ) -> Session:
        """Make a session active, whatever its status, and move its `updated_at` forward if there is a later time."""

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
        """Create a session as a copy of another with its messages, whose timestamps are kept.

        Its labels are copied; it is neither archived nor pinned.

        A long session is copied in pieces, with other writes between them; the fork equals the other session as it is
        when the fork becomes visible. It is `created` without messages, else `active`. Raises `TooFewMessages`.
        """

    @abstractmethod
    async def lineage(self, workspace: str, session_id: str) -> Lineage:
        """Read the ancestors and the children of a session."""

    @abstractmethod
    async def delete_session(self, workspace: str, session_id: str, *, versions: Versions = None) -> None:
        """Delete a session, its transcript, and the recorded responses about it.

        It is invisible from then on. The first 1,000 messages are removed before this returns, further ones in the
        background, by any storage that is open on the database.
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
        """Append a message with the next sequence number; it makes a created session active.

        Without a content it gets that of its parts: their texts, except those that belong to a call's result, with an
        empty line between two. Its parts are stored unchanged, its calls are open until their results are appended, and
        its usage is added to the session's sums. An empty list of parts with a content counts as no parts.

        A time in the request becomes its `timestamp`, as for a session; an id is unique within the session.

        A file that a part names by its relative URL is kept as long as the message.

        Raises `MessageInvalid` if it has neither, or both and they differ, or if the URL of a part is too long or names
        a file that does not exist; `MessageIdInUse`, `SessionEnded`, `SequenceConflict`.
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
        """Append messages in their order, all or none; otherwise like `append_message`.

        Raises `MessageInvalid` also if two of them have the same id.
        """

    @abstractmethod
    async def get_message(self, workspace: str, session_id: str, sequence: int) -> Message:
        """Read one message. Raises `MessageNotFound`."""

    @abstractmethod
    async def update_message(
        self, workspace: str, session_id: str, sequence: int, patch: MessagePatch, *, versions: Versions = None
    ) -> Message:
        """Correct a message, whatever the status of its session; forks keep what they have copied.

        Content and parts follow the rules of `append_message`, with the same errors. The search index, the files to
        which the message refers, open calls and the session's last message are updated. If a result is removed, its
        call is open again, unless one of the next 1,000 messages, or 1 MiB of them, has a result for it as well.

        `versions` are the message's. Raises `MessageNotFound`, `MessageDeleted`, `MessageVersionMismatch`, and
        `MetadataTooLarge` if the metadata would have over 1,024 members, 100,000 values or 8 MiB.
        """

    @abstractmethod
    async def delete_message(
        self, workspace: str, session_id: str, sequence: int, *, versions: Versions = None
    ) -> Message:
        """Delete the content, parts, metadata, agent and model of a message, and keep its number.

        Its usage still counts in the sums of the session. Files to which no other message refers are deleted. A message
        that is already deleted is not changed. Raises `MessageNotFound`, `MessageVersionMismatch`.
        """

    @abstractmethod
    async def list_messages(self, workspace: str, session_id: str, query: MessageQuery) -> Transcript:
        """List `Message` records by sequence, as of one moment, in constant memory.

        A call is open as long as no message, the same or a later one, has its result.
        """

    @abstractmethod
    async def follow_session(self, workspace: str, session_id: str, *, after_event: str | None = None) -> Events:
        """Follow a session: each message, its corrections, the session after each change, and its deletion.

        The deletion of the session ends the stream. The correction of a message is reported only as a correction, not
        also as a change of the session.

        It begins after the event with that id, or after the message with that sequence; None begins with the next
        event. It reads the transcript, so that nothing is lost or repeated; changes in quick succession may be combined
        into one.
        """

    @abstractmethod
    async def follow_sessions(self, workspace: str, *, after_event: str | None = None) -> Events:
        """Follow all sessions: the creation, change or deletion of each, with the session as lists show it.

        It begins after the event with that id; None begins with the next event. A session that changed several times
        since is reported once; deletions are kept for a week.
        """

    @abstractmethod
    async def count_sessions(self, workspace: str) -> int:
        """Count sessions."""

    @abstractmethod
    async def has_workspace(self, workspace: str) -> bool:
        """Whether it has a session, a profile, a directory or a key, or had a session within the last week."""

    @abstractmethod
    async def export_sessions(self, workspace: str, *, files: bool = False) -> Export:
        """Read every session with its messages: a header, the sessions in the order of their ids, and an end.

        Each session is read as of one moment, all in constant memory. If a session is deleted while it is being read,
        the iteration of the batches raises `SessionNotFound`. With `files` the files to which messages refer follow the
        sessions, each once; if one is deleted while it is being read, the iteration raises `FileNotFound`.

        A record that cannot be read ends the iteration with `DatabaseDamaged`, unless the storage was opened to skip
        it: then a message is exported as a deleted one in its place, a context as an empty one, and a session or a file
        is left out. The sums of a session are the sums of the messages that were read.
        """

    @abstractmethod
    async def export_session(self, workspace: str, session_id: str, *, files: bool = False) -> Export:
        """Read one session with its messages, and with its `files`, as `export_sessions` does.

        The iteration of the batches raises `SessionNotFound`.
        """

    @abstractmethod
    async def import_sessions(
        self, workspace: str, export: Export, on_conflict: OnConflict, *, once: IdempotentRequest | None = None
    ) -> ImportReport:
        """Write the sessions of an export unchanged, each as a whole or not at all, in constant memory and in pieces.

        The whole export is read and checked before anything is written: without its end, an export of version 2 is
        incomplete. Sessions may be in any order; a parent may follow its forks, or be missing. Files are written before
        the sessions; files that parts name and that are not in the export may be created later.
        Raises `ImportInvalid`, and `SessionExists` if a session exists and `on_conflict` is fail. The response is
        recorded with the last session.

        With extend, an existing session gets the messages that it does not have, in pieces, with the next sequences.
        Messages are compared by their ids, or by their sequences if they have no id. The session's `updated_at` moves
        forward to the one in the import, and a created session becomes active; nothing else changes.
        Without new messages nothing is written, and it counts as skipped.
        """

    @abstractmethod
    async def forget_response(self, workspace: str, key: str) -> None:
        """Delete the recorded response of a key, if there is one, so that the next call with the key takes effect."""

    @abstractmethod
    async def delete_sessions(
        self,
        workspace: str,
        deletion: SessionDeletion,
        *,
        once: IdempotentRequest | None = None,
        progressed: Progressed = no_progress,
    ) -> DeletionReport:
        """Delete sessions in batches, or with `dry_run` report which would be deleted.

        Sessions written meanwhile are kept. The response is recorded after the last batch. Raises `BodyInvalid`
        if the filter selects every session.
        """

    @abstractmethod
    async def clean_up_sessions(
        self,
        workspace: str,
        cleanup: CleanUp,
        *,
        once: IdempotentRequest | None = None,
        progressed: Progressed = no_progress,
    ) -> DeletionReport:
        """Delete old sessions in batches, or with `dry_run` report which would be deleted.

        Days are counted from the machine's clock; 0 days means all sessions, even those updated in the future. The
        response is recorded after the last batch.
        """
