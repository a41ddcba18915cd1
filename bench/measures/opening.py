"""Measures opening databases of different sizes, and the first read."""

import asyncio
import os
import time
from pathlib import Path

from amplifierd.storage import open_storage
from amplifierd.storage.model.queries import MessageQuery

from ..curve import Curve, Point
from ..fill import fill
from ..report import log
from ..scale import Scale

_WORKSPACE = "default"
_TRANSCRIPT = 1_000
_MAX_MILLISECONDS = 1_000


def measure(scale: Scale, folder: Path) -> list[Curve]:
    """The time from opening the storage to the first page of a transcript, by the number of stored messages."""
    databases = {size: folder / f"messages-{size}.db" for size in scale.messages}
    ids = {size: fill(database, [_TRANSCRIPT] * (size // _TRANSCRIPT)) for size, database in databases.items()}
    taken: dict[int, list[float]] = {size: [] for size in databases}
    for number in range(scale.plan.rounds):
        log(f"round {number + 1}: opening")
        for size, database in databases.items():
            _forget(database)
            taken[size].append(asyncio.run(_open(database, ids[size][size // _TRANSCRIPT // 2])))
    points = [Point(f"{size:,}", values, _MAX_MILLISECONDS) for size, values in taken.items()]
    return [Curve("open a database", "messages in the database", "ms", points, "Each under a second.", _NOTE)]


_NOTE = "From the start of the storage to the first 50 messages of a transcript; nothing of the file is in memory."


def _forget(database: Path) -> None:
    with database.open("rb") as file:
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


async def _open(database: Path, session_id: str) -> float:
    started = time.perf_counter()
    async with open_storage(f"sqlite:///{database}") as storage:
        await storage.list_messages(_WORKSPACE, session_id, MessageQuery(limit=50))
        return (time.perf_counter() - started) * 1e3
