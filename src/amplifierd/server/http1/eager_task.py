"""Tasks that start at once, because most requests finish without waiting.

A task that starts in the next turn of the event loop would take a tenth of their time. Python 3.12 and later have
eager tasks (`eager_start`), which are as fast as the task here, for Python 3.11, built on asyncio's documented
extension points (https://docs.python.org/3/library/asyncio-extending.html).
"""

import asyncio
import sys
import types
from asyncio.tasks import _enter_task, _leave_task
from collections.abc import Callable, Coroutine, Generator
from contextvars import Context, copy_context
from functools import partial
from typing import Any, Protocol

Work = Coroutine[Any, Any, None]


class EagerTasks(Protocol):
    """Runs coroutines, each in its own copy of a context."""

    def run(self, work: Work) -> None:
        """Run `work` until it waits; if it does, continue it later, in a task that is in `waiting` meanwhile.

        If it cannot start now, it starts in the next turn of the event loop.
        """

    def end(self) -> None:
        """Accept no more work; work that is waiting continues."""


def eager_tasks(loop: asyncio.AbstractEventLoop, waiting: set[asyncio.Task[Any]]) -> EagerTasks:
    """Python's own eager tasks; they are in `waiting` while they wait."""
    return NativeEagerTasks(loop, waiting) if sys.version_info >= (3, 12) else ReusableEagerTask(loop, waiting)


class NativeEagerTasks:
    """Runs each coroutine in a new asyncio task."""

    def __init__(self, loop: asyncio.AbstractEventLoop, waiting: set[asyncio.Task[Any]]) -> None:
        self._loop = loop
        self._waiting = waiting
        self._context = copy_context()

    def run(self, work: Work) -> None:
        """Run `work` until it waits, or later if another task is running: nested tasks would grow the stack."""
        if asyncio.current_task(self._loop) is not None:
            _start_later(work, self._loop, self._context, self._waiting)
            return
        options: dict[str, Any] = {"loop": self._loop, "context": self._context.copy(), "eager_start": True}
        task = asyncio.Task(work, **options)
        if not task.done():
            self._waiting.add(task)
            task.add_done_callback(self._waiting.discard)

    def end(self) -> None:
        """Do nothing: there is no task to end."""


class ReusableEagerTask:
    """Runs one coroutine after the other, until `end`; its task is in `waiting` while one of them waits."""

    def __init__(self, loop: asyncio.AbstractEventLoop, waiting: set[asyncio.Task[Any]]) -> None:
        self._loop = loop
        self._waiting = waiting
        self._ends = False
        self._context = copy_context()
        # A list, so that the first future of the work, such as 7 MiB of an export, is not kept until its end.
        self._rest: asyncio.Future[list[tuple[Work, Context, Any]]] = loop.create_future()
        self._task: asyncio.Task[None] = loop.create_task(self._go_on())

    def run(self, work: Work) -> None:
        """Run `work` until it waits, or in another task if earlier work still waits or another task is running."""
        if self._rest.done() or asyncio.current_task(self._loop) is not None:
            _start_later(work, self._loop, self._context, self._waiting)
            return
        context = self._context.copy()
        _enter_task(self._loop, self._task)
        try:
            waits_for = context.run(work.send, None)
        except StopIteration:
            return
        finally:
            _leave_task(self._loop, self._task)
        self._waiting.add(self._task)
        self._rest.set_result([(work, context, waits_for)])

    def end(self) -> None:
        """Accept no more work; work that is waiting continues."""
        self._ends = True
        if not self._rest.done():
            self._rest.set_result([])

    async def _go_on(self) -> None:
        while rest := await self._begun():
            try:
                await _rest_of(*rest.pop())
            finally:
                self._waiting.discard(self._task)
            if self._ends:
                return
            self._rest = self._loop.create_future()

    async def _begun(self) -> list[tuple[Work, Context, Any]]:
        try:
            return await self._rest
        except asyncio.CancelledError:
            if self._rest.cancelled():
                raise
            # The cancellation was meant for work that started before the task could continue it.
            self._task.uncancel()
            self._task.cancel()
            return self._rest.result()


def _start_later(
    work: Work, loop: asyncio.AbstractEventLoop, context: Context, waiting: set[asyncio.Task[Any]]
) -> None:
    task = loop.create_task(work, context=context.copy())
    waiting.add(task)
    task.add_done_callback(waiting.discard)


@types.coroutine
def _rest_of(work: Work, context: Context, waits_for: Any) -> Generator[Any, Any, None]:
    """Continue `work` in its context, when the future for which it waits is done."""
    while True:
        # A list, so that no cycle of the step, an error, its traceback and this frame keeps all that the work had.
        steps: list[Callable[[], Any]] = []
        try:
            yield waits_for
        except BaseException as error:  # noqa: BLE001  # whatever it is, it is thrown at the work
            steps.append(partial(work.throw, error))
        else:
            steps.append(partial(work.send, None))
        try:
            waits_for = context.run(steps.pop())
        except StopIteration:
            return
