"""Errors of a whole database, as facts; `commands` adds the sentences that say what to do."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import msgspec

from .errors import StorageError, StorageUnavailable
from .records import ExportLine, Message

# Returns the record in a line of an export; None if an import refuses the line.
ReadLine = Callable[[bytes], ExportLine | None]

# The time after which a refused search may be retried.
INDEXED_A_SECOND = 2_000
MAX_RETRY_SECONDS = 60


_decode_line = msgspec.json.Decoder(ExportLine).decode
_decode_message = msgspec.json.Decoder(Message).decode


def decoded_line(line: bytes) -> ExportLine | None:
    """The record in a line of an export; None if it is invalid JSON, or of another type."""
    try:
        return _decode_line(line)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return None


def decoded_message(record: bytes) -> Message | None:
    """The message of a stored record; None if it is invalid JSON, or of another type."""
    try:
        return _decode_message(record)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return None


@dataclass(frozen=True, slots=True)
class Skipped:
    """Makes a storage skip damaged records: those that `read_line` refuses. `tell` gets a sentence about each."""

    tell: Callable[[str], None]
    read_line: ReadLine = decoded_line


class DatabaseDamaged(StorageError):
    """A part of the database cannot be read; retrying does not help."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"The database is damaged: {reason}")
        self.reason = reason


class MessageCountWrong(DatabaseDamaged):
    """A session counts more or fewer messages than it has."""

    def __init__(self, session_id: str, counted: int, last: int) -> None:
        super().__init__(f"session {session_id} counts {counted} messages, and its last message is {last}")


class RepairFailed(StorageError):
    """The database refused a statement of a repair, and the repair changed nothing."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"It could not be repaired: {reason.rstrip('.')}")


class SearchIndexNotReady(StorageUnavailable):
    """More messages wait to be indexed than a search can wait for: `waiting` or more.

    In `retry_after` seconds it may be ready.
    """

    def __init__(self, waiting: int) -> None:
        super().__init__("messages wait to be indexed", is_busy=True)
        self.args = (f"The search index is not ready: {waiting} messages wait to be indexed",)
        self.members = {"waitingMessages": waiting}
        self.retry_after = min(MAX_RETRY_SECONDS, 1 + waiting // INDEXED_A_SECOND)


class EmbedderMissing(StorageError):
    """The storage was opened without an embedder."""

    def __init__(self) -> None:
        super().__init__("No embedder is configured")


class EmbedderUnavailable(StorageUnavailable):
    """The embedder does not respond now; a retry may succeed."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.args = (f"The embedder is not available: {reason}.",)


class EmbedderRefused(EmbedderUnavailable):
    """The embedder does not accept one of the texts; a retry does not help."""


class DatabaseUnusable(StorageError):
    """The database cannot be opened; the text says why, and what to do about the database or its server."""


class BackendMissing(DatabaseUnusable):
    """No backend for the scheme of this URL is installed, only those for `schemes`."""

    def __init__(self, url: str, schemes: tuple[str, ...]) -> None:
        # An editable installation keeps the entry points of the day on which it was made.
        installed = f"are for {', '.join(schemes)}" if schemes else "are none: install amplifierd again"
        super().__init__(
            f"The database URL {url!r} is not understood; write sqlite:///PATH or postgresql://USER@HOST/DATABASE. "
            f"The backends that are installed {installed}."
        )
        self.url = url
        self.schemes = schemes


class BackendBroken(DatabaseUnusable):
    """The backend that an entry point names cannot be imported."""

    def __init__(self, scheme: str, name: str, reason: str) -> None:
        super().__init__(f"The backend {name} for {scheme}:// can't be imported: {reason}.")
        self.scheme = scheme


class DatabaseUrlInvalid(DatabaseUnusable):
    """The URL is invalid for its scheme; `form` is the form that it must have."""

    def __init__(self, url: str, form: str) -> None:
        super().__init__(f"The database URL {url!r} is not understood; write {form}.")
        self.url = url
        self.form = form


class HomeMissing(DatabaseUnusable):
    """The path begins with an unknown home directory."""

    def __init__(self, url: str) -> None:
        super().__init__(f"The database {url} is in a home directory that does not exist")
        self.url = url


class MemoryNotShared(DatabaseUnusable):
    """SQLite's `:memory:` database belongs to a single connection."""

    def __init__(self) -> None:
        super().__init__("A database in memory cannot be shared between connections")


class DatabaseNotShared(DatabaseUnusable):
    """Each process would have its own database."""

    def __init__(self, url: str) -> None:
        super().__init__(f"The database {url} is in the memory of one process, which workers cannot share")
        self.url = url


class DatabaseMissing(DatabaseUnusable):
    """The database does not exist, and may not be created."""


class DatabaseOutOfDate(DatabaseUnusable):
    """The schema of a database is older than this program's."""

    def __init__(self, version: int, latest: int) -> None:
        super().__init__(f"The database has schema {version}, this program's is {latest}")
        self.version = version
        self.latest = latest


class DatabaseFileInvalid(DatabaseUnusable):
    """The file is not a database of this engine."""

    def __init__(self, path: str) -> None:
        super().__init__(f"The file {path} is not a SQLite database")
        self.path = path


class DatabaseFileDamaged(DatabaseUnusable):
    """The file is too damaged to be opened."""

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(f"The database {path} is damaged: {reason}")
        self.path = path


class DatabaseFileShared(DatabaseUnusable):
    """Other machines may write to the file as well."""

    def __init__(self, path: Path, file_system: str) -> None:
        super().__init__(
            f"The database {path} is on a file system of type {file_system}, which other machines may write to as "
            "well: SQLite does not see them, and two daemons would lose each other's messages"
        )
        self.path = path
        self.file_system = file_system


class EmbedderUnusable(DatabaseUnusable):
    """An embedder cannot be opened; the text says why, and what to do."""


class MaintenanceRefused(StorageError):
    """The maintenance task cannot be done; the text says why, and what to do instead."""


class FileExists(MaintenanceRefused):
    """The file to write already exists."""

    def __init__(self, file: Path) -> None:
        super().__init__(f"{file} already exists")
        self.file = file


class RebuildNeeded(MaintenanceRefused):
    """The file can only be made smaller by rewriting it."""

    def __init__(self, path: Path) -> None:
        super().__init__(f"{path} was made by an older amplifierd and cannot become smaller while it is served")
        self.path = path


class BackupsElsewhere(MaintenanceRefused):
    """Backups of this kind of database are made with its server's programs; `how` names them."""

    def __init__(self, how: str) -> None:
        super().__init__(how)
        self.how = how
