"""Amplified directories as handlers see them, and as on the wire: snake_case in requests, camelCase in responses.

`metadata` is a `msgspec.Raw`, so that it is returned as it was sent. A relative path is below the data root; `.` is the
root itself.
"""

from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import dataclass

from msgspec import UNSET, Raw, Struct, UnsetType

from .records import EMPTY_OBJECT, IdempotentRequest, Listing


class NewDirectory(Struct, frozen=True, forbid_unknown_fields=True):
    """A request to amplify a directory; without a `default_profile` it inherits the one of its nearest ancestor."""

    relative_path: str
    default_profile: str | None = None
    metadata: Raw = EMPTY_OBJECT
    create_marker: bool = True


class DirectoryPatch(Struct, frozen=True, forbid_unknown_fields=True):
    """A change of a directory; `metadata` is merged into the directory's (RFC 7396)."""

    default_profile: str | UnsetType | None = UNSET
    metadata: Raw | UnsetType = UNSET


class AmplifiedDirectory(Struct, frozen=True, rename="camel"):
    """A working directory of sessions.

    `default_profile` is set in the directory `default_profile_from`: itself, or the nearest ancestor that has one.
    """

    relative_path: str
    metadata: Raw
    created_at: str
    updated_at: str
    session_count: int
    default_profile: str | UnsetType = UNSET
    default_profile_from: str | UnsetType = UNSET
    last_used_at: str | UnsetType = UNSET


class DirectoryList(Struct, frozen=True):
    """`AmplifiedDirectory` records, and the number of all of them without a limit."""

    directories: Listing
    total: int


@dataclass(frozen=True, slots=True)
class Marker:
    """A marker file: the text of its metadata, a JSON object, or the `fault` that makes it invalid.

    `written_at` is the directory's `updated_at` when the marker was written, None if a person made it.
    """

    relative_path: str
    default_profile: str | None = None
    metadata: str = "{}"
    written_at: str | None = None
    fault: str = ""


@dataclass(frozen=True, slots=True)
class Markers:
    """The markers found on the disk, in batches. Its owner must iterate `batches` or close it."""

    batches: AsyncGenerator[list[Marker], None]


class Refusal(Struct, frozen=True, rename="camel"):
    """A refused marker, and the reason."""

    relative_path: str
    detail: str


class ScanReport(Struct, frozen=True):
    """How many directories a scan created, updated and left unchanged, and the first 1,000 refused markers."""

    created: int = 0
    updated: int = 0
    unchanged: int = 0
    refused: tuple[Refusal, ...] = ()


# Called with the path of a directory.
Changed = Callable[[str], Awaitable[None]]


class Directories(ABC):
    """Keeps amplified directories, the working directories of sessions; each is a workspace's own.

    A relative path is normalized first (see `directory_path`). The root `.` always exists. Methods of one directory
    raise `DirectoryNotAmplified`.
    """

    @abstractmethod
    async def create_directory(
        self, workspace: str, new: NewDirectory, *, once: IdempotentRequest | None = None
    ) -> AmplifiedDirectory:
        """Amplify a directory.

        Raises `DirectoryExists`, `DirectoryPathRefused`, `DirectoryMetadataRefused`, `ProfileNotFound`.
        """

    @abstractmethod
    async def get_directory(self, workspace: str, relative_path: str) -> AmplifiedDirectory:
        """Read a directory."""

    @abstractmethod
    async def list_directories(
        self, workspace: str, *, limit: int | None = None, cursor: str | None = None
    ) -> DirectoryList:
        """List directories by path; a cursor is a position in the order of paths."""

    @abstractmethod
    async def update_directory(self, workspace: str, relative_path: str, patch: DirectoryPatch) -> AmplifiedDirectory:
        """Change a directory. Raises `ProfileNotFound`, `DirectoryMetadataRefused`."""

    @abstractmethod
    async def delete_directory(self, workspace: str, relative_path: str, *, force: bool = False) -> None:
        """Remove a directory from the amplified directories; its subdirectories and its sessions stay.

        Raises `RootDirectory`, and `DirectoryInUse` if it has sessions, unless `force` is set.
        """

    @abstractmethod
    async def sync_directories(
        self, workspace: str, markers: Markers, *, once: IdempotentRequest | None = None, changed: Changed | None = None
    ) -> ScanReport:
        """Amplify the directories that have a marker file, and update those whose marker was edited later.

        A marker that is older than its directory is ignored. `changed` is called with the path of each directory that
        was updated from a marker with a time: that marker is now older than the directory until it is rewritten.
        """
