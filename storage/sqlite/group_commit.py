"""The one writing thread. It commits requests in groups.

The requests that are waiting when a commit ends form the next transaction, so that one sync of the disk serves many of
them. Clients often send their next request at once, so the thread waits for them, for at most the time of a commit:
otherwise it would commit one of them alone, then all others, and so on, with twice as many commits and a sixth fewer
requests.

A request that fails does not affect the others. Nearly all failures come before a write, and need no rollback. After a
later failure the group is run again, with a savepoint for each request; always using savepoints would make every write
take a third longer.

Results are in memory until the group is committed and they are sent, so a group ends early if they are large.

A group that does not fit on the disk is run again with an empty log. If it still does not fit, only its deletions are
run once more, in space that is kept for them (see files/reserve.py).

A request that is cancelled while it waits is skipped. If it is running, its statement is interrupted, which rolls the
transaction back, and the group is run again without it. If it has run already, it is committed with the others.
"""

import asyncio
import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum, auto
from queue import Empty, SimpleQueue
from typing import Any, Generic, TypeVar, TypeVarTuple

import apsw

from ..model.errors import StorageUnavailable, WriteCancelled
from ..model.records import AlreadyApplied, Messages
from ..values.json_text import text_size
from .checkpointer import Checkpointer
from .connection import INTERRUPT_SECONDS, WriteTransaction, as_storage_error, check_not_replaced, shrink
from .files.reserve import Reserve, is_out_of_space

logger = logging.getLogger(__name__)

Result = TypeVar("Result")
Arguments = TypeVarTuple("Arguments")

MAX_WAITING = 4_096
MAX_IN_A_GROUP = 256
# When the results of a group exceed this size, its remaining requests are left to the next group.
MAX_RESULTS_BYTES = 16 * 1024 * 1024
IDLE_SECONDS = 0.05
# Idle work is done after this time even while writes arrive without a pause, so that it does not wait forever.
BUSY_SECONDS = 1.0
# The pause after idle work has failed because of the disk or a lock.
RETRY_SECONDS = 5.0
# The limit of the wait for more requests, however long a commit takes.
MAX_GATHERING_SECONDS = 0.002


class _PartialWrite(Exception):
    """A request failed after it had written."""


class _Interrupted(Exception):
    """A request was cancelled while it ran."""


class _Progress(Enum):
    WAITING = auto()
    RUNNING = auto()
    # The request has run, and its transaction will be committed.
    DONE = auto()


def _nothing(_connection: apsw.Connection, *_: object) -> None:
    return


@dataclass(slots=True, eq=False)
class _Request(Generic[Result]):
    work: Callable[..., Result | None]
    arguments: tuple[object, ...]
    future: asyncio.Future[Result]
    is_deletion: bool = False
    result: Result | None = None
    error: Exception | None = None
    progress: _Progress = _Progress.WAITING
    is_cancelled: bool = False
    # Held while the progress changes: the writing thread does not go on while another thread has it.
    lock: threading.Lock = field(default_factory=threading.Lock)

    def cancel(self) -> bool:
        """Mark the request as cancelled, unless it has run. Returns whether it is cancelled."""
        with self.lock:
            if self.progress is not _Progress.DONE:
                self.is_cancelled = True
                # Release the memory of its arguments.
                self.work = _nothing
                self.arguments = ()
        return self.is_cancelled

    def interrupt(self, connection: apsw.Connection) -> bool:
        """Interrupt the statement of this request, and of no other. Returns False if the request is not running."""
        with self.lock:
            if self.progress is not _Progress.RUNNING:
                return False
            connection.interrupt()
            return True

    def attempt(self, connection: apsw.Connection) -> None:
        """Run the work, unless the request is cancelled.

        Raises `_PartialWrite` if the work failed after it had written, `_Interrupted` if it was cancelled meanwhile.
        """
        with self.lock:
            if self.is_cancelled:
                return
            self.progress = _Progress.RUNNING
        before = connection.total_changes()
        self.error = None
        try:
            self.result = self.work(connection, *self.arguments)
        except Exception as error:
            self.error = error
            # Some errors (a full disk, a failing one) end the whole transaction.
            if not connection.in_transaction:
                raise
            if connection.total_changes() != before:
                raise _PartialWrite from error
        finally:
            with self.lock:
                self.progress = _Progress.DONE
            if self.is_cancelled:
                raise _Interrupted

    def attempt_alone(self, connection: apsw.Connection) -> None:
        """Run the work under a savepoint, which is rolled back if it fails."""
        connection.execute("SAVEPOINT request")
        try:
            self.attempt(connection)
        except _PartialWrite:
            connection.execute("ROLLBACK TO request")
        connection.execute("RELEASE request")

    def result_size(self) -> int:
        """The approximate size in bytes of the result, apart from what the request has in memory already."""
        if type(self.result) is Messages:
            # The texts of the result are the texts of the request.
            return 0
        return text_size(self.error.response if isinstance(self.error, AlreadyApplied) else self.result)

    def resolve(self) -> None:
        if self.future.done():
            return
        if self.error is not None:
            self.future.set_exception(as_storage_error(self.error))
        else:
            self.future.set_result(self.result)  # type: ignore[arg-type]  # without an error there is a result


class Writer:
    """Runs work on a connection, in the order of arrival; it owns the connection until `close`.

    `committed` is called on the event loop after each commit, `refused` with each `StorageUnavailable` of a write.
    `idle` does some background work, in its own transaction, when nothing was written for a while. It returns the
    seconds until more work is due, None if nothing is left. `transaction` and `log` are those of the connection.
    """

    def __init__(
        self,
        connection: apsw.Connection,
        loop: asyncio.AbstractEventLoop,
        committed: Callable[[], None],
        refused: Callable[[StorageUnavailable], None],
        idle: Callable[[apsw.Connection], float | None],
        transaction: WriteTransaction,
        reserve: Reserve,
        log: Checkpointer,
    ) -> None:
        self._connection = connection
        self._transaction = transaction
        self._loop = loop
        self._committed = committed
        self._refused = refused
        self._idle = idle
        self._reserve = reserve
        self._log = log
        self._idle_work_due = time.monotonic() + BUSY_SECONDS
        self._urgent_until = 0.0
        self._queue: SimpleQueue[_Request[Any] | None] = SimpleQueue()
        # Requests that were taken from the queue and deferred to the next group.
        self._deferred: list[_Request[Any]] = []
        self._is_closing = False
        # The number of requests that the thread is waiting for.
        self._wanted = 0
        self._gathered = threading.Event()
        self._thread = threading.Thread(target=self._run, name="amplifierd-writer", daemon=True)
        self._thread.start()

    async def write(self, work: Callable[[apsw.Connection, *Arguments], Result], *arguments: *Arguments) -> Result:
        """Run `work`, and return its result when it is on disk, or raise its error when it is rolled back.

        `work` may be called twice, if the failure of another request rolled the first call back. Raises
        `StorageUnavailable` at once if MAX_WAITING requests are waiting, `WriteCancelled` if cancelled in time.
        """
        return await self._finished(_Request(work, arguments, self._loop.create_future()))

    async def delete(self, work: Callable[[apsw.Connection, *Arguments], Result], *arguments: *Arguments) -> Result:
        """Run `work` as `write` does; it deletes, so it is also done on a full disk."""
        return await self._finished(_Request(work, arguments, self._loop.create_future(), is_deletion=True))

    async def _finished(self, request: _Request[Result]) -> Result:
        if self._queue.qsize() >= MAX_WAITING:
            raise StorageUnavailable(f"{MAX_WAITING} writes are waiting already", is_busy=True)
        self._queue.put(request)
        if 0 < self._wanted <= self._queue.qsize():
            self._gathered.set()
        try:
            return await request.future
        except asyncio.CancelledError:
            if not request.cancel():
                raise
            self._interrupt(request)
            raise WriteCancelled from None
        except StorageUnavailable as error:
            self._refused(error)
            raise

    def _interrupt(self, request: _Request[Any]) -> None:
        # Repeat it, because the first interrupt may fall between two statements.
        if request.interrupt(self._connection):
            self._loop.call_later(INTERRUPT_SECONDS, self._interrupt, request)

    def urge(self, seconds: float) -> None:
        """Do idle work now, and for this number of seconds between any two groups of writes."""
        self._urgent_until = max(self._urgent_until, time.monotonic() + seconds)
        request: _Request[None] = _Request(_nothing, (), self._loop.create_future())
        # Nobody awaits the result.
        request.future.add_done_callback(lambda future: future.exception())
        self._queue.put(request)

    async def close(self) -> None:
        """Commit the waiting requests, then close the connection."""
        self._queue.put(None)
        await asyncio.to_thread(self._thread.join)
        self._connection.close()

    def _run(self) -> None:
        while self._write_next_group():
            pass

    def _write_next_group(self) -> bool:
        """Wait for requests, and commit them as a group. Returns False when the writer is closed.

        No variable keeps a group, with the memory of its requests, while the thread waits for the next one.
        """
        request = self._next()
        if request is None:
            return False
        group = self._group_of(request)
        began = time.monotonic()
        self._commit_what_fits(group)
        self._loop.call_soon_threadsafe(self._resolve, group)
        if not self._deferred and not self._is_closing:
            self._gather(len(group) + self._queue.qsize(), time.monotonic() - began)
        return True

    def _gather(self, count: int, seconds: float) -> None:
        """Wait for `count` requests, but no longer than `seconds`."""
        if count == 1:
            return
        self._gathered.clear()
        self._wanted = min(count, MAX_IN_A_GROUP)
        if self._wanted > self._queue.qsize():
            self._gathered.wait(min(seconds, MAX_GATHERING_SECONDS))
        self._wanted = 0

    def _next(self) -> _Request[Any] | None:
        delay: float | None = IDLE_SECONDS
        if not self._urgent_until <= time.monotonic() < self._idle_work_due:
            delay = self._do_idle_work() or IDLE_SECONDS
        if self._deferred:
            return self._deferred.pop(0)
        if self._is_closing:
            return None
        while delay is not None:
            try:
                return self._queue.get(timeout=delay)
            except Empty:
                delay = self._do_idle_work()
        shrink(self._connection)
        request = self._queue.get()
        self._idle_work_due = time.monotonic() + BUSY_SECONDS
        return request

    def _do_idle_work(self) -> float | None:
        try:
            if not self._reserve.is_whole():
                return RETRY_SECONDS
            with self._transaction:
                delay = self._idle(self._connection)
                self._log.check_space()
                return delay
        except (apsw.Error, OSError) as error:
            logger.warning("Background indexing failed; will retry: %s", error)
            return RETRY_SECONDS
        except Exception:
            # A defect, but all writes need this thread.
            logger.exception("Background indexing failed; will retry after the next write")
        finally:
            self._idle_work_due = time.monotonic() + BUSY_SECONDS
        return None

    def _group_of(self, first: _Request[Any]) -> list[_Request[Any]]:
        group, self._deferred = [first, *self._deferred], []
        # No other thread takes from the queue.
        while len(group) < MAX_IN_A_GROUP and not self._queue.empty():
            request = self._queue.get()
            if request is None:
                self._is_closing = True
                break
            group.append(request)
        return group

    def _commit_what_fits(self, group: list[_Request[Any]]) -> None:
        """Commit a group; on a full disk only its deletions. Removes deferred requests from the list."""
        refused = [] if self._reserve.is_whole() else _take(group, lambda request: not request.is_deletion)
        for request in refused:
            request.error = StorageUnavailable("its disk is full, and the rest is kept for deletions")
        self._commit(group)
        failed = _take(group, _is_out_of_space)
        if failed:
            self._commit_in_more_space(failed)
        group += refused + failed

    def _commit_in_more_space(self, failed: list[_Request[Any]]) -> None:
        """Commit a group that the disk has no space for, if the log has that space; or else its deletions."""
        self._log.empty()
        self._commit(failed)
        deletions = _take(failed, lambda request: request.is_deletion and _is_out_of_space(request))
        if deletions:
            with self._reserve.released():
                self._log.empty()
                self._commit(deletions)
        failed += deletions

    def _commit(self, group: list[_Request[Any]]) -> None:
        """Run a group until its transaction is committed or fails. Removes deferred requests from the list."""
        attempt = _Request.attempt
        while True:
            try:
                check_not_replaced(self._connection)
                with self._transaction:
                    self._run_some(group, attempt)
                    self._log.check_space()
            except _PartialWrite:
                attempt = _Request.attempt_alone
            except _Interrupted:
                # Run the group again, without the request that was cancelled.
                continue
            except Exception as error:  # noqa: BLE001  # `write` raises it for each request
                for request in group:
                    request.error = error
                return
            else:
                return

    def _run_some(self, group: list[_Request[Any]], attempt: Callable[[_Request[Any], apsw.Connection], None]) -> None:
        """Run the requests of a group until their results exceed MAX_RESULTS_BYTES; the others are deferred."""
        size = 0
        for request in group:
            # An earlier run of the same group may have come further.
            request.progress = _Progress.WAITING
        for count, request in enumerate(group, 1):
            attempt(request, self._connection)
            size += request.result_size()
            if size > MAX_RESULTS_BYTES:
                self._deferred += group[count:]
                del group[count:]

    def _resolve(self, group: list[_Request[Any]]) -> None:
        for request in group:
            request.resolve()
        self._committed()


def _is_out_of_space(request: _Request[Any]) -> bool:
    return request.error is not None and is_out_of_space(request.error)


def _take(requests: list[_Request[Any]], wanted: Callable[[_Request[Any]], bool]) -> list[_Request[Any]]:
    """Remove the requests from a list that are `wanted`, and return them."""
    taken = [request for request in requests if wanted(request)]
    if taken:
        requests[:] = [request for request in requests if not wanted(request)]
    return taken
