"""Writes of amplified directories."""

import msgspec
from msgspec import Raw

from ..model.directories import DirectoryPatch, Marker, NewDirectory, Refusal, ScanReport
from ..model.directory_path import ROOT, lineage_of, normalize
from ..model.errors import (
    DirectoryExists,
    DirectoryInUse,
    DirectoryMetadataRefused,
    DirectoryNotAmplified,
    DirectoryPathRefused,
    RootDirectory,
)
from ..sql.ports import Bindings, Row
from ..sql.statements import directories as statements
from ..values.json_text import raw_text
from ..values.merge_patch import merge_patch
from . import profiles
from .unit_of_work import UnitOfWork

MAX_METADATA_BYTES = 256 * 1024
# A patch that replaces or deletes each member is smaller.
MAX_PATCH_BYTES = 4 * MAX_METADATA_BYTES
MAX_MEMBERS = 1_024
MAX_REFUSALS = 1_000

# Members of a marker that do not belong to the directory's metadata.
MARKER_MEMBERS = ("default_profile", "amplifierd")

_members = msgspec.json.Decoder(dict[str, Raw]).decode


def normalize_or_not_found(path: str) -> str:
    """The normal form of the path of a directory. Raises `DirectoryNotAmplified` if the path is invalid."""
    try:
        return normalize(path)
    except DirectoryPathRefused:
        raise DirectoryNotAmplified(path) from None


async def create(work: UnitOfWork, new: NewDirectory) -> str:
    """Amplify a directory, and return its normal path.

    Raises `DirectoryPathRefused`, `ProfileNotFound`, `DirectoryMetadataRefused`, `DirectoryExists`.
    """
    path = normalize(new.relative_path)
    if new.default_profile is not None:
        await profiles.hash_of_profile(work, new.default_profile)
    metadata = raw_text(new.metadata)
    check_metadata(path, metadata)
    if path == ROOT or not await _insert(work, path, new.default_profile, metadata):
        raise DirectoryExists(path)
    return path


async def create_root(work: UnitOfWork) -> None:
    """Amplify the root, unless it is amplified already."""
    await _insert(work, ROOT, None, "{}")


async def update(work: UnitOfWork, path: str, patch: DirectoryPatch) -> None:
    """Apply a patch. Raises `DirectoryNotAmplified`, `ProfileNotFound`, `DirectoryMetadataRefused`."""
    default_profile, metadata, updated_at = await _row(work, path)
    if isinstance(patch.default_profile, str):
        await profiles.hash_of_profile(work, patch.default_profile)
    if not isinstance(patch.default_profile, msgspec.UnsetType):
        default_profile = patch.default_profile
    if isinstance(patch.metadata, Raw):
        metadata = patch_metadata(path, metadata, patch.metadata)
    await _set(work, path, default_profile, metadata, max(updated_at, work.now))


async def delete(work: UnitOfWork, path: str, *, force: bool) -> None:
    """Remove a directory from the amplified ones. Raises `RootDirectory`, `DirectoryNotAmplified`, `DirectoryInUse`."""
    if path == ROOT:
        raise RootDirectory
    await _row(work, path)
    used = await work.run(statements.SESSION_COUNT, _key(work, path))
    if used is not None and used[0] and not force:
        raise DirectoryInUse(path, used[0])
    await work.run(statements.DELETE_DIRECTORY, _key(work, path))
    await work.run(statements.ADD_TO_TOTAL, {"workspace": work.workspace, "more": -1})


async def sync_from_disk(work: UnitOfWork, markers: list[Marker], report: ScanReport) -> tuple[ScanReport, list[str]]:
    """Apply markers. Returns the updated report, and the paths of directories that are now newer than their markers."""
    counts = {"created": report.created, "updated": report.updated, "unchanged": report.unchanged}
    refused, older = list(report.refused), []
    for marker in markers:
        try:
            done = await _sync_from_disk(work, marker)
        except (DirectoryPathRefused, DirectoryMetadataRefused) as error:
            refused.append(Refusal(marker.relative_path, str(error)))
            continue
        counts[done] += 1
        if done == "updated" and marker.written_at is not None:
            older.append(marker.relative_path)
    return ScanReport(**counts, refused=tuple(refused[:MAX_REFUSALS])), older


async def _sync_from_disk(work: UnitOfWork, marker: Marker) -> str:
    path = check_marker(marker)
    row = await work.run(statements.DIRECTORY, _key(work, path))
    if row is None:
        await _insert(work, path, marker.default_profile, marker.metadata)
        return "created"
    default_profile, metadata, updated_at = row
    is_older = marker.written_at is not None and marker.written_at < updated_at
    if is_older or matches_marker(marker, default_profile, metadata):
        return "unchanged"
    await _set(work, path, marker.default_profile, marker.metadata, max(updated_at, work.now))
    return "updated"


def check_marker(marker: Marker) -> str:
    """The normal form of a marker's path. Raises `DirectoryPathRefused`, `DirectoryMetadataRefused`."""
    path = normalize(marker.relative_path)
    if marker.fault:
        raise DirectoryMetadataRefused(path, marker.fault)
    if marker.default_profile is not None and not profiles.NAME.fullmatch(marker.default_profile):
        raise DirectoryMetadataRefused(path, f"a default_profile {marker.default_profile!r}, an invalid profile name")
    check_metadata(path, marker.metadata)
    return path


def matches_marker(marker: Marker, default_profile: str | None, metadata: str) -> bool:
    """Whether a marker and a directory agree; the order of members and the escapes in their names do not matter."""
    return default_profile == marker.default_profile and _members(metadata) == _members(marker.metadata)


def patch_metadata(path: str, metadata: str, patch: Raw) -> str:
    """The metadata of a directory after a merge patch, as JSON. Raises `DirectoryMetadataRefused`."""
    size = len(bytes(patch))
    if size > MAX_PATCH_BYTES:
        raise DirectoryMetadataRefused(path, f"a patch of {size} bytes; the limit is {MAX_PATCH_BYTES}")
    merged = merge_patch(metadata, raw_text(patch))
    check_metadata(path, merged)
    return merged


def check_metadata(path: str, metadata: str) -> None:
    """Raises `DirectoryMetadataRefused` if metadata has a marker's own members, or exceeds a limit."""
    members = _members(metadata)
    for name in MARKER_MEMBERS:
        if name in members:
            raise DirectoryMetadataRefused(path, f"a member {name}, which is reserved for markers")
    if len(members) > MAX_MEMBERS:
        raise DirectoryMetadataRefused(path, f"{len(members)} members; the limit is {MAX_MEMBERS}")
    size = len(metadata.encode())
    if size > MAX_METADATA_BYTES:
        raise DirectoryMetadataRefused(path, f"{size} bytes; the limit is {MAX_METADATA_BYTES}")


async def _row(work: UnitOfWork, path: str) -> Row:
    if path == ROOT:
        await create_root(work)
    row = await work.run(statements.DIRECTORY, _key(work, path))
    if row is None:
        raise DirectoryNotAmplified(path)
    return row


async def _insert(work: UnitOfWork, path: str, default_profile: str | None, metadata: str) -> bool:
    bindings: Bindings = {
        "lineage": lineage_of(path),
        "default_profile": default_profile,
        "metadata": metadata,
    }
    inserted = await work.run(statements.INSERT_DIRECTORY, _key(work, path) | bindings) is not None
    if inserted:
        await work.run(statements.ADD_TO_TOTAL, {"workspace": work.workspace, "more": 1})
    return inserted


async def _set(work: UnitOfWork, path: str, default_profile: str | None, metadata: str, updated_at: str) -> None:
    bindings: Bindings = {"default_profile": default_profile, "metadata": metadata, "updated_at": updated_at}
    await work.run(statements.UPDATE_DIRECTORY, _key(work, path) | bindings)


def _key(work: UnitOfWork, path: str) -> Bindings:
    return {"workspace": work.workspace, "relative_path": path, "now": work.now}
