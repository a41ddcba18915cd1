"""Storages that open the same database at the same time."""

import asyncio
from pathlib import Path

import pytest

from amplifierd.storage import open_existing, open_storage
from amplifierd.storage.model.database_errors import DatabaseUnusable
from amplifierd.storage.model.interface import Storage
from amplifierd.storage.model.records import NewSession

W = "default"


async def test_empty_database_is_opened_concurrently(empty_database: str) -> None:
    storages = [open_storage(empty_database) for _ in range(10)]
    await asyncio.gather(*(asyncio.to_thread(asyncio.run, open_and_close(node)) for node in storages))


async def open_and_close(node: Storage) -> None:
    async with node:
        await node.create_session(W, NewSession())


async def test_loop_of_links_is_not_opened(tmp_path: Path) -> None:
    (tmp_path / "a.db").symlink_to("a.db")
    for storage in (open_storage(f"sqlite:///{tmp_path}/a.db"), open_existing(f"sqlite:///{tmp_path}/a.db")):
        with pytest.raises(DatabaseUnusable, match=r"a\.db"):
            await open_and_close(storage)
