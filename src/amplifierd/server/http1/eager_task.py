"""Tasks that begin at once: most requests have their answer without waiting.

A task that begins in the next turn of the event loop would take a tenth of their time. Those of Python 3.12 and later
can begin at once (`eager_start`), and take no longer than what is made here, for Python 3.11, of what asyncio has for
those who extend it (https://docs.python.org/3/library/asyncio-extending.html).
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
    """Runs coroutines, each in a copy of `context`, so that what it sets there is gone with it."""

    context: Context

    def run(self, work: Work) -> bool:
        """Run `work` until it waits; if it does, go on with it later, in a task that is among the waiting ones then.

        False where it can't begin now: then it is not begun.
        """

    def end(self) -> None:
        """Run nothing more than what still waits."""


def eager_tasks(loop: asyncio.AbstractEventLoop, waiting: set[asyncio.Task[Any]]) -> EagerTasks:
    """Those that this Python has; tasks are `waiting` while they wait."""
    return NativeEagerTasks(loop, waiting) if sys.version_info >= (3, 12) else ReusableEagerTask(loop, waiting)


class NativeEagerTasks:
    """A new task of asyncio's for each coroutine."""

    def __init__(self, loop: asyncio.AbstractEventLoop, waiting: set[asyncio.Task[Any]]) -> None:
        self._loop = loop
        self._waiting = waiting
        self.context = copy_context()

    def run(self, work: Work) -> bool:
        """Run `work` until it waits; False where another task is running: one within the other would grow the stack."""
        if asyncio.current_task(self._loop) is not None:
            return False
        options: dict[str, Any] = {"loop": self._loop, "context": self.context.copy(), "eager_start": True}
        task = asyncio.Task(work, **options)
        if not task.done():
            self._waiting.add(task)
            task.add_done_callback(self._waiting.discard)
        return True

    def end(self) -> None:
        """Nothing is left to end."""


class ReusableEagerTask:
    """Runs one coroutine after the other, until `end`; its task is among those `waiting` while one of them waits.

    Each runs in a copy of `context`, so that what it sets there is gone with it.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, waiting: set[asyncio.Task[Any]]) -> None:
        self._loop = loop
        self._waiting = waiting
        self._ends = False
        self.context = copy_context()
        self._rest: asyncio.Future[tuple[Work, Context, Any] | None] = loop.create_future()
        self._task: asyncio.Task[None] = loop.create_task(self._go_on())

    def run(self, work: Work) -> bool:
        """Run `work` until it waits; where it does, go on with it later.

        False where something that was run still waits, or another task is running: then it is not begun.
        """
        if self._rest.done():
            return False
        try:
            _enter_task(self._loop, self._task)
        except RuntimeError:
            return False
        context = self.context.copy()
        try:
            waits_for = context.run(work.send, None)
        except StopIteration:
            return True
        finally:
            _leave_task(self._loop, self._task)
        self._waiting.add(self._task)
        self._rest.set_result((work, context, waits_for))
        return True

    def end(self) -> None:
        """Run nothing more than what still waits."""
        self._ends = True
        if not self._rest.done():
            self._rest.set_result(None)

    async def _go_on(self) -> None:
        while (rest := await self._begun()) is not None:
            try:
                await _rest_of(*rest)
            finally:
                self._waiting.discard(self._task)
            if self._ends:
                return
            self._rest = self._loop.create_future()

    async def _begun(self) -> tuple[Work, Context, Any] | None:
        try:
            return await self._rest
        except asyncio.CancelledError:
            if self._rest.cancelled():
                raise
            # Work began before the task could go on with it, and is what was to be cancelled.
            self._task.uncancel()
            self._task.cancel()
            return self._rest.result()


@types.coroutine
def _rest_of(work: Work, context: Context, waits_for: Any) -> Generator[Any, Any, None]:
    """Go on with `work` in its context; it waits for this."""
    while True:
        step: Callable[[], Any]
        try:
            yield waits_for
        except BaseException as error:  # noqa: BLE001  # whatever it is, it is thrown at the work
            step = partial(work.throw, error)
        else:
            step = partial(work.send, None)
        try:
            waits_for = context.run(step)
        except StopIteration:
            return
