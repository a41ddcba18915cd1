"""Amplified directories as handlers see them."""

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable

from .directory_records import AmplifiedDirectory, DirectoryList, DirectoryPatch, Markers, NewDirectory, ScanReport
from .records import IdempotentRequest

# Is told of a directory by its path.
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
        """List directories by path; a cursor is a position among the paths."""

    @abstractmethod
    async def update_directory(self, workspace: str, relative_path: str, patch: DirectoryPatch) -> AmplifiedDirectory:
        """Change a directory. Raises `ProfileNotFound`, `DirectoryMetadataRefused`."""

    @abstractmethod
    async def delete_directory(self, workspace: str, relative_path: str, *, force: bool = False) -> None:
        """Amplify a directory no more; those below it stay, and so do its sessions.

        Raises `RootDirectory`, and `DirectoryInUse` where it has sessions, unless `force`.
        """

    @abstractmethod
    async def sync_directories(
        self, workspace: str, markers: Markers, *, once: IdempotentRequest | None = None, changed: Changed | None = None
    ) -> ScanReport:
        """Amplify the directories that have a marker, and change those whose marker was edited since it was written.

        A marker that is older than its directory is passed over. `changed` is told the path of each that a marker
        changed which says when it was written: it is older than the directory from now on, unless it is written anew.
        """
