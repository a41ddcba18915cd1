"""Amplified directories as handlers see them."""

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable

from .directory_records import AmplifiedDirectory, DirectoryList, DirectoryPatch, Markers, NewDirectory, ScanReport
from .records import IdempotentRequest

# Called with the path of a directory.
Changed = Callable[[str], Awaitable[None]]


class Directories(ABC):
    """Keeps amplified directories, the working directories of sessions; each is a workspace's own.

    A relative path is normalised first (see `directory_path`). The root `.` is always there. Methods of one directory
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
        """Remove a directory from the amplified ones; its subdirectories and its sessions stay.

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
