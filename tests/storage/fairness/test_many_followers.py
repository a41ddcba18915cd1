"""Many followers of one session: the database is read once for all of them, and none loses an event."""

import asyncio
from contextlib import AsyncExitStack
from itertools import pairwise

from amplifierd.storage.operations.events.topics import WOKEN_AT_ONCE, Topic

FOLLOWERS = 10 * WOKEN_AT_ONCE


async def test_topic_reads_once_for_all_and_yields() -> None:
    topic, reads, woken = Topic(), 0, 0
    turns: list[int] = []

    async def read() -> int:
        nonlocal reads
        reads += 1
        return reads

    async def follow() -> None:
        nonlocal woken
        changed = asyncio.Event()
        topic.waiting.add(changed)
        await changed.wait()
        assert await topic.read("here", read) == 1
        woken += 1

    async with AsyncExitStack() as stack:
        tasks = [asyncio.create_task(follow()) for _ in range(FOLLOWERS)]
        stack.callback(lambda: [task.cancel() for task in tasks])
        await asyncio.sleep(0)
        topic.change()
        while woken < FOLLOWERS:
            turns.append(woken)
            await asyncio.sleep(0)
        await asyncio.gather(*tasks)
    assert reads == 1
    assert max(after - before for before, after in pairwise(turns)) <= 2 * WOKEN_AT_ONCE


async def test_topic_is_read_again_after_a_change() -> None:
    topic, value, seen = Topic(), 1, set[int]()

    async def read() -> int:
        return value

    async def follow() -> None:
        changed = asyncio.Event()
        topic.waiting.add(changed)
        while 2 not in seen or await topic.read("here", read) != 2:
            await changed.wait()
            changed.clear()
            seen.add(await topic.read("here", read))

    tasks = [asyncio.create_task(follow()) for _ in range(FOLLOWERS)]
    await asyncio.sleep(0)
    topic.change()
    for _ in range(3):
        await asyncio.sleep(0)
    # Some have already read the first event, and are woken again.
    value = 2
    topic.change()
    async with asyncio.timeout(60):
        await asyncio.gather(*tasks)
    assert seen == {1, 2}
