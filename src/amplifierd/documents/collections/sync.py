"""Reads collections from their sources, and stores their content."""

import asyncio
import shutil
import tempfile
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from urllib.parse import quote

import msgspec

from ...contract import Document, RecordReader, record_reader
from ...storage.model.collections import (
    Collection,
    CollectionContent,
    CollectionKind,
    CollectionNotFound,
    CollectionSourceInvalid,
    NewCollection,
    all_collections,
)
from ...storage.model.interface import Storage
from ...storage.model.modules import Module
from ...storage.model.profile_records import NewProfile
from ...storage.model.records import IdempotentRequest
from .folder import FolderError, without_links
from .git import FetchError, fetch
from .reader import Contents, read_contents
from .source import AllowedSources, FolderSource, GitSource


class CollectionSources:
    """Reads collections below `roots` and from `hosts`, one at a time in this process."""

    def __init__(self, document: Document, roots: Iterable[Path], hosts: Iterable[str]) -> None:
        self._records: RecordReader = record_reader(document, "CreateProfileRequest", NewProfile)
        self._allowed = AllowedSources(roots, hosts)
        self._turn = asyncio.Lock()

    async def read(self, new: NewCollection, progressed: Callable[[], None]) -> CollectionContent:
        """Read a collection. Raises `CollectionSourceInvalid`."""
        async with self._turn:
            try:
                return await self._read(new, progressed)
            except (FetchError, FolderError) as error:
                raise CollectionSourceInvalid(new.source, str(error)) from None
            except OSError as error:
                raise CollectionSourceInvalid(new.source, error.strerror or str(error)) from None

    async def sync(
        self,
        storage: Storage,
        workspace: str,
        identifier: str,
        progressed: Callable[[], None],
        once: IdempotentRequest | None = None,
    ) -> Collection:
        """Read a collection again and store it; if that fails, record why. Raises `CollectionNotFound`."""
        stored = await storage.get_collection(workspace, identifier)
        try:
            content = await self.read(NewCollection(identifier, stored.source), progressed)
        except CollectionSourceInvalid as error:
            return await storage.fail_collection(workspace, identifier, str(error), once=once)
        return await storage.replace_collection(workspace, content, once=once)

    async def sync_all(
        self, storage: Storage, workspace: str, progressed: Callable[[], None]
    ) -> AsyncIterator[Collection]:
        """Sync each collection of a workspace, in the order of their identifiers."""
        async for summary in all_collections(storage, workspace):
            with suppress(CollectionNotFound):
                yield await self.sync(storage, workspace, summary.identifier, progressed)

    async def _read(self, new: NewCollection, progressed: Callable[[], None]) -> CollectionContent:
        source = await asyncio.to_thread(self._allowed.check, new.source)
        name = new.identifier.rpartition("/")[2]
        if isinstance(source, FolderSource):
            contents = await read_contents(source.path, name, self._records, progressed)
            return _content(new, "folder", None, contents, f"file://{quote(str(source.path))}/{{}}")
        async with _temporary_folder() as folder:
            files, commit = await fetch(source, folder, progressed)
            root = await asyncio.to_thread(_subdirectory, files, source)
            contents = await read_contents(root, name, self._records, progressed)
            return _content(new, "git", commit, contents, _location(source, commit))


@asynccontextmanager
async def _temporary_folder() -> AsyncIterator[Path]:
    folder = Path(await asyncio.to_thread(tempfile.mkdtemp, prefix="amplifierd-collection-"))
    try:
        yield folder
    finally:
        await asyncio.shield(asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True))


def _subdirectory(files: Path, source: GitSource) -> Path:
    path = without_links(files / source.subdirectory)
    if not path.is_relative_to(files.resolve()):
        raise FolderError("the subdirectory leads out of the repository")
    if not path.is_dir():
        raise FolderError(f"the repository has no subdirectory {source.subdirectory!r}")
    return path


def _location(source: GitSource, commit: str) -> str:
    """The URL of a folder in a repository; a path in the collection replaces the braces."""
    folder = f"{quote(source.subdirectory)}/" if source.subdirectory else ""
    return f"git+{source.url}@{commit}#subdirectory={folder}{{}}"


def _content(
    new: NewCollection, kind: CollectionKind, commit: str | None, contents: Contents, location: str
) -> CollectionContent:
    def located(module: Module) -> Module:
        return msgspec.structs.replace(module, location=location.replace("{}", module.location))

    return CollectionContent(
        identifier=new.identifier,
        source=new.source,
        kind=kind,
        commit=commit,
        profiles=contents.profiles,
        agents=contents.agents,
        context=contents.context,
        modules=[located(module) for module in contents.modules],
        problems=contents.problems,
        texts=contents.texts,
    )
