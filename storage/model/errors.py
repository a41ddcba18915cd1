"""Errors of requests to the storage, as facts with fields.

An error says what is wrong. What to do about it depends on the caller: `app` adds a sentence for clients of the API,
`commands` one for the terminal.
"""

import asyncio
from collections.abc import Mapping, Sequence

from ..values.quantities import quantity
from .records import SessionSummary


class StorageError(Exception):
    """A storage refused a request; the text states the fact, for logs and as the start of other sentences.

    `members` are the values in that sentence that a program may need, by name.
    """

    members: Mapping[str, int | SessionSummary] = {}


class SessionNotFound(StorageError):
    """The workspace has no session `session_id`."""

    def __init__(self, session_id: str) -> None:
        super().__init__(f"Session {session_id} not found")
        self.session_id = session_id


class MessageNotFound(StorageError):
    """The session exists and has no message `sequence`."""

    def __init__(self, session_id: str, sequence: int) -> None:
        super().__init__(f"Message {sequence} of session {session_id} not found")
        self.session_id = session_id
        self.sequence = sequence


class BodyInvalid(StorageError):
    """The request body is invalid at `pointer` (RFC 6901)."""

    subject = "body is"

    def __init__(self, pointer: str, detail: str) -> None:
        super().__init__(f"The {self.subject} invalid: {pointer} {detail}.")
        self.pointer = pointer
        self.detail = detail


class MessageInvalid(BodyInvalid):
    """A message to append is invalid."""

    subject = "message is"


class LabelsInvalid(BodyInvalid):
    """A session can't have these labels."""

    subject = "labels are"


class DataUrlTooLong(MessageInvalid):
    """The `data:` URL of a part is too long."""


class FileUnknown(MessageInvalid):
    """A part refers to a missing file."""


class FilesUnknown(StorageError):
    """Messages refer to missing files."""

    def __init__(self, ids: frozenset[str]) -> None:
        super().__init__(f"Files {', '.join(sorted(ids))} not found")
        self.ids = ids


class FileNotFound(StorageError):
    """The workspace has no file `file_id`."""

    def __init__(self, file_id: str) -> None:
        super().__init__(f"File {file_id} not found")
        self.file_id = file_id


class FileConflict(StorageError):
    """The state of the file does not allow the request."""


class FileInUse(FileConflict):
    """Messages refer to the file: `references` has their sessions and sequences, perhaps not all (`has_more`)."""

    def __init__(self, file_id: str, references: Sequence[tuple[str, int]], *, has_more: bool) -> None:
        named = [f"message {sequence} of session {session_id}" for session_id, sequence in references]
        more = ", and others" if has_more else ""
        super().__init__(f"Cannot delete file {file_id}: it is named by {', '.join(named)}{more}")
        self.file_id = file_id


class SessionConflict(StorageError):
    """The state of the session does not allow the request."""


class SessionStatusConflict(SessionConflict):
    """A session with this `status` does not allow `action`."""

    def __init__(self, session_id: str, action: str, status: str) -> None:
        super().__init__(f"Cannot {action} session {session_id}: it is {status}")
        self.session_id = session_id
        self.action = action
        self.status = status


class SessionEnded(SessionConflict):
    """The session has ended and accepts no messages."""

    def __init__(self, session_id: str, status: str) -> None:
        super().__init__(f"Cannot append to session {session_id}: it is {status}")
        self.session_id = session_id
        self.status = status


class MessageDeleted(SessionConflict):
    """The message has been deleted."""

    def __init__(self, session_id: str, sequence: int) -> None:
        super().__init__(f"Cannot change message {sequence} of session {session_id}: it is deleted")
        self.session_id = session_id
        self.sequence = sequence


class SequenceConflict(SessionConflict):
    """The next message of the session gets `next_sequence`, which differs from the expected number."""

    def __init__(self, session_id: str, expected: int, next_sequence: int) -> None:
        super().__init__(f"The next message of session {session_id} gets sequence {next_sequence}, not {expected}")
        self.session_id = session_id
        self.members = {"nextSequence": next_sequence}


class TooFewMessages(SessionConflict):
    """The session has fewer messages than the request copies."""

    def __init__(self, session_id: str, at_sequence: int, message_count: int) -> None:
        super().__init__(
            f"Cannot fork session {session_id} at message {at_sequence}: its last message is {message_count}"
        )
        self.session_id = session_id


class SessionExists(SessionConflict):
    """A session to import already exists."""

    def __init__(self, session_id: str) -> None:
        super().__init__(f"Cannot import session {session_id}: it already exists")
        self.session_id = session_id


class SessionIdInUse(SessionConflict):
    """The session to create already exists; `existing` is that session."""

    def __init__(self, existing: SessionSummary) -> None:
        super().__init__(f"Session {existing.id} already exists")
        self.members = {"session": existing}


class MessageIdInUse(SessionConflict):
    """The message `sequence` of the session already has the id."""

    def __init__(self, session_id: str, message_id: str, sequence: int) -> None:
        super().__init__(f"Message {sequence} of session {session_id} already has the id {message_id!r}")
        self.session_id = session_id
        self.members = {"sequence": sequence}


class ImportInvalid(StorageError):
    """The import is not a valid export; `line` counts from 1."""

    def __init__(self, line: int, reason: str) -> None:
        super().__init__(f"Cannot import line {line}: {reason}")
        self.line = line


class VersionMismatch(StorageError):
    """The session is at `version`, which is not one of the expected versions."""

    def __init__(self, session_id: str, version: int, expected: object, subject: str | None = None) -> None:
        why = "which the request excludes"
        if isinstance(expected, tuple):
            why = f"not at {' or '.join(str(each) for each in sorted(expected)) or 'any that the request names'}"
        super().__init__(f"{subject or f'Session {session_id}'} is at version {version}, {why}.")
        self.session_id = session_id
        self.members = {"version": version}


class MessageVersionMismatch(VersionMismatch):
    """The message is at `version`, which is not one of the expected versions."""

    def __init__(self, session_id: str, sequence: int, version: int, expected: object) -> None:
        super().__init__(session_id, version, expected, f"Message {sequence} of session {session_id}")
        self.sequence = sequence


class ContextTooLarge(StorageError):
    """The patched context of the session would exceed a limit."""

    def __init__(self, session_id: str, reason: str) -> None:
        super().__init__(f"The context of session {session_id} would have {reason}")
        self.session_id = session_id


class MetadataTooLarge(StorageError):
    """The patched metadata of the message would exceed a limit."""

    def __init__(self, session_id: str, sequence: int, reason: str) -> None:
        super().__init__(f"The metadata of message {sequence} of session {session_id} would have {reason}")
        self.session_id = session_id
        self.sequence = sequence


class ProfileNotFound(StorageError):
    """The workspace has no profile of this name."""

    def __init__(self, name: str) -> None:
        super().__init__(f"Profile {name} not found")
        self.name = name


class NoActiveProfile(StorageError):
    """No profile is active."""

    def __init__(self) -> None:
        super().__init__("No profile is active")


class SessionProfileUnknown(StorageError):
    """The session was imported without its profile."""

    def __init__(self, session_id: str, name: str) -> None:
        super().__init__(f"Session {session_id} was imported without its profile {name}")
        self.session_id = session_id
        self.name = name


class ProfileConflict(StorageError):
    """The state of the profile does not allow the request."""


class ProfileExists(ProfileConflict):
    """A profile of this name already exists."""

    def __init__(self, name: str) -> None:
        super().__init__(f"Profile {name} already exists")
        self.name = name


class ProfileReadOnly(ProfileConflict):
    """The profile is built in and cannot be changed."""

    def __init__(self, name: str) -> None:
        super().__init__(f"Profile {name} is built in and cannot be changed")
        self.name = name


class ProfileActive(ProfileConflict):
    """The active profile cannot be deleted."""

    def __init__(self, name: str) -> None:
        super().__init__(f"Cannot delete active profile: {name}")
        self.name = name


class ProfileNameReserved(StorageError):
    """The name is reserved: it occurs in paths of the API."""

    def __init__(self, name: str) -> None:
        super().__init__(f"The profile name {name} is reserved")
        self.name = name


class ProfileInvalid(StorageError):
    """The change would make the profile invalid."""

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(f"Profile {name} would be invalid: {reason}")
        self.name = name


class DirectoryNotAmplified(StorageError):
    """No amplified directory has this path."""

    def __init__(self, relative_path: str) -> None:
        super().__init__(f"Directory {relative_path} is not amplified")
        self.relative_path = relative_path


class DirectoryConflict(StorageError):
    """The state of the directory does not allow the request."""


class DirectoryExists(DirectoryConflict):
    """The directory is already amplified."""

    def __init__(self, relative_path: str) -> None:
        super().__init__(f"Directory {relative_path} is amplified already")
        self.relative_path = relative_path


class DirectoryInUse(DirectoryConflict):
    """The directory has sessions."""

    def __init__(self, relative_path: str, session_count: int) -> None:
        super().__init__(f"Directory {relative_path} has {quantity(session_count, 'session')}")
        self.relative_path = relative_path
        self.members = {"sessionCount": session_count}


class DirectoryUnwritable(DirectoryConflict):
    """The directory cannot be created or written on the disk."""

    def __init__(self, relative_path: str, reason: str) -> None:
        super().__init__(f"Directory {relative_path} cannot be created on the disk: {reason}")
        self.relative_path = relative_path


class RootDirectory(DirectoryConflict):
    """The root directory cannot be removed."""

    def __init__(self) -> None:
        super().__init__("Directory . is the data root, which is always amplified")


class DirectoryPathRefused(StorageError):
    """The path is invalid for an amplified directory."""

    def __init__(self, relative_path: str, reason: str) -> None:
        super().__init__(f"Directory {relative_path!r} can't be amplified: {reason}")
        self.relative_path = relative_path


class DirectoryMetadataRefused(StorageError):
    """The metadata is invalid for an amplified directory."""

    def __init__(self, relative_path: str, reason: str) -> None:
        super().__init__(f"The metadata of directory {relative_path} would have {reason}")
        self.relative_path = relative_path


class IdempotencyKeyReused(StorageError):
    """The key was used for another request."""

    def __init__(self, key: str) -> None:
        super().__init__(f"The idempotency key {key!r} was used for another request")
        self.key = key


class IdempotencyKeyInUse(StorageError):
    """Another process is handling the request."""

    def __init__(self, key: str) -> None:
        super().__init__(f"A request with the idempotency key {key!r} is being handled by another process")
        self.key = key


class IdempotencyResponseNotKept(StorageError):
    """The request under this key was applied, but its long response was deleted to make room for later ones."""

    def __init__(self, key: str) -> None:
        super().__init__(f"The request with the idempotency key {key!r} was applied; its response is no longer kept")
        self.key = key


class WorkspaceNotFound(StorageError):
    """The workspace `name` is empty and has no key."""

    def __init__(self, name: str) -> None:
        super().__init__(f"There is no workspace {name}: it has no session, profile, directory or key")
        self.name = name


class StorageUnavailable(StorageError):
    """The storage cannot respond now; a retry may succeed (interface.py says what may have been written).

    `is_busy` is true if only the load of other requests is the cause.
    """

    def __init__(self, reason: str, *, is_busy: bool = False) -> None:
        super().__init__(f"The storage is not available: {reason}.")
        self.reason = reason
        self.is_busy = is_busy


class WriteCancelled(asyncio.CancelledError):
    """A write was cancelled before it took effect, and will not take effect."""

    nothing_written = True
