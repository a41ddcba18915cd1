"""What can be wrong with a request to the storage, as facts of the domain that carry the ids.

An error says what is wrong. What to do about it depends on how it was asked: the sentence for a client of the API is
made in `app`, the one for a terminal in `commands`.
"""

import asyncio
from collections.abc import Mapping

from .records import SessionSummary


class StorageError(Exception):
    """Whatever a storage says no to; its text states the fact, for logs and as the start of other sentences.

    `members` are what a program may want of that sentence, by name.
    """

    members: Mapping[str, int | SessionSummary] = {}


class SessionNotFound(StorageError):
    """There is no session `session_id` in the workspace that was asked."""

    def __init__(self, session_id: str) -> None:
        super().__init__(f"Session {session_id} not found")
        self.session_id = session_id


class MessageNotFound(StorageError):
    """The session, which is there, has no message `sequence`."""

    def __init__(self, session_id: str, sequence: int) -> None:
        super().__init__(f"Message {sequence} of session {session_id} not found")
        self.session_id = session_id
        self.sequence = sequence


class MessageInvalid(StorageError):
    """A message to append contradicts itself at `pointer` (RFC 6901), counted from what was sent."""

    def __init__(self, pointer: str, detail: str) -> None:
        super().__init__(f"The message is invalid: {pointer} {detail}.")
        self.pointer = pointer
        self.detail = detail


class SessionConflict(StorageError):
    """The session is not in a state for what was asked of it."""


class SessionStatusConflict(SessionConflict):
    """A session of this `status` can't do `action`."""

    def __init__(self, session_id: str, action: str, status: str) -> None:
        super().__init__(f"Cannot {action} session {session_id}: it is {status}")
        self.session_id = session_id
        self.action = action
        self.status = status


class SessionEnded(SessionConflict):
    """A session that has ended takes no messages."""

    def __init__(self, session_id: str, status: str) -> None:
        super().__init__(f"Cannot append to session {session_id}: it is {status}")
        self.session_id = session_id
        self.status = status


class SequenceConflict(SessionConflict):
    """The next message of the session gets `next_sequence`, which is not the number that was expected."""

    def __init__(self, session_id: str, expected: int, next_sequence: int) -> None:
        super().__init__(f"The next message of session {session_id} gets sequence {next_sequence}, not {expected}")
        self.session_id = session_id
        self.members = {"nextSequence": next_sequence}


class TooFewMessages(SessionConflict):
    """The session does not have the message up to which it is to be copied."""

    def __init__(self, session_id: str, at_sequence: int, message_count: int) -> None:
        super().__init__(
            f"Cannot fork session {session_id} at message {at_sequence}: its last message is {message_count}"
        )
        self.session_id = session_id


class SessionExists(SessionConflict):
    """A session that is to be imported is there already."""

    def __init__(self, session_id: str) -> None:
        super().__init__(f"Cannot import session {session_id}: it is there already")
        self.session_id = session_id


class SessionIdInUse(SessionConflict):
    """A session that is to be created is `there` already."""

    def __init__(self, there: SessionSummary) -> None:
        super().__init__(f"Session {there.id} is there already")
        self.members = {"session": there}


class MessageIdInUse(SessionConflict):
    """The message `sequence` of the session has the id that another is to have."""

    def __init__(self, session_id: str, message_id: str, sequence: int) -> None:
        super().__init__(f"Message {sequence} of session {session_id} has the id {message_id!r} already")
        self.session_id = session_id
        self.members = {"sequence": sequence}


class ImportInvalid(StorageError):
    """What is to be imported is no export; `line` counts from 1."""

    def __init__(self, line: int, reason: str) -> None:
        super().__init__(f"Cannot import line {line}: {reason}")
        self.line = line


class VersionMismatch(StorageError):
    """The session is at `version`, and the request is meant for others."""

    def __init__(self, session_id: str, version: int, expected: object) -> None:
        why = "which the request excludes"
        if isinstance(expected, tuple):
            why = f"not at {' or '.join(str(each) for each in sorted(expected)) or 'one that it can have'}"
        super().__init__(f"Session {session_id} is at version {version}, {why}.")
        self.session_id = session_id
        self.members = {"version": version}


class ContextTooLarge(StorageError):
    """What a patch makes of a session's context is larger than a context may be."""

    def __init__(self, session_id: str, reason: str) -> None:
        super().__init__(f"The context of session {session_id} would have {reason}")
        self.session_id = session_id


class ProfileNotFound(StorageError):
    """There is no profile of this name."""

    def __init__(self, name: str) -> None:
        super().__init__(f"Profile {name} not found")
        self.name = name


class NoActiveProfile(StorageError):
    """No profile is active."""

    def __init__(self) -> None:
        super().__init__("No profile is active")


class SessionProfileUnknown(StorageError):
    """The session came from elsewhere, without what its profile was."""

    def __init__(self, session_id: str, name: str) -> None:
        super().__init__(f"Session {session_id} came without its profile {name}")
        self.session_id = session_id
        self.name = name


class ProfileConflict(StorageError):
    """The profile is not in a state for what was asked of it."""


class ProfileExists(ProfileConflict):
    """There is a profile of this name already."""

    def __init__(self, name: str) -> None:
        super().__init__(f"Profile {name} already exists")
        self.name = name


class ProfileReadOnly(ProfileConflict):
    """The profile is built in."""

    def __init__(self, name: str) -> None:
        super().__init__(f"Profile {name} is built in, and stays as it is")
        self.name = name


class ProfileActive(ProfileConflict):
    """The active profile can't be deleted."""

    def __init__(self, name: str) -> None:
        super().__init__(f"Cannot delete active profile: {name}")
        self.name = name


class ProfileNameReserved(StorageError):
    """No profile may have this name: addresses of profiles, and of what is done to them, have it in them."""

    def __init__(self, name: str) -> None:
        super().__init__(f"The profile name {name} is reserved")
        self.name = name


class ProfileInvalid(StorageError):
    """What a change makes of a profile is none."""

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(f"Profile {name} would not be one: {reason}")
        self.name = name


class DirectoryNotAmplified(StorageError):
    """There is no amplified directory of this path."""

    def __init__(self, relative_path: str) -> None:
        super().__init__(f"Directory {relative_path} is not amplified")
        self.relative_path = relative_path


class DirectoryConflict(StorageError):
    """The directory is not in a state for what was asked of it."""


class DirectoryExists(DirectoryConflict):
    """The directory is amplified already."""

    def __init__(self, relative_path: str) -> None:
        super().__init__(f"Directory {relative_path} is amplified already")
        self.relative_path = relative_path


class DirectoryInUse(DirectoryConflict):
    """The directory has sessions."""

    def __init__(self, relative_path: str, session_count: int) -> None:
        sessions = "1 session" if session_count == 1 else f"{session_count} sessions"
        super().__init__(f"Directory {relative_path} has {sessions}")
        self.relative_path = relative_path
        self.members = {"sessionCount": session_count}


class DirectoryUnwritable(DirectoryConflict):
    """The disk does not let the directory be."""

    def __init__(self, relative_path: str, reason: str) -> None:
        super().__init__(f"Directory {relative_path} can't be on the disk: {reason}")
        self.relative_path = relative_path


class RootDirectory(DirectoryConflict):
    """The root is always there."""

    def __init__(self) -> None:
        super().__init__("Directory . is the data root, which is always amplified")


class DirectoryPathRefused(StorageError):
    """No directory may have this path."""

    def __init__(self, relative_path: str, reason: str) -> None:
        super().__init__(f"Directory {relative_path!r} can't be amplified: {reason}")
        self.relative_path = relative_path


class DirectoryMetadataRefused(StorageError):
    """No directory may have this metadata."""

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


class IdempotencyAnswerNotKept(StorageError):
    """The request under this key was done, and its answer was too long to be kept beside those of later requests."""

    def __init__(self, key: str) -> None:
        super().__init__(f"The request with the idempotency key {key!r} was done; its answer is not kept any more")
        self.key = key


class WorkspaceNotFound(StorageError):
    """Nothing is kept for the workspace `name`, and no key opens it."""

    def __init__(self, name: str) -> None:
        super().__init__(f"There is no workspace {name}: it has no session, profile, directory or key")
        self.name = name


class KeyNotFound(StorageError):
    """There is no key of that id."""

    def __init__(self, key_id: str) -> None:
        super().__init__(f"There is no key {key_id!r}")
        self.key_id = key_id


class StorageUnavailable(StorageError):
    """The storage can't answer now, and another try may succeed (see interface.py on what was written).

    It `is_busy` if others are all that keeps it from that.
    """

    def __init__(self, reason: str, *, is_busy: bool = False) -> None:
        super().__init__(f"The storage is not available: {reason}.")
        self.reason = reason
        self.is_busy = is_busy


class NothingWritten(asyncio.CancelledError):
    """A write was cancelled before it took effect, and takes none any more."""

    nothing_written = True
