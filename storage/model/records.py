"""What the storage keeps, in the names of the wire: camelCase in answers, snake_case in what a client sends.

Every record encodes to JSON with `msgspec.json.encode` as the contract describes it; a field without a value is left
out. A `msgspec.Raw` holds a JSON value as text, so that it comes back as it was sent: order of keys, `1.0`, integers of
any size.
"""

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from msgspec import UNSET, Raw, Struct, UnsetType

from .part_records import NewUsage, Usage
from .profile_records import ProfilePatch, ProfileSettings

EMPTY_OBJECT = Raw(b"{}")

Role = Literal["user", "assistant", "system", "developer", "tool"]
SessionStatus = Literal["created", "active", "completed", "failed", "terminated"]
OnConflict = Literal["fail", "skip", "new_id"]
SearchScope = Literal["text", "tools", "all"]
EventKind = Literal["message", "session", "created", "changed", "deleted"]


class NewSession(Struct, frozen=True, forbid_unknown_fields=True):
    """What a client says to open a session; without a `profile` the directory's is taken.

    It may have an `id` (a UUID) and a time from elsewhere, by RFC 3339.
    """

    profile: str | None = None
    context: Raw = EMPTY_OBJECT
    amplified_dir: str = "."
    name: str | None = None
    settings_overrides: ProfilePatch | UnsetType = UNSET
    id: str | None = None
    created_at: str | None = None


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


class SessionSummary(Struct, frozen=True, rename="camel"):
    """A conversation as a list shows it, without its context and the details of an error."""

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


class SessionPatch(Struct, frozen=True, forbid_unknown_fields=True):
    """What a client changes of a session; `context` is merged into the session's (RFC 7396)."""

    name: str | UnsetType | None = UNSET
    profile: str | UnsetType = UNSET
    context: Raw | UnsetType = UNSET


class Failure(Struct, frozen=True, forbid_unknown_fields=True):
    """Why a session failed."""

    error_message: str
    error_details: Raw | UnsetType = UNSET


class Fork(Struct, frozen=True, forbid_unknown_fields=True):
    """How a session is forked: its messages up to `at_sequence` are copied, None for all of them."""

    at_sequence: int | None = None
    name: str | None = None


class Lineage(Struct, frozen=True, rename="camel"):
    """Where a session comes from, its parent first, and its children, the oldest first; at most 1,000 of each."""

    session_id: str
    ancestors: list[SessionSummary]
    children: list[SessionSummary]


class BatchMessage(Struct, frozen=True, forbid_unknown_fields=True):
    """One of many messages to append; without a `content` it has `parts`, whose texts that is.

    It may have an `id` and a time from elsewhere, by RFC 3339.
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
    """What a client says to append a message, with the sequence that it must get, None for any."""

    expected_sequence: int | None = None


class NewMessages(Struct, frozen=True, forbid_unknown_fields=True):
    """Messages to append together, 1 to 1,000, with the sequence that the first must get, None for any."""

    messages: list[BatchMessage]
    expected_sequence: int | None = None


class Message(Struct, frozen=True, rename="camel"):
    """One message; `sequence` counts from 1 in its session, without gaps; `id` and `timestamp` may be its client's."""

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


class Messages(Struct, frozen=True, rename="camel"):
    """Messages that were appended together."""

    session_id: str
    messages: list[Message]


class Digest(Protocol):
    """A hash that is being made, as `hashlib` has them."""

    def update(self, data: bytes, /) -> None: ...

    def hexdigest(self) -> str: ...


@dataclass(slots=True)
class IdempotentRequest:
    """A request that its client may send again under the same key, with one effect and one answer.

    `digest` has read the request, as far as that is there, and tells it from another; the storage sets `replayed` where
    it answers from its record.
    """

    key: str
    digest: Digest
    replayed: bool = False

    @property
    def fingerprint(self) -> str:
        """What tells the request from another, once all of it is read."""
        return self.digest.hexdigest()


# Is called after each part of a long write, whose request may take as long again for the next.
Progressed = Callable[[], None]


def no_progress() -> None:
    """Tell nobody."""


class Blocks(Protocol):
    """Blocks of a list that is being read; `aclose` gives back what reading them holds."""

    def __aiter__(self) -> AsyncIterator[bytes]: ...

    async def aclose(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Listing:
    """A list of records as JSON text: the records, encoded, with commas between them.

    `first` begins it. Where `rest` is None it is all of it; otherwise its blocks of some 256 KiB follow, each beginning
    with its comma, and whoever holds the listing iterates `rest` or closes it. `next_cursor` leads to the next page, as
    the query's `cursor_name`.
    """

    first: bytes
    rest: Blocks | None = None
    next_cursor: str | None = None
    cursor_name: str = "cursor"


class Transcript(Struct, frozen=True, rename="camel"):
    """Messages of one session."""

    session_id: str
    messages: Listing


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened; `data` is a record in JSON, `id` what a reader goes on after."""

    kind: EventKind
    data: bytes
    id: str | None = None


@dataclass(frozen=True, slots=True)
class Events:
    """What happens, as it happens: events in their order, those that are there already together.

    Whoever holds it iterates `batches` or closes it. It ends when nothing more can happen.
    """

    batches: AsyncGenerator[Sequence[Event], None]


class ExportHeader(Struct, frozen=True):
    """What an export is."""

    format: Literal["amplifierd-export"] = "amplifierd-export"
    version: int = 1


class ExportLine(Struct, frozen=True):
    """One record of an export: the header; a session, its profile where that needs saying, its messages."""

    header: ExportHeader | UnsetType = UNSET
    session: Session | UnsetType = UNSET
    profile: ProfileSettings | UnsetType = UNSET
    message: Message | UnsetType = UNSET


@dataclass(frozen=True, slots=True)
class Export:
    """Sessions with their messages, in batches of bounded size. Whoever holds it iterates `batches` or closes it.

    Whoever writes it calls `progressed` after each part.
    """

    batches: AsyncGenerator[list[ExportLine], None]
    progressed: Progressed = no_progress


class ImportReport(Struct, frozen=True, rename="camel"):
    """How many sessions and messages were written, sessions left out, and sessions that got a new id."""

    sessions: int = 0
    messages: int = 0
    skipped: int = 0
    renamed: int = 0


@dataclass(frozen=True, slots=True)
class SearchQuery:
    """What to look for: `text` as a person types it, in the `scope`; filters that must hold where they are not None.

    `limit` is at least 1; `cursor` is a listing's `next_cursor`.
    """

    text: str
    role: Role | None = None
    profile: str | None = None
    amplified_dir: str | None = None
    session_id: str | None = None
    limit: int = 50
    cursor: str | None = None
    scope: SearchScope = "all"


class SearchHit(Struct, frozen=True, rename="camel"):
    """A message that was found; `snippet` is HTML with matches in `<mark>`, `score` between 0 and 1."""

    session_id: str
    sequence: int
    role: Role
    snippet: str
    score: float


ENDED: tuple[SessionStatus, ...] = ("completed", "failed", "terminated")


class CleanUp(Struct, frozen=True, forbid_unknown_fields=True):
    """Which sessions to delete: those of a status that were last updated so many days ago or more."""

    older_than_days: int
    status: tuple[SessionStatus, ...] = ENDED
    dry_run: bool = True


class CleanUpReport(Struct, frozen=True, rename="camel"):
    """What went, or with `dry_run` would go; the ids of the first 1,000 sessions."""

    dry_run: bool
    sessions: int = 0
    messages: int = 0
    session_ids: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class OtherVersions:
    """All versions but the `excluded`; none at all where these are None."""

    excluded: tuple[int, ...] | None

    def __contains__(self, version: int) -> bool:
        return self.excluded is not None and version not in self.excluded


# The versions at which a session has to be; None for any.
Versions = tuple[int, ...] | OtherVersions | None
