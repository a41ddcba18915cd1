"""Requests in batches: those for a workspace that arrive while one batch is in progress form the next one.

So one round trip, and one sync of the disk for writes, serves many requests, and the writes of a node do not wait for
each other's locks. A request that is cancelled while it waits is dropped; the statement of a batch is cancelled when no
request waits for it any more.
"""

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

from ...model.errors import StorageUnavailable, WriteCancelled

Request = TypeVar("Request")
Result = TypeVar("Result")

MAX_WAITING = 4_096
MAX_IN_A_GROUP = 256
MAX_BYTES = 4 * 1024 * 1024


class BatchQueue(Generic[Request, Result]):
    """Batches of requests, each of which `run` serves together, all or none; `size` is the bytes of a request.

    A request that is cancelled while it waits raises `dropped`.
    """

    def __init__(
        self,
        run: Callable[[str, list[Request]], Awaitable[list[Result]]],
        size: Callable[[Request], int],
        dropped: type[asyncio.CancelledError] = WriteCancelled,
    ) -> None:
        self._run = run
        self._size = size
        self._dropped = dropped
        self._waiting: defaultdict[str, list[tuple[Request, asyncio.Future[Result]]]] = defaultdict(list)
        self._groups: dict[str, list[tuple[Request, asyncio.Future[Result]]]] = {}
        self._running: dict[str, asyncio.Task[None]] = {}

    async def add(self, workspace: str, request: Request) -> Result:
        """The result of `run` for the request. Raises `StorageUnavailable` at once if too many are waiting."""
        waiting = self._waiting[workspace]
        if len(waiting) >= MAX_WAITING:
            raise StorageUnavailable(f"{MAX_WAITING} requests are waiting already", is_busy=True)
        future: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        waiting.append((request, future))
        if workspace not in self._running:
            self._running[workspace] = asyncio.create_task(self._run_all(workspace))
        try:
            return await future
        except asyncio.CancelledError:
            for place, (_, other) in enumerate(waiting):
                if other is future:
                    del waiting[place]
                    raise self._dropped from None
            if _is_left(self._groups.get(workspace, [])):
                self._running[workspace].cancel()
            raise

    async def close(self) -> None:
        """Serve the waiting requests."""
        await asyncio.gather(*self._running.values())

    async def _run_all(self, workspace: str) -> None:
        while group := self._take(workspace):
            self._groups[workspace] = group
            try:
                results = await self._run(workspace, [request for request, _ in group])
            except asyncio.CancelledError:
                if not _is_left(group):
                    raise
                _uncancel()
            except Exception as error:  # noqa: BLE001  # it is raised where each request waits
                for _, future in group:
                    if not future.done():
                        future.set_exception(error)
            else:
                for (_, future), result in zip(group, results, strict=True):
                    if not future.done():
                        future.set_result(result)
        del self._waiting[workspace], self._groups[workspace], self._running[workspace]

    def _take(self, workspace: str) -> list[tuple[Request, asyncio.Future[Result]]]:
        waiting = self._waiting[workspace]
        size = 0
        count = 0
        while count < min(len(waiting), MAX_IN_A_GROUP) and size < MAX_BYTES:
            size += self._size(waiting[count][0])
            count += 1
        group = waiting[:count]
        del waiting[:count]
        return group


def _is_left(group: list[tuple[Request, asyncio.Future[Result]]]) -> bool:
    """Whether no request waits for a batch any more."""
    return bool(group) and all(future.done() for _, future in group)


def _uncancel() -> None:
    task = asyncio.current_task()
    assert task is not None, "A group is served in a task."
    task.uncancel()
