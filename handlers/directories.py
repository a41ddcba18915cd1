"""Amplified directories: the working directories of sessions. The storage keeps them; markers on disk show them."""

from contextlib import AbstractAsyncContextManager
from typing import Protocol

from ..storage.model.directories import (
    AmplifiedDirectory,
    DirectoryList,
    DirectoryPatch,
    NewDirectory,
    ScanReport,
)
from ..storage.model.interface import Storage
from ..storage.model.records import IdempotentRequest


class Disk(Protocol):
    """Reads and writes markers on disk."""

    def lock(self, workspace: str, relative_path: str) -> AbstractAsyncContextManager[object]:
        """A lock within this process for changes to the directory and its marker."""

    def prepared(self, workspace: str, relative_path: str) -> AbstractAsyncContextManager[object]:
        """Create a directory on disk; undo that if the body of the context fails."""

    async def write(self, workspace: str, directory: AmplifiedDirectory, *, create: bool = True) -> None:
        """Write a marker; without `create`, only if one exists."""

    async def remove(self, workspace: str, relative_path: str) -> None:
        """Remove a marker."""

    async def sync_from_disk(
        self, storage: Storage, workspace: str, once: IdempotentRequest | None = None
    ) -> ScanReport:
        """Store the markers that people have created or edited."""


async def create_amplified_directory(
    body: NewDirectory, once: IdempotentRequest | None, *, storage: Storage, disk: Disk, workspace: str
) -> AmplifiedDirectory:
    """Amplify a directory."""
    async with disk.lock(workspace, body.relative_path):
        if not body.create_marker:
            return await storage.create_directory(workspace, body, once=once)
        async with disk.prepared(workspace, body.relative_path):
            directory = await storage.create_directory(workspace, body, once=once)
        await disk.write(workspace, directory)
        return directory


async def list_amplified_directories(
    limit: int | None, cursor: str | None, *, storage: Storage, workspace: str
) -> DirectoryList:
    """The amplified directories of the workspace."""
    return await storage.list_directories(workspace, limit=limit, cursor=cursor)


async def get_amplified_directory(relative_path: str, *, storage: Storage, workspace: str) -> AmplifiedDirectory:
    """One amplified directory."""
    return await storage.get_directory(workspace, relative_path)


async def update_amplified_directory(
    relative_path: str, body: DirectoryPatch, *, storage: Storage, disk: Disk, workspace: str
) -> AmplifiedDirectory:
    """Update a directory's default profile and metadata."""
    async with disk.lock(workspace, relative_path):
        directory = await storage.update_directory(workspace, relative_path, body)
        await disk.write(workspace, directory, create=False)
    return directory


async def delete_amplified_directory(
    relative_path: str, remove_marker: bool | None, force: bool | None, *, storage: Storage, disk: Disk, workspace: str
) -> None:
    """Remove a directory from the amplified directories."""
    async with disk.lock(workspace, relative_path):
        await storage.delete_directory(workspace, relative_path, force=bool(force))
        if remove_marker is not False:
            await disk.remove(workspace, relative_path)


async def scan_amplified_directories(
    once: IdempotentRequest | None, *, storage: Storage, disk: Disk, workspace: str
) -> ScanReport:
    """Store the markers that people have created or edited."""
    return await disk.sync_from_disk(storage, workspace, once)
