"""Amplified directories."""

from contextlib import aclosing
from functools import partial

from msgspec import UNSET, Raw, UnsetType

from ..model.directories import (
    AmplifiedDirectory,
    Changed,
    Directories,
    DirectoryList,
    DirectoryPatch,
    Marker,
    Markers,
    NewDirectory,
    Refusal,
    ScanReport,
)
from ..model.directory_path import ROOT, normalize
from ..model.errors import (
    DirectoryExists,
    DirectoryInUse,
    DirectoryMetadataRefused,
    DirectoryNotAmplified,
    DirectoryPathRefused,
    RootDirectory,
)
from ..model.records import IdempotentRequest
from ..operations import directories as operations
from ..values.json_text import raw_text
from .access import MemoryAccess, Work, named_page
from .contents import StoredDirectory, Workspace
from .profiles import settings_of


class MemoryDirectories(MemoryAccess, Directories):
    """Implements `Directories`."""

    async def create_directory(
        self, workspace: str, new: NewDirectory, *, once: IdempotentRequest | None = None
    ) -> AmplifiedDirectory:
        return await self._write(workspace, once, partial(_create, new=new))

    async def get_directory(self, workspace: str, relative_path: str) -> AmplifiedDirectory:
        path = operations.normalize_or_not_found(relative_path)
        stored = await self._workspace(workspace)
        if path == ROOT and ROOT not in stored.directories:
            return await self._write(workspace, None, _create_root)
        return _directory(stored, path)

    async def list_directories(
        self, workspace: str, *, limit: int | None = None, cursor: str | None = None
    ) -> DirectoryList:
        await self.get_directory(workspace, ROOT)
        stored = await self._workspace(workspace)
        found = {path: _directory(stored, path) for path in stored.directories}
        return DirectoryList(named_page({**found}, limit, cursor), len(found))

    async def update_directory(self, workspace: str, relative_path: str, patch: DirectoryPatch) -> AmplifiedDirectory:
        path = operations.normalize_or_not_found(relative_path)
        return await self._write(workspace, None, partial(_update, path=path, patch=patch))

    async def delete_directory(self, workspace: str, relative_path: str, *, force: bool = False) -> None:
        path = operations.normalize_or_not_found(relative_path)

        def delete(work: Work) -> None:
            if path == ROOT:
                raise RootDirectory
            count = _directory(work.workspace, path).session_count
            if count and not force:
                raise DirectoryInUse(path, count)
            del work.workspace.directories[path]

        await self._write(workspace, None, delete)

    async def sync_directories(
        self, workspace: str, markers: Markers, *, once: IdempotentRequest | None = None, changed: Changed | None = None
    ) -> ScanReport:
        async with aclosing(markers.batches) as batches:
            await self._check_not_applied(workspace, once)
            await self.get_directory(workspace, ROOT)
            report = ScanReport()
            async for batch in batches:
                report, paths = await self._write(workspace, None, partial(_sync, markers=batch, report=report))
                if changed is not None:
                    for path in paths:
                        await changed(path)
        return await self._write(workspace, once, lambda _: report)


def default_profile_of(workspace: Workspace, path: str) -> tuple[str | None, str | None]:
    """The nearest directory with a default profile, from `path` upwards, and the profile; both None if none has one."""
    while True:
        directory = workspace.directories.get(path)
        if directory is not None and directory.default_profile is not None:
            return path, directory.default_profile
        if path == ROOT:
            return None, None
        path = path.rpartition("/")[0] or ROOT


def _directory(workspace: Workspace, path: str) -> AmplifiedDirectory:
    directory = workspace.directories.get(path)
    if directory is None:
        raise DirectoryNotAmplified(path)
    source, profile = default_profile_of(workspace, path)
    return AmplifiedDirectory(
        relative_path=path,
        metadata=Raw(directory.metadata.encode()),
        created_at=directory.created_at,
        updated_at=directory.updated_at,
        session_count=sum(each.session.amplified_dir == path for each in workspace.conversations.values()),
        default_profile=profile or UNSET,
        default_profile_from=source or UNSET,
        last_used_at=workspace.last_used.get(path, UNSET),
    )


def _create(work: Work, new: NewDirectory) -> AmplifiedDirectory:
    path = normalize(new.relative_path)
    if new.default_profile is not None:
        settings_of(work.workspace, new.default_profile)
    metadata = raw_text(new.metadata)
    operations.check_metadata(path, metadata)
    if path == ROOT or path in work.workspace.directories:
        raise DirectoryExists(path)
    return _insert(work, path, new.default_profile, metadata)


def _create_root(work: Work) -> AmplifiedDirectory:
    if ROOT in work.workspace.directories:
        return _directory(work.workspace, ROOT)
    return _insert(work, ROOT, None, "{}")


def _insert(work: Work, path: str, default_profile: str | None, metadata: str) -> AmplifiedDirectory:
    work.workspace.directories[path] = StoredDirectory(default_profile, metadata, work.now, work.now)
    return _directory(work.workspace, path)


def _update(work: Work, path: str, patch: DirectoryPatch) -> AmplifiedDirectory:
    if path == ROOT:
        _create_root(work)
    _directory(work.workspace, path)
    directory = work.workspace.directories[path]
    if isinstance(patch.default_profile, str):
        settings_of(work.workspace, patch.default_profile)
    metadata = directory.metadata
    if isinstance(patch.metadata, Raw):
        metadata = operations.patch_metadata(path, metadata, patch.metadata)
    if not isinstance(patch.default_profile, UnsetType):
        directory.default_profile = patch.default_profile
    directory.metadata = metadata
    directory.updated_at = max(directory.updated_at, work.now)
    return _directory(work.workspace, path)


def _sync(work: Work, markers: list[Marker], report: ScanReport) -> tuple[ScanReport, list[str]]:
    """Apply markers. Returns the updated report, and the paths of directories that are now newer than their markers."""
    counts = {"created": report.created, "updated": report.updated, "unchanged": report.unchanged}
    refused, older = [*report.refused], []
    for marker in markers:
        try:
            done = _sync_one(work, marker)
        except (DirectoryPathRefused, DirectoryMetadataRefused) as error:
            refused.append(Refusal(marker.relative_path, str(error)))
            continue
        counts[done] += 1
        if done == "updated" and marker.written_at is not None:
            older.append(marker.relative_path)
    return ScanReport(**counts, refused=tuple(refused[: operations.MAX_REFUSALS])), older


def _sync_one(work: Work, marker: Marker) -> str:
    path = operations.check_marker(marker)
    directory = work.workspace.directories.get(path)
    if directory is None:
        _insert(work, path, marker.default_profile, marker.metadata)
        return "created"
    is_older = marker.written_at is not None and marker.written_at < directory.updated_at
    if is_older or operations.matches_marker(marker, directory.default_profile, directory.metadata):
        return "unchanged"
    directory.default_profile, directory.metadata = marker.default_profile, marker.metadata
    directory.updated_at = max(directory.updated_at, work.now)
    return "updated"
