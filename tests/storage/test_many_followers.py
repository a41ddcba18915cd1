"""Many who follow the same: nothing is lost to any of them, it is read once for all, and others go on in between."""

import asyncio
from contextlib import AsyncExitStack, aclosing
from itertools import pairwise

from amplifierd.storage.model.interface import Storage
from amplifierd.storage.model.records import NewMessage, NewSession
from amplifierd.storage.operations.events.topics import WOKEN_AT_ONCE, Topic

W = "default"
FOLLOWERS = 10 * WOKEN_AT_ONCE
MESSAGES = 20


async def test_each_of_many_followers_gets_all_in_order(storage: Storage) -> None:
    session = await storage.create_session(W, NewSession())
    ids: list[list[str]] = []

    async def follow(number: int) -> None:
        events = await storage.follow_session(W, session.id, after_event="0")
        async with aclosing(events.batches):
            async for batch in events.batches:
                ids[number] += [event.id or "" for event in batch if event.kind == "message"]
                if len(ids[number]) == MESSAGES:
                    return

    ids += [[] for _ in range(FOLLOWERS)]
    followers = [asyncio.create_task(follow(number)) for number in range(FOLLOWERS)]
    for number in range(MESSAGES):
        await storage.append_message(W, session.id, NewMessage(str(number)))
    async with asyncio.timeout(60):
        await asyncio.gather(*followers)
    assert ids == [[str(number + 1) for number in range(MESSAGES)]] * FOLLOWERS


async def test_topic_reads_once_for_many_and_lets_others_run() -> None:
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
    # Some have read the first already, and are told again.
    value = 2
    topic.change()
    async with asyncio.timeout(60):
        await asyncio.gather(*tasks)
    assert seen == {1, 2}
