"""The storage in one SQLite file, with one writing thread and several reading connections."""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Mapping, Sequence
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager, nullcontext
from functools import partial
from pathlib import Path
from typing import Any, TypeVar, TypeVarTuple

import apsw

from ..backend.concurrency_limit import ConcurrencyLimit, FairLimit
from ..backend.search.vectors import TransactionalVectors
from ..backend.search.waiting_count import WaitingCount
from ..backend.storage import TransactionalStorage
from ..backend.transactions import LARGE_WRITE
from ..backend.write_check import WriteCheck
from ..model.database_errors import DatabaseDamaged, SearchIndexNotReady, Skipped
from ..model.errors import StorageUnavailable
from ..model.modules import InstalledModules
from ..model.queries import Embedder, SearchQuery
from ..model.records import EMPTY_OBJECT, Listing, Message, MessagePatch
from ..operations.expiry import Expiry
from ..operations.unit_of_work import UnitOfWork, perform
from ..search.index_entry import entry_of
from ..search.suggestions import suggest
from ..search.tokenizer import Tokenizer
from ..search.vectors import query_vector
from ..sql.dialect import Dialect
from ..sql.ports import Bindings, Reader, Transaction
from ..sql.temporary_files import TemporaryDisk
from ..values.clock import Clock
from .checkpointer import Checkpointer
from .connection import release_pages, remove_left_log, write_nothing
from .file_changes import ChangeNotifier
from .files.file_system import check_room
from .files.machine_lock import lock_for_this_machine
from .files.reserve import Reserve
from .group_commit import Writer
from .maintenance.readable_copy import readable_file
from .opening import open_database
from .readers import Readers
from .rows import ConnectionRows, ConnectionTransaction, run_sync
from .search import find as search
from .search import waiting
from .search.background import IndexWork
from .search.index_merge import HAS_MARKS
from .search.indexing import Indexer, Outcome, begin_again_by_other_rules
from .search.long_texts import LongTexts
from .search.vectors import check_extension
from .search.waiting import count_waiting, find_waiting, is_indexed
from .statements import CLOCK, MESSAGES, STEPS, SQLiteStatements

logger = logging.getLogger(__name__)

Result = TypeVar("Result")
Arguments = TypeVarTuple("Arguments")

# The maximum number of reading threads that searches use.
MAX_SEARCHES = 2
# This number of changes may run without reading the size of the stored values that they return.
MAX_UNSIZED = 3
# Before the storage is closed: the time for writing the search index, then the time for releasing free pages.
CLOSING_SECONDS = 2.0
RELEASE_SECONDS = 0.5
PAGES_AT_ONCE = 500
# A refused search will be retried: until then, and for this time longer, messages are indexed between writes, too.
URGENT_SECONDS = 10.0

DIALECT = Dialect(
    messages=MESSAGES,
    summary="CAST(listed AS BLOB)",
    lines="CAST(COALESCE(group_concat(summary, char(10)), '') AS BLOB)",
    record="CAST(record AS BLOB)",
    measured="record",
    joined="CAST(COALESCE(group_concat(record), '') AS BLOB)",
    named="instr(folded_name, :name) > 0",
    no_limit=-1,
    # A reader stops at any row.
    until_bytes="{}",
    found_by="session INDEXED BY {}",
    found_by_label="session_label INDEXED BY {}",
    with_session="""
CROSS JOIN session
    ON session.workspace = session_label.workspace
    AND session.id = session_label.session_id""",
    collection_lists="""',"profiles":' || json_extract(record, '$.profiles')
            || ',"problemCount":' || json_array_length(record, '$.problems')""",
    order_of_name="sort_name",
    as_bytes="CAST({} AS BLOB)",
    quoted="json_quote({})",
    steps=STEPS,
    as_path="{}",
)


class SQLiteStorage(TransactionalVectors, TransactionalStorage):
    """Implements `Storage` in the file at `path`, which processes may share; `open` creates it if `create` is set.

    Responses to requests with a key are kept for `idempotency_ttl` seconds. An older schema is upgraded if `upgrade` is
    set.
    """

    kind = "sqlite"
    statements = SQLiteStatements()
    dialect = DIALECT

    def __init__(
        self,
        path: str,
        *,
        idempotency_ttl: float,
        clock: Clock,
        upgrade: bool,
        create: bool,
        single_machine: bool | None,
        temporary_bytes: int,
        installed: InstalledModules,
        embedder: Embedder | None,
        skipped: Skipped | None,
    ) -> None:
        self.path = path
        self._single_machine = single_machine
        self._upgrade = upgrade
        self._create = create
        self._idempotency_ttl = idempotency_ttl
        self._clock = clock
        self._disk = TemporaryDisk(temporary_bytes)
        self._installed = installed
        self._embedder = embedder
        self._skipped = skipped
        # Removes the copy that is read instead of a damaged file.
        self._copy = ExitStack()

    async def open(self) -> None:
        if self._embedder is not None:
            check_extension()
        self._machine = lock_for_this_machine(Path(self.path), single_machine=self._single_machine)
        try:
            if self._skipped is not None:
                found = readable_file(Path(self.path), self._skipped)
                self.path = str(await asyncio.to_thread(self._copy.enter_context, found))
            # A program that only reads leaves nothing beside the database.
            self._reserve = Reserve(Path(self.path), kept=self._skipped is None)
            # In a thread: a migration may take long.
            connection = await asyncio.to_thread(self._reserve.open, self._connect)
        except BaseException:
            self._copy.close()
            self._machine.release()
            raise
        if self._reserve.exists():
            await asyncio.to_thread(self._reserve.fill)
        left: set[str] = set()
        if self._skipped is None:
            begin_again_by_other_rules(connection)
            # A killed program may have left work in any workspace.
            left = {str(workspace) for (workspace,) in connection.execute(SQLiteStatements.WORKSPACES)}
        self._checkpointer = Checkpointer(connection, self.path, self._reserve)
        # Only the writing thread uses this tokenizer.
        tokenizer = Tokenizer()
        self._transaction = ConnectionTransaction(connection, self._clock, tokenizer)
        self._long_texts = LongTexts()
        self._indexer = Indexer(tokenizer, self._long_texts)
        self._index_work = IndexWork(self._indexer, self._transaction.written, left)
        self._changes = ChangeNotifier(self.path)
        self._write_check = WriteCheck(self._look_for_room, self._try_to_write)
        self._writer = Writer(
            connection,
            asyncio.get_running_loop(),
            self._changes.wake,
            self._write_check.refused,
            self._index_work.step,
            self._transaction,
            self._reserve,
            self._checkpointer,
        )
        self._readers = Readers(self.path, self._disk)
        self._waiting_count = WaitingCount(lambda: self._readers.work(count_waiting))
        self._rows = self._readers.points
        self._expiry = Expiry(self._forget_some_expired)
        # One thread writes them.
        self._large_writes = FairLimit(1, "large writes")
        self._changing = 0
        self._searches = ConcurrencyLimit(MAX_SEARCHES, "searches")
        # The steps of several searches in one group of writes would form one long transaction.
        self._index_steps = ConcurrencyLimit(1, "searches that index messages")
        self._start_removals()
        self._start_vectors(self._embedder, CLOCK)

    def _connect(self) -> apsw.Connection:
        may_be_damaged = self._skipped is not None
        return open_database(self.path, upgrade=self._upgrade, create=self._create, may_be_damaged=may_be_damaged)

    async def close(self) -> None:
        async with AsyncExitStack() as last:
            # These run in reverse order, each even if another fails.
            last.callback(self._machine.release)
            last.push_async_callback(asyncio.to_thread, self._copy.close)
            last.push_async_callback(asyncio.to_thread, self._reserve.close)
            last.push_async_callback(asyncio.to_thread, remove_left_log, self.path)
            last.callback(self._checkpointer.close)
            last.push_async_callback(asyncio.to_thread, self._long_texts.close)
            last.push_async_callback(self._writer.close)
            if self._skipped is None:
                last.push_async_callback(self._finish_writes)
            last.callback(self._readers.close)
            for each in (self._changes, self._removals, self._write_check, self._expiry, self._waiting_count):
                last.push_async_callback(each.close)
            last.push_async_callback(self._stop_vectors)

    async def ping(self) -> None:
        self._readers.check_not_replaced()
        await self._rows.row(SQLiteStatements.PING, {})
        await self._write_check.check()

    async def _look_for_room(self) -> None:
        await asyncio.to_thread(self._check_room)

    def _check_room(self) -> None:
        if not self._reserve.is_whole():
            raise StorageUnavailable("its disk is full")
        check_room(Path(self.path))

    async def _try_to_write(self) -> None:
        await self._look_for_room()
        await self._writer.write(write_nothing)

    async def search_messages(self, workspace: str, query: SearchQuery) -> Listing:
        vector = await query_vector(self._embedder, query)
        await self._index_all(workspace)
        return await self._read_for_search(lambda connection: search.find(connection, workspace, query, vector))

    async def suggest_searches(self, workspace: str, text: str, limit: int) -> Listing:
        await self._index_all(workspace)

        async def count(words: Sequence[str], *, with_forms: bool) -> Mapping[str, int]:
            return await self._read_for_search(
                lambda connection: search.count_words(connection, workspace, words, with_forms=with_forms)
            )

        return await suggest(text, limit, count)

    async def _read_for_search(self, work: Callable[[apsw.Connection], Result]) -> Result:
        async with self._searches.slot():
            return await self._readers.work(work)

    async def _index_all(self, workspace: str) -> None:
        """Index all messages that were written before the call.

        Raises `SearchIndexNotReady` if there are too many, or if it takes longer than `waiting.MAX_SECONDS`.
        """
        if await is_indexed(self._rows, workspace):
            return
        found = await self._read_for_search(lambda connection: find_waiting(connection, workspace))
        if found.is_too_much:
            raise await self._not_ready(workspace, found.messages)
        end = time.monotonic() + waiting.MAX_SECONDS
        position, outcome = 0, Outcome.MORE
        while outcome is not Outcome.DONE:
            if time.monotonic() >= end:
                raise await self._not_ready(workspace, 1)
            step = self._indexer.index_waiting
            async with self._index_steps.slot():
                position, outcome = await self._writer.write(step, workspace, found, position)
            if outcome is Outcome.BLOCKED:
                await self._long_texts.wait()

    async def _not_ready(self, workspace: str, least: int) -> SearchIndexNotReady:
        """The error of a search for which `least` messages or more wait; the index is then written first."""
        count = await self._read_for_search(lambda connection: count_waiting(connection, workspace))
        error = SearchIndexNotReady(max(count, least))
        self._index_work.begin(workspace)
        self._writer.urge(error.retry_after + URGENT_SECONDS)
        return error

    async def waiting_messages(self) -> int | None:
        return await self._waiting_count.get()

    async def _finish_writes(self) -> None:
        """Finish the search index, and remove deleted messages from it, then release free pages, within time limits."""
        try:
            await self._finish_index(time.monotonic() + CLOSING_SECONDS)
        except (StorageUnavailable, DatabaseDamaged, apsw.Error) as error:
            # Damage cannot be repaired while stopping; the next start, or `amplifierd check`, reports it again.
            logger.warning("The last writes are not in the search index yet: %s", error)
        try:
            await self._release_pages(time.monotonic() + RELEASE_SECONDS)
        except (StorageUnavailable, DatabaseDamaged, apsw.Error) as error:
            logger.warning("The file keeps its free pages: %s", error)

    async def _finish_index(self, end: float) -> None:
        while time.monotonic() < end:
            delay = await self._writer.write(partial(self._index_work.step, resting=False))
            if delay is None:
                return
            await asyncio.sleep(delay)

    async def _release_pages(self, end: float) -> None:
        free = None
        while time.monotonic() < end:
            # Merges of the index leave many free pages.
            free_pages = await self._writer.delete(release_pages, PAGES_AT_ONCE)
            if free_pages in {0, free}:
                return
            free = free_pages

    async def _forget_some_expired(self) -> bool:
        if await super()._forget_some_expired():
            return True
        if await self._rows.row(HAS_MARKS, {}) is not None:
            # Another program deleted messages, or the merge was pausing. An empty write starts background work.
            await self._writer.write(lambda _: None)
        return False

    def _words(self, patch: MessagePatch) -> object:
        if patch.content is None:
            return None
        message = Message("user", patch.content, "", EMPTY_OBJECT, 1, parts=patch.parts)
        # The other tokenizer belongs to the writing thread.
        return entry_of(message, Tokenizer())

    async def _joined(self, statement: str, bindings: Bindings) -> bytes | None:
        return self._readers.joined(statement, bindings)

    @asynccontextmanager
    async def _turn_of_change(
        self, workspace: str, _session_id: str, size: int, read_size: Callable[[], Awaitable[int]]
    ) -> AsyncIterator[None]:
        # The results of a group are in memory together.
        self._changing += 1
        try:
            if size <= LARGE_WRITE and self._changing > MAX_UNSIZED:
                size = await read_size()
            async with self._turn(workspace, size):
                yield
        finally:
            self._changing -= 1

    async def _listing(self, statement: str, bindings: Bindings, *, searching: bool = False) -> Listing:
        async with self._searches.slot() if searching else nullcontext():
            return await self._readers.listing(statement, bindings, searching=searching)

    async def _read(self, read: Callable[[Reader], Coroutine[Any, Any, Result]]) -> Result:
        return await self._readers.work(lambda connection: run_sync(read(ConnectionRows(connection))))

    async def _transact(
        self, operation: Callable[[Transaction, *Arguments], Coroutine[Any, Any, Result]], *arguments: *Arguments
    ) -> Result:
        return await self._writer.write(self._transaction.run, operation, *arguments)

    async def _remove(
        self, operation: Callable[[Transaction, *Arguments], Coroutine[Any, Any, Result]], *arguments: *Arguments
    ) -> Result:
        return await self._writer.delete(self._transaction.run, operation, *arguments)

    def _change(
        self,
        workspace: str,
        operation: Callable[[UnitOfWork, *Arguments], Coroutine[Any, Any, Result]],
        *arguments: *Arguments,
    ) -> Coroutine[Any, Any, Result]:
        run = self._transaction.run
        return self._writer.write(run, perform, self.statements, self._clock, workspace, operation, *arguments)

    def _delete(
        self,
        workspace: str,
        operation: Callable[[UnitOfWork, *Arguments], Coroutine[Any, Any, Result]],
        *arguments: *Arguments,
    ) -> Coroutine[Any, Any, Result]:
        run = self._transaction.run
        return self._writer.delete(run, perform, self.statements, self._clock, workspace, operation, *arguments)
