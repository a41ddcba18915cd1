"""Storages that open the same database at the same time."""

import asyncio

from amplifierd.storage import open_storage
from amplifierd.storage.model.interface import Storage
from amplifierd.storage.model.records import NewSession

W = "default"


async def test_empty_database_is_opened_concurrently(empty_database: str) -> None:
    storages = [open_storage(empty_database) for _ in range(10)]
    await asyncio.gather(*(asyncio.to_thread(asyncio.run, open_and_close(node)) for node in storages))


async def open_and_close(node: Storage) -> None:
    async with node:
        await node.create_session(W, NewSession())
