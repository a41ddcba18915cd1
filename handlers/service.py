"""The daemon's own state: liveness, health, version."""

from collections.abc import Callable
from typing import Literal, Self

from msgspec import UNSET, Struct, UnsetType

from ..storage.model.errors import StorageUnavailable
from ..storage.model.interface import Storage
from ..storage.model.queries import IndexProgress


class Liveness(Struct, frozen=True):
    """The daemon runs."""

    status: Literal["alive"] = "alive"


class Health(Struct, frozen=True):
    """The daemon can do its work."""

    status: Literal["healthy"] = "healthy"


class SearchIndex(Struct, frozen=True, rename="camel"):
    """How far the search index of the caller's workspace is; it `is_ready` as long as searches are not refused."""

    is_ready: bool
    indexed_messages: int
    waiting_messages: int

    @classmethod
    def of(cls, progress: IndexProgress) -> Self:
        """The index with this progress."""
        return cls(progress.is_ready, progress.indexed, progress.waiting)


class Status(Struct, frozen=True, rename="camel"):
    """The daemon's version and state; `uptime_seconds` counts from its start."""

    version: str
    uptime_seconds: float
    storage: str
    search_index: SearchIndex | UnsetType = UNSET
    status: Literal["running"] = "running"


async def get_live() -> Liveness:
    """Alive, as long as the daemon responds."""
    return Liveness()


async def get_health(*, storage: Storage) -> Health:
    """Healthy, if the storage responds and accepts writes."""
    await storage.ping()
    return Health()


async def get_status(*, storage: Storage, workspace: str | None, version: str, uptime: Callable[[], float]) -> Status:
    """What is running; without the search index if the caller has no workspace, or the storage does not respond."""
    index = UNSET if workspace is None else await _search_index(storage, workspace)
    return Status(version=version, uptime_seconds=round(uptime(), 3), storage=storage.kind, search_index=index)


async def _search_index(storage: Storage, workspace: str) -> SearchIndex | UnsetType:
    try:
        return SearchIndex.of(await storage.search_progress(workspace))
    except StorageUnavailable:
        return UNSET
