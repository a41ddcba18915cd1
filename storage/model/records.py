"""The records of the storage as on the wire: camelCase in responses, snake_case in requests.

Every record encodes to JSON with `msgspec.json.encode` as the contract describes it; a field without a value is left
out. A `msgspec.Raw` holds a JSON value as text, so that it is returned as it was sent: order of keys, `1.0`, integers
of any size.
"""

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from msgspec import UNSET, Raw, Struct, UnsetType

from .part_records import NewUsage, Usage
from .profile_records import ExportPlan, ProfilePatch, ProfileSettings

EMPTY_OBJECT = Raw(b"{}")

Role = Literal["user", "assistant", "system", "developer", "tool"]
SessionStatus = Literal["created", "active", "completed", "failed", "terminated"]
OnConflict = Literal["fail", "skip", "new_id", "extend"]
EventKind = Literal["message", "message_updated", "message_deleted", "session", "created", "changed", "deleted"]
SessionFormat = Literal["amplifierd", "openai", "anthropic", "sharegpt", "markdown", "html"]


class NewSession(Struct, frozen=True, forbid_unknown_fields=True):
    """A request to create a session; without a `profile` the directory's is used.

    It may have an `id` (a UUID) and a time of its own, by RFC 3339.
    """

    profile: str | None = None
    context: Raw = EMPTY_OBJECT
    amplified_dir: str = "."
    name: str | None = None
    settings_overrides: ProfilePatch | UnsetType = UNSET
    id: str | None = None
    created_at: str | None = None
    labels: dict[str, str] = {}
    archived: bool = False
    pinned: bool = False


class LastMessage(Struct, frozen=True):
    """The beginning of a session's last message: 200 characters."""

    role: Role
    timestamp: str
    content: str


class Session(Struct, frozen=True, rename="camel"):
    """A conversation.

    Times are RFC 3339 in UTC with six digits; `created_at` is its client's if it sent one. `message_count` is the last
    message's sequence, `token_usage` and `usage` are sums over the messages; `version` counts the session's changes,
    appended messages included.
    """

    id: str
    status: SessionStatus
    profile: str
    context: Raw
    amplified_dir: str
    created_at: str
    updated_at: str
    message_count: int
    token_usage: int
    version: int
    name: str | UnsetType = UNSET
    started_at: str | UnsetType = UNSET
    ended_at: str | UnsetType = UNSET
    error_message: str | UnsetType = UNSET
    error_details: Raw | UnsetType = UNSET
    parent_session_id: str | UnsetType = UNSET
    forked_at_sequence: int | UnsetType = UNSET
    usage: Usage | UnsetType = UNSET
    labels: dict[str, str] | UnsetType = UNSET
    archived: bool | UnsetType = UNSET
    pinned: bool | UnsetType = UNSET


class SessionSummary(Struct, frozen=True, rename="camel"):
    """A conversation as lists show it, without its context and the details of an error."""

    id: str
    status: SessionStatus
    profile: str
    amplified_dir: str
    created_at: str
    updated_at: str
    message_count: int
    token_usage: int
    version: int
    name: str | UnsetType = UNSET
    started_at: str | UnsetType = UNSET
    ended_at: str | UnsetType = UNSET
    error_message: str | UnsetType = UNSET
    parent_session_id: str | UnsetType = UNSET
    forked_at_sequence: int | UnsetType = UNSET
    labels: dict[str, str] | UnsetType = UNSET
    archived: bool | UnsetType = UNSET
    pinned: bool | UnsetType = UNSET
    last_message: LastMessage | UnsetType = UNSET


class SessionPatch(Struct, frozen=True, forbid_unknown_fields=True):
    """A change of a session; `context` and `labels` are merged into the session's (RFC 7396)."""

    name: str | UnsetType | None = UNSET
    profile: str | UnsetType = UNSET
    context: Raw | UnsetType = UNSET
    labels: dict[str, str | None] | UnsetType = UNSET
    archived: bool | UnsetType = UNSET
    pinned: bool | UnsetType = UNSET


class Failure(Struct, frozen=True, forbid_unknown_fields=True):
    """Why a session failed."""

    error_message: str
    error_details: Raw | UnsetType = UNSET


class Fork(Struct, frozen=True, forbid_unknown_fields=True):
    """How a session is forked: its messages up to `at_sequence` are copied, None for all of them."""

    at_sequence: int | None = None
    name: str | None = None


class Lineage(Struct, frozen=True, rename="camel"):
    """The ancestors of a session, its parent first, and its children, oldest first; at most 1,000 of each."""

    session_id: str
    ancestors: list[SessionSummary]
    children: list[SessionSummary]


class BatchMessage(Struct, frozen=True, forbid_unknown_fields=True):
    """One of the messages to append; without a `content` it has `parts`, whose texts are its content.

    It may have an `id` and a time of its own, by RFC 3339.
    """

    content: str | None = None
    role: Role = "user"
    metadata: Raw = EMPTY_OBJECT
    agent: str | None = None
    token_count: int | None = None
    parts: Raw | UnsetType = UNSET
    model: str | UnsetType = UNSET
    usage: NewUsage | UnsetType = UNSET
    id: str | UnsetType = UNSET
    timestamp: str | UnsetType = UNSET


class NewMessage(BatchMessage, frozen=True, forbid_unknown_fields=True):
    """A request to append a message; `expected_sequence` is the sequence that it must get, None for any."""

    expected_sequence: int | None = None


class NewMessages(Struct, frozen=True, forbid_unknown_fields=True):
    """Messages to append together, 1 to 1,000, with the sequence that the first must get, None for any."""

    messages: list[BatchMessage]
    expected_sequence: int | None = None


class MessagePatch(Struct, frozen=True, forbid_unknown_fields=True):
    """A correction of a message: `metadata` is merged into the message's (RFC 7396), the others replace its own.

    Parts without a content replace the content as well, with that of their texts; an empty list of parts with a content
    leaves no parts.
    """

    metadata: Raw | UnsetType = UNSET
    content: str | None = None
    parts: Raw | UnsetType = UNSET


class Message(Struct, frozen=True, rename="camel", omit_defaults=True):
    """One message; `sequence` counts from 1 in its session, without gaps; `id` and `timestamp` may be its client's.

    `version` counts its writes, from 1; `edited_at` is when its content or parts were last replaced. A deleted message
    has a `deleted_at`, no text, and its number, role, time, id, tokens and usage.
    """

    role: Role
    content: str
    timestamp: str
    metadata: Raw
    sequence: int
    agent: str | UnsetType = UNSET
    token_count: int | UnsetType = UNSET
    parts: Raw | UnsetType = UNSET
    model: str | UnsetType = UNSET
    usage: Usage | UnsetType = UNSET
    id: str | UnsetType = UNSET
    version: int = 1
    edited_at: str | UnsetType = UNSET
    deleted_at: str | UnsetType = UNSET


class Messages(Struct, frozen=True, rename="camel"):
    """Messages that were appended together."""

    session_id: str
    messages: list[Message]


class Digest(Protocol):
    """A hash in progress, as of `hashlib`."""

    def update(self, data: bytes, /) -> None: ...
    def hexdigest(self) -> str: ...


@dataclass(frozen=True, slots=True)
class IdempotentRequest:
    """A request that may be retried under its key, with one effect; its `digest`, as far as received, identifies it."""

    key: str
    digest: Digest

    @property
    def fingerprint(self) -> str:
        """The hash that identifies the request, once all of it is received."""
        return self.digest.hexdigest()


@dataclass(eq=False)
class AlreadyApplied(Exception):  # not an error
    """The request was applied before, and has no effect this time; `response` is the recorded response."""

    response: Any


# Called after each part of a long write; the deadline of the request then starts over.
Progressed = Callable[[], None]


def no_progress() -> None:
    """Ignore progress."""


class Blocks(Protocol):
    """Blocks of a list that is being read; `aclose` releases its resources."""

    def __aiter__(self) -> AsyncIterator[bytes]: ...

    async def aclose(self) -> None: ...


class Listing(Struct, frozen=True):
    """A list of records as JSON text: the encoded records, with commas between them.

    `first` begins it. If `rest` is None it is complete; otherwise blocks of some 256 KiB follow, each beginning with
    its comma, and the owner of the listing must iterate `rest` or close it. `next_cursor` leads to the next page, as
    the query's `cursor_name`; `total` counts the records of all pages if the query asks for it.
    """

    first: bytes
    rest: Blocks | None = None
    next_cursor: str | None = None
    cursor_name: str = "cursor"
    total: int | None = None


class Transcript(Struct, frozen=True, rename="camel"):
    """Messages of one session."""

    session_id: str
    messages: Listing


@dataclass(frozen=True, slots=True, weakref_slot=True)
class Event:
    """An event; `data` is a record in JSON, `id` is the position after which a reader continues."""

    kind: EventKind
    data: bytes
    id: str | None = None


@dataclass(frozen=True, slots=True)
class Events:
    """Events as they happen, until none can follow; those that exist come together. Its owner must close `batches`."""

    # An event object belongs to one batch, which several readers may receive: its last object identifies the batch.
    batches: AsyncGenerator[Sequence[Event], None]
    # The reader of a batch calls it afterwards, because memory may hold only a few large batches.
    release: Callable[[], None] = lambda: None


class ExportHeader(Struct, frozen=True):
    """The header of an export."""

    format: Literal["amplifierd-export"] = "amplifierd-export"
    version: int = 2


class ExportFile(Struct, frozen=True):
    """A file of an export; its bytes follow in chunks."""

    id: str
    media: str
    size: int
    name: str | UnsetType = UNSET


class ExportChunk(Struct, frozen=True):
    """The next bytes of a file: at most 64 KiB."""

    data: bytes


class ExportEnd(Struct, frozen=True):
    """The end of an export, with the counts of what precedes it."""

    sessions: int
    messages: int
    files: int


class ExportLine(Struct, frozen=True):
    """One record of an export.

    The header; a session, its profile if it is not implied, the targets of the profile's references if any, its
    messages; a file, its chunks; the end.
    """

    header: ExportHeader | UnsetType = UNSET
    session: Session | UnsetType = UNSET
    profile: ProfileSettings | UnsetType = UNSET
    plan: ExportPlan | UnsetType = UNSET
    message: Message | UnsetType = UNSET
    file: ExportFile | UnsetType = UNSET
    chunk: ExportChunk | UnsetType = UNSET
    end: ExportEnd | UnsetType = UNSET


@dataclass(frozen=True, slots=True)
class Export:
    """Sessions with their messages, maybe with files, in batches of bounded size.

    Its owner must iterate `batches` or close it. The reader calls `progressed` after each part, and `written` with the
    share of the sessions and messages that are written, from 0 to 1.
    """

    batches: AsyncGenerator[list[ExportLine], None]
    progressed: Progressed = no_progress
    written: Callable[[float], None] = lambda _share: None


class ImportReport(Struct, frozen=True, rename="camel"):
    """How many sessions and messages were written, sessions skipped, given a new id or extended, and files written."""

    sessions: int = 0
    messages: int = 0
    skipped: int = 0
    renamed: int = 0
    extended: int = 0
    files: int = 0


ENDED: tuple[SessionStatus, ...] = ("completed", "failed", "terminated")


class CleanUp(Struct, frozen=True, forbid_unknown_fields=True):
    """Which sessions to delete: those with a status whose last update is that many days ago or more."""

    older_than_days: int
    status: tuple[SessionStatus, ...] = ENDED
    dry_run: bool = True


class DeletionReport(Struct, frozen=True, rename="camel"):
    """What was deleted, or with `dry_run` would be; the ids of the first 1,000 sessions."""

    dry_run: bool
    sessions: int = 0
    messages: int = 0
    session_ids: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class OtherVersions:
    """All versions except `excluded`; no version at all if that is None."""

    excluded: tuple[int, ...] | None

    def __contains__(self, version: int) -> bool:
        return self.excluded is not None and version not in self.excluded


# The versions that a session may have; None for any.
Versions = tuple[int, ...] | OtherVersions | None
