"""The daemon's own state: liveness, health, version."""

from collections.abc import Callable
from typing import Literal

from msgspec import Struct

from ..storage.model.interface import Storage


class Liveness(Struct, frozen=True):
    """The daemon runs."""

    status: Literal["alive"] = "alive"


class Health(Struct, frozen=True):
    """The daemon can do its work."""

    status: Literal["healthy"] = "healthy"


class Status(Struct, frozen=True, rename="camel"):
    """The daemon's version and state; `uptime_seconds` counts from its start."""

    version: str
    uptime_seconds: float
    storage: str
    status: Literal["running"] = "running"


async def get_live() -> Liveness:
    """Alive, as long as the daemon responds."""
    return Liveness()


async def get_health(*, storage: Storage) -> Health:
    """Healthy, if the storage responds and accepts writes."""
    await storage.ping()
    return Health()


async def get_status(*, storage: Storage, version: str, uptime: Callable[[], float]) -> Status:
    """What is running."""
    return Status(version=version, uptime_seconds=round(uptime(), 3), storage=storage.kind)
