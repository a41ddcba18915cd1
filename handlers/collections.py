"""Collections: folders and repositories that provide profiles. The storage keeps their content."""

from collections.abc import AsyncIterator, Callable
from functools import partial
from typing import Protocol

from ..storage.model.collections import Collection, CollectionContent, NewCollection
from ..storage.model.interface import Storage
from ..storage.model.records import IdempotentRequest, Listing


class Sources(Protocol):
    """Reads collections from their sources."""

    async def read(self, new: NewCollection, progressed: Callable[[], None]) -> CollectionContent:
        """Read a collection."""

    async def sync(
        self,
        storage: Storage,
        workspace: str,
        identifier: str,
        progressed: Callable[[], None],
        once: IdempotentRequest | None = None,
    ) -> Collection:
        """Read a collection again and store it; if that fails, record why."""

    def sync_all(self, storage: Storage, workspace: str, progressed: Callable[[], None]) -> AsyncIterator[Collection]:
        """Sync each collection of a workspace."""


async def create_collection(
    body: NewCollection,
    once: IdempotentRequest | None,
    *,
    storage: Storage,
    sources: Sources,
    workspace: str,
    progressed: Callable[[], None],
) -> Collection:
    """Read a collection and store it."""
    read = partial(sources.read, body, progressed)
    return await storage.create_collection(workspace, body.identifier, read, once=once)


async def list_collections(limit: int | None, cursor: str | None, *, storage: Storage, workspace: str) -> Listing:
    """The collections of the workspace."""
    return await storage.list_collections(workspace, limit=limit, cursor=cursor)


async def get_collection(identifier: str, *, storage: Storage, workspace: str) -> Collection:
    """One collection."""
    return await storage.get_collection(workspace, identifier)


async def delete_collection(identifier: str, *, storage: Storage, workspace: str) -> None:
    """Delete a collection with its profiles."""
    await storage.delete_collection(workspace, identifier)


async def sync_collection(
    identifier: str,
    once: IdempotentRequest | None,
    *,
    storage: Storage,
    sources: Sources,
    workspace: str,
    progressed: Callable[[], None],
) -> Collection:
    """Read a collection again."""
    return await sources.sync(storage, workspace, identifier, progressed, once)


async def sync_collections(
    *, storage: Storage, sources: Sources, workspace: str, progressed: Callable[[], None]
) -> Listing:
    """Read all collections again."""
    async for _ in sources.sync_all(storage, workspace, progressed):
        pass
    return await storage.list_collections(workspace)
