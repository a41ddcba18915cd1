"""Markers of amplified directories on disk: `.amplified/metadata.json` in each, below the data root.

People can read, create and edit them; the storage is authoritative. A marker is the directory's metadata with two
more members: `default_profile`, if the directory has its own, and `amplifierd` with the time of writing.
One workspace uses the data root, the others use folders below `.workspaces/` in it. Symbolic links below the
root are not followed.
"""

import asyncio
import logging
import os
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from itertools import islice, takewhile
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote
from uuid import uuid4
from weakref import WeakValueDictionary

import msgspec
from msgspec import Raw

from ..contract import NotIJson, decode_ijson
from ..storage.model.directories import AmplifiedDirectory, Marker, Markers, ScanReport
from ..storage.model.directory_path import MAX_SEGMENTS, ROOT, normalize
from ..storage.model.errors import DirectoryNotAmplified, DirectoryPathRefused, DirectoryUnwritable
from ..storage.model.interface import Storage
from ..storage.model.records import IdempotentRequest
from ..storage.operations.directories import MARKER_MEMBERS, MAX_METADATA_BYTES

logger = logging.getLogger("amplifierd")

_FOLDER = ".amplified"
_FILE = "metadata.json"
_WORKSPACES = ".workspaces"
_MAX_BYTES = 2 * MAX_METADATA_BYTES
_AT_ONCE = 200

_members = msgspec.json.Decoder(dict[str, Raw]).decode


class MarkerFiles:
    """The markers below a workspace's `root`, which is created with the first marker."""

    def __init__(self, root: Path, workspace: str) -> None:
        self._root = root.expanduser()
        self._workspace = workspace
        self._turns: WeakValueDictionary[tuple[str, str], asyncio.Lock] = WeakValueDictionary()

    def lock(self, workspace: str, relative_path: str) -> asyncio.Lock:
        """A directory's lock: only its holder changes the directory and its marker."""
        # A refused path is never changed, so it needs no lock.
        with suppress(DirectoryPathRefused):
            relative_path = normalize(relative_path)
        return self._turns.setdefault((workspace, relative_path), asyncio.Lock())

    @asynccontextmanager
    async def prepared(self, workspace: str, relative_path: str) -> AsyncIterator[None]:
        """Create the directory; remove it again if the body of the context fails.

        Raises `DirectoryPathRefused`, `DirectoryUnwritable`.
        """
        made = await asyncio.to_thread(self._prepare, workspace, normalize(relative_path))
        try:
            yield
        except Exception:
            await asyncio.to_thread(_remove_empty, made)
            raise

    async def write(self, workspace: str, directory: AmplifiedDirectory, *, create: bool = True) -> None:
        """Write a directory's marker; without `create`, only if one exists.

        The directory is already stored: if the disk fails now, the failure is logged, and an older marker stays.
        """
        try:
            await asyncio.to_thread(self._write, workspace, directory, create)
        except (OSError, DirectoryUnwritable) as error:
            logger.warning("Cannot write the marker of directory %s: %s", directory.relative_path, error)

    async def remove(self, workspace: str, relative_path: str) -> None:
        """Remove a marker, if there is one; everything else in the directory stays.

        Its directory is already removed: if the disk fails now, the failure is logged, and the next scan finds it.
        """
        try:
            await asyncio.to_thread(self._remove, workspace, normalize(relative_path))
        except (OSError, DirectoryUnwritable) as error:
            logger.warning("Cannot remove the marker of directory %s: %s", relative_path, error)

    async def remove_all(self, workspace: str) -> None:
        """Remove all markers of a workspace, and its folder if it is then empty."""
        for path in await asyncio.to_thread(
            lambda: [marker.relative_path for marker in _walk(self._folder(workspace))]
        ):
            await self.remove(workspace, path)
        if workspace != self._workspace:
            await asyncio.to_thread(_remove_empty_tree, self._folder(workspace))

    async def sync_from_disk(
        self, storage: Storage, workspace: str, once: IdempotentRequest | None = None
    ) -> ScanReport:
        """Store the markers that people have created or edited; an edited one gets a new time of writing."""

        async def write(path: str) -> None:
            async with self.lock(workspace, path):
                with suppress(DirectoryNotAmplified):  # it is already removed
                    await self.write(workspace, await storage.get_directory(workspace, path), create=False)

        return await storage.sync_directories(workspace, Markers(self._batches(workspace)), once=once, changed=write)

    async def workspaces(self) -> list[str]:
        """The workspaces with a folder, and the one that uses the root."""
        return await asyncio.to_thread(self._workspaces)

    async def _batches(self, workspace: str) -> AsyncGenerator[list[Marker], None]:
        markers = _walk(self._folder(workspace))
        while batch := await asyncio.to_thread(lambda: list(islice(markers, _AT_ONCE))):
            yield batch

    def _workspaces(self) -> list[str]:
        folder = self._root / _WORKSPACES
        others = sorted(unquote(entry.name) for entry in folder.iterdir()) if folder.is_dir() else []
        return [self._workspace, *others]

    def _folder(self, workspace: str) -> Path:
        if workspace == self._workspace:
            return self._root
        return self._root / _WORKSPACES / quote(workspace, safe="").replace(".", "%2E")

    def _marker(self, workspace: str, path: str) -> Path:
        """The path of a directory's marker. Raises `DirectoryUnwritable` if it contains a symbolic link."""
        root = self._folder(workspace)
        marker = Path(os.path.realpath(root)) / path / _FOLDER / _FILE
        if os.path.realpath(marker) != str(marker):
            raise DirectoryUnwritable(path, "its path contains a symbolic link")
        return marker

    def _prepare(self, workspace: str, path: str) -> list[Path]:
        """Create the folder of a directory's marker. Returns the new folders, innermost first."""
        try:
            folder = self._marker(workspace, path).parent
            missing = list(takewhile(lambda each: not each.exists(), [folder, *folder.parents]))
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise DirectoryUnwritable(path, str(error)) from error
        return missing

    def _write(self, workspace: str, directory: AmplifiedDirectory, create: bool) -> None:
        marker = self._marker(workspace, directory.relative_path)
        if not create and not marker.is_file():
            return
        marker.parent.mkdir(parents=True, exist_ok=True)
        part = marker.with_name(f"{_FILE}.{uuid4().hex}.part")
        part.write_bytes(_text_of(directory))
        part.replace(marker)

    def _remove(self, workspace: str, path: str) -> None:
        marker = self._marker(workspace, path)
        marker.unlink(missing_ok=True)
        with suppress(OSError):  # it does not exist, or is not empty
            marker.parent.rmdir()


def _remove_empty(folders: list[Path]) -> None:
    with suppress(OSError):  # one is not empty
        for folder in folders:
            folder.rmdir()


def _remove_empty_tree(root: Path) -> None:
    for folder, _, _ in os.walk(root, topdown=False):
        _remove_empty([Path(folder)])


def _text_of(directory: AmplifiedDirectory) -> bytes:
    members: dict[str, Any] = dict(_members(directory.metadata))
    if directory.default_profile_from == directory.relative_path:
        members["default_profile"] = directory.default_profile
    members["amplifierd"] = {"updated_at": directory.updated_at}
    text = msgspec.json.encode(members)
    indented = msgspec.json.format(text, indent=2)
    return (indented if len(indented) < _MAX_BYTES else text) + b"\n"


def _walk(root: Path) -> Iterator[Marker]:
    for folder, names, _ in os.walk(root):
        path = os.path.relpath(folder, root).replace(os.sep, "/")
        marker = Path(folder, _FOLDER, _FILE)
        if _FOLDER in names and marker.is_file() and not (marker.is_symlink() or marker.parent.is_symlink()):
            yield _read(path, marker)
        depth = 0 if path == ROOT else path.count("/") + 1
        names[:] = sorted(filter(_is_name, names)) if depth < MAX_SEGMENTS else []


def _is_name(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return not name.startswith(".")


def _read(path: str, marker: Path) -> Marker:
    try:
        with marker.open("rb") as file:
            data = file.read(_MAX_BYTES + 1)
    except OSError as error:
        return Marker(path, fault=f"a marker that cannot be read: {error}")
    if len(data) > _MAX_BYTES:
        return Marker(path, fault=f"a marker of more than {_MAX_BYTES} bytes")
    try:
        value, compact = decode_ijson(data)
    except NotIJson as error:
        return Marker(path, fault=f"a marker that is not I-JSON (RFC 7493): {error}")
    if not isinstance(value, dict):
        return Marker(path, fault="a marker that is not a JSON object")
    return _marker_of(path, value, compact)


def _marker_of(path: str, value: dict[str, Any], compact: bytes) -> Marker:
    default_profile = value.get("default_profile")
    if not isinstance(default_profile, str | None):
        return Marker(path, fault="a default_profile that is not a string")
    members = _members(compact)
    metadata = {name: text for name, text in members.items() if name not in MARKER_MEMBERS}
    own_member = value.get("amplifierd")
    written_at = own_member.get("updated_at") if isinstance(own_member, dict) else None
    return Marker(
        path,
        default_profile,
        msgspec.json.encode(metadata).decode(),
        written_at if isinstance(written_at, str) else None,
    )
