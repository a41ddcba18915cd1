"""The task of a connection: what runs at once, and how waiting work resumes, ends and is cancelled."""

import asyncio
from collections.abc import Callable
from typing import Any
from weakref import ref

import pytest

from amplifierd.server.http1.eager_task import EagerTasks, ReusableEagerTask, eager_tasks

Make = Callable[[asyncio.AbstractEventLoop, set[asyncio.Task[Any]]], EagerTasks]
SECONDS = 60
EITHER = pytest.mark.parametrize("make", [ReusableEagerTask, eager_tasks])


class Result:
    """A result that work waits for, and that may be large."""


async def from_the_loop(eager: EagerTasks, work: Callable[[], Any]) -> None:
    """Run a function as a transport does, while no task is running."""
    loop = asyncio.get_running_loop()
    begun = loop.create_future()

    def run() -> None:
        eager.run(work())
        begun.set_result(None)

    loop.call_soon(run)
    await begun


@EITHER
async def test_task_without_waiting_runs_at_once(make: Make) -> None:
    waiting: set[asyncio.Task[Any]] = set()
    eager = make(asyncio.get_running_loop(), waiting)
    tasks: list[asyncio.Task[Any] | None] = []

    async def work() -> None:
        tasks.append(asyncio.current_task())

    for _ in range(2):
        await from_the_loop(eager, work)
    assert None not in tasks
    assert asyncio.current_task() not in tasks
    assert not waiting
    eager.end()


@EITHER
async def test_waiting_task_resumes_in_the_same_task(make: Make) -> None:
    waiting: set[asyncio.Task[Any]] = set()
    eager = make(asyncio.get_running_loop(), waiting)
    gate = asyncio.Event()
    tasks = []

    async def work() -> None:
        tasks.append(asyncio.current_task())
        await gate.wait()
        await asyncio.sleep(0)
        tasks.append(asyncio.current_task())

    await from_the_loop(eager, work)
    [task] = waiting
    eager.end()
    gate.set()
    await task
    assert tasks == [task, task]
    assert not waiting


@EITHER
async def test_work_that_cannot_start_now_starts_in_another_task(make: Make) -> None:
    waiting: set[asyncio.Task[Any]] = set()
    eager = make(asyncio.get_running_loop(), waiting)
    tasks: list[asyncio.Task[Any] | None] = []

    async def work() -> None:
        tasks.append(asyncio.current_task())

    # This task is running.
    eager.run(work())
    [task] = waiting
    assert not tasks
    await task
    assert tasks == [task]
    assert not waiting
    eager.end()


@EITHER
async def test_unneeded_result_is_released(make: Make) -> None:
    loop = asyncio.get_running_loop()
    eager = make(loop, set())
    is_taken, gate = asyncio.Event(), asyncio.Event()
    results: list[ref[Result]] = []

    async def work() -> None:
        future = loop.create_future()
        loop.call_soon(future.set_result, Result())
        results.append(ref(await future))
        del future
        is_taken.set()
        await gate.wait()

    await from_the_loop(eager, work)
    await is_taken.wait()
    assert results[0]() is None
    gate.set()
    eager.end()


@EITHER
async def test_timeout_of_an_eager_task_cancels_its_wait(make: Make) -> None:
    eager = make(asyncio.get_running_loop(), set())
    done = []
    ended = asyncio.Event()

    async def work() -> None:
        try:
            async with asyncio.timeout(0.01):
                await asyncio.sleep(60)
        except TimeoutError:
            done.append("timeout")
        await asyncio.sleep(0)
        done.append("end")
        ended.set()

    await from_the_loop(eager, work)
    await asyncio.wait_for(ended.wait(), SECONDS)
    assert done == ["timeout", "end"]
    eager.end()


async def test_task_cancelled_before_resuming_ends() -> None:
    waiting: set[asyncio.Task[Any]] = set()
    loop = asyncio.get_running_loop()
    eager = ReusableEagerTask(loop, waiting)
    done = []
    ended = asyncio.Event()

    async def work() -> None:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            done.append("cancelled")
            await asyncio.sleep(0)
            done.append("cleaned up")
            ended.set()

    def run_and_cancel() -> None:
        eager.run(work())
        [task] = waiting
        task.cancel()

    await asyncio.sleep(0)
    loop.call_soon(run_and_cancel)
    await asyncio.wait_for(ended.wait(), SECONDS)
    assert done == ["cancelled", "cleaned up"]

    async def another() -> None:
        done.append("another")

    await from_the_loop(eager, another)
    assert done[-1] == "another"
    eager.end()
