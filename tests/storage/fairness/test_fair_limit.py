"""A limit shared by workspaces: each runs one operation at a time, and none keeps all others waiting."""

import asyncio
from contextlib import AsyncExitStack

import pytest

from amplifierd.storage.backend import concurrency_limit
from amplifierd.storage.backend.concurrency_limit import FairLimit
from amplifierd.storage.model.errors import StorageUnavailable, WriteCancelled

KIND = "conversions"


async def test_workspace_uses_one_slot(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(concurrency_limit, "WAIT_SECONDS", 0.01)
    limit = FairLimit(2, KIND)
    async with limit.slot("a"):
        with pytest.raises(StorageUnavailable, match="at most 2 at a time, and one for each workspace"):
            async with limit.slot("a"):
                pass
        async with limit.slot("b"):
            with pytest.raises(StorageUnavailable):
                async with limit.slot("c"):
                    pass
        async with limit.slot("c"):
            pass
    async with limit.slot("a"), limit.slot("b"):
        pass


async def test_workspaces_take_turns() -> None:
    limit = FairLimit(1, KIND)
    served: list[str] = []

    async def use(key: str) -> None:
        async with limit.slot(key):
            served.append(key)

    async with AsyncExitStack() as stack:
        await stack.enter_async_context(limit.slot("a"))
        waiting = [asyncio.create_task(use(key)) for key in ("a", "a", "a", "b")]
        await asyncio.sleep(0)
    await asyncio.gather(*waiting)
    assert served == ["b", "a", "a", "a"]


async def test_cancelled_wait_keeps_no_slot() -> None:
    limit = FairLimit(1, KIND)

    async def use(key: str) -> None:
        async with limit.slot(key):
            pass

    async with limit.slot("a"):
        waiting = [asyncio.create_task(use(key)) for key in ("a", "b")]
        await asyncio.sleep(0)
        for task in waiting:
            task.cancel()
        for task in waiting:
            with pytest.raises(WriteCancelled):
                await task
    async with limit.slot("b"):
        pass
    async with limit.slot("a"):
        pass
