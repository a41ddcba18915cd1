"""The service itself: does it work, and what is it."""

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
    """What is running; `uptime_seconds` since it started."""

    version: str
    uptime_seconds: float
    storage: str
    status: Literal["running"] = "running"


async def get_live() -> Liveness:
    """Alive, as long as anything is answered."""
    return Liveness()


async def get_health(*, storage: Storage) -> Health:
    """Healthy, once the storage has answered and takes writes."""
    await storage.ping()
    return Health()


async def get_status(*, storage: Storage, version: str, uptime: Callable[[], float]) -> Status:
    """What is running."""
    return Status(version=version, uptime_seconds=round(uptime(), 3), storage=storage.kind)
