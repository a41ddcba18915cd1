"""Markers of amplified directories on the disk: `.amplified/metadata.json` in each, below the data root.

They are for people to read, make and edit; the storage is the truth. A marker is the directory's metadata with two
members more: `default_profile`, where it has one of its own, and `amplifierd`, which says when it was written.
One workspace has the data root, any other has a folder below `.workspaces/` in it. No symbolic link below the
root is followed.
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
from ..storage.model.directory_path import MAX_SEGMENTS, ROOT, normalised
from ..storage.model.directory_records import AmplifiedDirectory, Marker, Markers, ScanReport
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
    """The markers below `root`, which is that of a workspace, and is made when the first is written."""

    def __init__(self, root: Path, workspace: str) -> None:
        self._root = root.expanduser()
        self._workspace = workspace
        self._turns: WeakValueDictionary[tuple[str, str], asyncio.Lock] = WeakValueDictionary()

    def lock(self, workspace: str, relative_path: str) -> asyncio.Lock:
        """A directory's lock: who holds it changes the directory and its marker before anybody else does."""
        # A path that is refused is changed by nobody.
        with suppress(DirectoryPathRefused):
            relative_path = normalised(relative_path)
        return self._turns.setdefault((workspace, relative_path), asyncio.Lock())

    @asynccontextmanager
    async def prepared(self, workspace: str, relative_path: str) -> AsyncIterator[None]:
        """Make the directory; where what is done meanwhile fails, what was made is removed.

        Raises `DirectoryPathRefused`, `DirectoryUnwritable`.
        """
        made = await asyncio.to_thread(self._prepare, workspace, normalised(relative_path))
        try:
            yield
        except Exception:
            await asyncio.to_thread(_remove_empty, made)
            raise

    async def write(self, workspace: str, directory: AmplifiedDirectory, *, overwrite: bool = True) -> None:
        """Write a directory's marker, or only where there is one, unless it is `overwrite`.

        The directory is kept already: a disk that fails now is a line in the log, and the marker is an older one.
        """
        try:
            await asyncio.to_thread(self._write, workspace, directory, overwrite)
        except (OSError, DirectoryUnwritable) as error:
            logger.warning("The marker of directory %s can't be written: %s", directory.relative_path, error)

    async def remove(self, workspace: str, relative_path: str) -> None:
        """Remove a marker, where there is one; what else is in the directory stays.

        Its directory is gone already: a disk that fails now is a line in the log, and the next scan finds the marker.
        """
        try:
            await asyncio.to_thread(self._remove, workspace, normalised(relative_path))
        except (OSError, DirectoryUnwritable) as error:
            logger.warning("The marker of directory %s can't be removed: %s", relative_path, error)

    async def remove_all(self, workspace: str) -> None:
        """Remove every marker of a workspace, and its folder if nothing else is in it."""
        for path in await asyncio.to_thread(
            lambda: [marker.relative_path for marker in _walk(self._folder(workspace))]
        ):
            await self.remove(workspace, path)
        if workspace != self._workspace:
            await asyncio.to_thread(_remove_empty_tree, self._folder(workspace))

    async def sync_from_disk(
        self, storage: Storage, workspace: str, once: IdempotentRequest | None = None
    ) -> ScanReport:
        """Take up the markers that people have made and edited; one that was edited says anew when it was written."""

        async def write(path: str) -> None:
            async with self.lock(workspace, path):
                with suppress(DirectoryNotAmplified):  # it is gone already
                    await self.write(workspace, await storage.get_directory(workspace, path), overwrite=False)

        return await storage.sync_directories(workspace, Markers(self._batches(workspace)), once=once, changed=write)

    async def workspaces(self) -> list[str]:
        """The workspaces that have a folder, and the one that has the root."""
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
        """Where a directory's marker is. Raises `DirectoryUnwritable` where a symbolic link is on the way."""
        root = self._folder(workspace)
        marker = Path(os.path.realpath(root)) / path / _FOLDER / _FILE
        if os.path.realpath(marker) != str(marker):
            raise DirectoryUnwritable(path, "a symbolic link is on the way")
        return marker

    def _prepare(self, workspace: str, path: str) -> list[Path]:
        """Make the folder of a directory's marker; those that were not there, the innermost first."""
        try:
            folder = self._marker(workspace, path).parent
            missing = list(takewhile(lambda it: not it.exists(), [folder, *folder.parents]))
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise DirectoryUnwritable(path, str(error)) from error
        return missing

    def _write(self, workspace: str, directory: AmplifiedDirectory, overwrite: bool) -> None:
        marker = self._marker(workspace, directory.relative_path)
        if not overwrite and not marker.is_file():
            return
        marker.parent.mkdir(parents=True, exist_ok=True)
        part = marker.with_name(f"{_FILE}.{uuid4().hex}.part")
        part.write_bytes(_text_of(directory))
        part.replace(marker)

    def _remove(self, workspace: str, path: str) -> None:
        marker = self._marker(workspace, path)
        marker.unlink(missing_ok=True)
        with suppress(OSError):  # it is not there, or somebody has something in it
            marker.parent.rmdir()


def _remove_empty(folders: list[Path]) -> None:
    with suppress(OSError):  # somebody has something in one
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
        return Marker(path, fault=f"a marker that can't be read: {error}")
    if len(data) > _MAX_BYTES:
        return Marker(path, fault=f"a marker of more than {_MAX_BYTES} bytes")
    try:
        value, compact = decode_ijson(data)
    except NotIJson as error:
        return Marker(path, fault=f"a marker that is not I-JSON (RFC 7493): {error}")
    if not isinstance(value, dict):
        return Marker(path, fault="a marker that is no JSON object")
    return _marker_of(path, value, compact)


def _marker_of(path: str, value: dict[str, Any], compact: bytes) -> Marker:
    default_profile = value.get("default_profile")
    if not isinstance(default_profile, str | None):
        return Marker(path, fault="a default_profile that is no text")
    members = _members(compact)
    metadata = {name: text for name, text in members.items() if name not in MARKER_MEMBERS}
    ours = value.get("amplifierd")
    written_at = ours.get("updated_at") if isinstance(ours, dict) else None
    return Marker(
        path,
        default_profile,
        msgspec.json.encode(metadata).decode(),
        written_at if isinstance(written_at, str) else None,
    )
