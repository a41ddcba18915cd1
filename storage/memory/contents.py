"""The stored records: databases, their workspaces, and the content of workspaces."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from msgspec import UNSET, Raw

from ..model.collections import Collection
from ..model.errors import FileInUse, FileNotFound, MessageNotFound, SessionNotFound, VersionMismatch
from ..model.files import File
from ..model.modules import Module, ModuleScope, ReferenceTargets
from ..model.part_records import UsageSum, calls_of, file_ids_of
from ..model.profile_records import ProfileSettings
from ..model.records import Message, Session, SessionSummary, Versions
from ..model.workspaces import Key
from ..operations.files import MAX_NAMED
from ..operations.messages import shown_last
from ..values.uuid7 import canonical_id

_SUMMARY = [name for name in SessionSummary.__struct_fields__ if name != "last_message"]


class Correction(NamedTuple):
    """The last correction of a message: the version of the session, and the session's last message at that time."""

    version: int
    after_sequence: int
    is_deleted: bool


@dataclass
class Conversation:
    """A session with its transcript, its sums of usage, and its profile, which is None if it is unknown.

    `mounted` and `texts` are the targets of the profile's references at the time when the session got it.

    `changed_version` and `changed_sequence` are the version and the last message of the last change that was not to the
    transcript; `created` and `written` are the revisions of the first and the last write.
    """

    session: Session
    profile: ProfileSettings | None
    created: int
    written: int
    changed_version: int
    changed_sequence: int
    messages: list[Message] = field(default_factory=list)
    usage: UsageSum | None = None
    corrected: dict[int, Correction] = field(default_factory=dict)
    mounted: ReferenceTargets = field(default_factory=ReferenceTargets)
    texts: Mapping[str, str] = field(default_factory=dict)

    @property
    def summary(self) -> SessionSummary:
        """The session's entry in lists."""
        last = self.messages[-1] if self.messages else None
        shown = UNSET if last is None else shown_last(last)
        return SessionSummary(**{name: getattr(self.session, name) for name in _SUMMARY}, last_message=shown)

    def message(self, session_id: str, sequence: int) -> Message:
        """A message. Raises `MessageNotFound` with the id of the request."""
        if not 1 <= sequence <= len(self.messages):
            raise MessageNotFound(session_id, sequence)
        return self.messages[sequence - 1]

    def with_open_calls(self) -> set[int]:
        """The sequences of the messages with a call that has no result in the same message or a later one."""
        answered: set[str] = set()
        found: set[int] = set()
        for message in reversed(self.messages):
            if isinstance(message.parts, Raw):
                calls = calls_of(message.parts)
                if not answered.issuperset(calls.opened):
                    found.add(message.sequence)
                answered.update(calls.answered)
        return found


@dataclass
class StoredProfile:
    """A profile, and the collection that it belongs to, if any.

    `origin` is the name of the collection from which it was read or copied; `texts` are the texts of its files by path.
    """

    settings: ProfileSettings
    created_at: str
    updated_at: str
    collection: str | None = None
    origin: str | None = None
    texts: Mapping[str, str] = field(default_factory=dict)


@dataclass
class StoredDirectory:
    """An amplified directory; `metadata` is the text of an object."""

    default_profile: str | None
    metadata: str
    created_at: str
    updated_at: str


@dataclass
class StoredFile:
    """A file with its bytes; while its record has an `expires_at`, it is kept even without references."""

    record: File
    content: bytes


@dataclass
class RecordedResponse:
    """The response to a request with a key, or its progress if `is_whole` is not set.

    `messages` are the first and the last sequence of a response with messages; a replay has their current state.
    """

    fingerprint: str
    expires_at: str
    response: object
    is_whole: bool = True
    session_id: str | None = None
    messages: tuple[int, int] | None = None


class Deletion(NamedTuple):
    """The deletion of a session, with the revision and the time of the write."""

    revision: int
    session_id: str
    moment: str


@dataclass
class Workspace:
    """The content of a workspace; `revision` is the number of the last write, and never goes back."""

    revision: int = 0
    conversations: dict[str, Conversation] = field(default_factory=dict)
    deletions: list[Deletion] = field(default_factory=list)
    responses: dict[str, RecordedResponse] = field(default_factory=dict)
    profiles: dict[str, StoredProfile] = field(default_factory=dict)
    active: str | None = None
    collections: dict[str, Collection] = field(default_factory=dict)
    modules: dict[str, Module] = field(default_factory=dict)
    # By the id of the module and the scope.
    module_sources: dict[tuple[str, ModuleScope], str] = field(default_factory=dict)
    directories: dict[str, StoredDirectory] = field(default_factory=dict)
    # The time of the last creation of a session in each directory.
    last_used: dict[str, str] = field(default_factory=dict)
    files: dict[str, StoredFile] = field(default_factory=dict)
    # The events of readers that wait for the next write.
    followers: set[asyncio.Event] = field(default_factory=set)

    def find(self, session_id: str) -> Conversation:
        """A session. Raises `SessionNotFound` with the id of the request."""
        found = self.conversations.get(canonical_id(session_id))
        if found is None:
            raise SessionNotFound(session_id)
        return found

    def take(self, session_id: str, versions: Versions) -> Conversation:
        """A session to change. Raises `SessionNotFound`, `VersionMismatch`."""
        found = self.find(session_id)
        version = found.session.version
        if versions is not None and version not in versions:
            raise VersionMismatch(session_id, version, versions)
        return found

    def file(self, file_id: str) -> StoredFile:
        """A file. Raises `FileNotFound`."""
        if file_id not in self.files:
            raise FileNotFound(file_id)
        return self.files[file_id]

    def references(self) -> dict[str, list[tuple[str, int]]]:
        """The messages that refer to each file, by file id: pairs of session and sequence, in this order."""
        found: dict[str, list[tuple[str, int]]] = {}
        for session_id, conversation in sorted(self.conversations.items()):
            for message in conversation.messages:
                for file_id in named_files([message]):
                    found.setdefault(file_id, []).append((session_id, message.sequence))
        return found

    def refuse_in_use(self, file_id: str) -> None:
        """Raises `FileInUse` if a message refers to the file."""
        found = self.references().get(file_id)
        if found:
            raise FileInUse(file_id, found[:MAX_NAMED], has_more=len(found) > MAX_NAMED)

    @property
    def is_known(self) -> bool:
        """Whether the workspace has any content, or had a session recently."""
        return bool(
            self.conversations or self.deletions or self.profiles or self.collections or self.directories or self.files
        )


@dataclass
class Database:
    """Workspaces by name, and the keys of all workspaces by id; `last` is the time of the last write."""

    workspaces: dict[str, Workspace] = field(default_factory=dict)
    keys: dict[str, Key] = field(default_factory=dict)
    last: str | None = None


def named_files(messages: Sequence[Message]) -> list[str]:
    """The ids of the files to which messages refer, each once, in the order of the messages."""
    named = (file_ids_of(message.parts) for message in messages if isinstance(message.parts, Raw))
    return list(dict.fromkeys(file_id for ids in named for file_id in ids))
