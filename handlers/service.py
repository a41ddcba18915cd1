"""The daemon's own state: liveness, health, version."""

import asyncio
from collections.abc import Callable
from typing import Literal

from msgspec import UNSET, Struct, UnsetType

from ..storage.model.interface import Storage


class Liveness(Struct, frozen=True):
    """The daemon is running."""

    status: Literal["alive"] = "alive"


class Health(Struct, frozen=True):
    """The daemon can do its work."""

    status: Literal["healthy"] = "healthy"


class SearchIndex(Struct, frozen=True, rename="camel"):
    """The state of the search index: messages that wait to be indexed, or for a vector."""

    waiting_messages: int
    waiting_vectors: int | UnsetType = UNSET


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


async def get_status(*, storage: Storage, version: str, uptime: Callable[[], float]) -> Status:
    """The daemon's version and state; without the search index if the storage does not respond."""
    waiting, vectors = await asyncio.gather(storage.waiting_messages(), storage.waiting_vectors())
    index = UNSET if waiting is None else SearchIndex(waiting, UNSET if vectors is None else vectors)
    return Status(version=version, uptime_seconds=round(uptime(), 3), storage=storage.kind, search_index=index)
