"""The common parts of storages with transactions and SQL: reads, writes, and recording responses with their effects."""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import AbstractAsyncContextManager, nullcontext, suppress
from typing import Any, TypeVar, TypeVarTuple

from msgspec import Raw, UnsetType

from ..model.database_errors import Skipped
from ..model.errors import StorageUnavailable, WriteCancelled
from ..model.modules import InstalledModules
from ..model.records import IdempotentRequest, Listing, MessagePatch, Session
from ..operations import messages
from ..operations.bulk import removal, staging
from ..operations.bulk.removal import Removals
from ..operations.events.change_notifier import ChangeNotifier
from ..operations.idempotency import check_not_applied, forget, progress, run_once, run_part
from ..operations.unit_of_work import UnitOfWork
from ..sql.dialect import Dialect
from ..sql.pages import PAGE_BYTES, decode_name, encode_name, first_records, page_of
from ..sql.ports import Bindings, Reader, Transaction, session_key
from ..sql.statements.sessions import Statements
from ..sql.temporary_files import TemporaryDisk
from ..values.clock import Clock
from ..values.json_text import text_size
from .concurrency_limit import ConcurrencyLimit, FairLimit

Result = TypeVar("Result")
Arguments = TypeVarTuple("Arguments")

# The size in bytes from which writes take turns, so that others do not wait for several of them.
LARGE_WRITE = 256 * 1024

# The size of a session's details: its context, if that is long, and the details of an error.
DETAIL_SIZE = """
SELECT octet_length(context) + COALESCE(octet_length(error_details), 0)
FROM session_detail
WHERE workspace = :workspace
    AND session_id = :id
"""

NO_PATCH = MessagePatch()
# The turn of a write that does not wait.
AT_ONCE = nullcontext()
# The id of a session that is being written, and the writer of its lease.
Lease = tuple[str, str]


class Transactions(ABC):
    """Runs `statements`: single rows by `_rows`, long reads by `_read`, writes by `_write` and `_change`.

    A write passes an operation and its arguments down to the transaction (see operations/unit_of_work.py).
    """

    statements: Statements
    dialect: Dialect
    _idempotency_ttl: float
    _clock: Clock
    _disk: TemporaryDisk
    _installed: InstalledModules
    _skipped: Skipped | None
    _rows: Reader
    _changes: ChangeNotifier
    _removals: Removals
    _searches: ConcurrencyLimit
    _large_writes: FairLimit

    def _start_removals(self) -> None:
        self._pieces = asyncio.Lock()
        self._removals = Removals(self._is_removal_due, self._remove_piece, self.statements)

    def _turn(self, workspace: str, size: int) -> AbstractAsyncContextManager[None]:
        """The turn of a write that stores `size` bytes; only a large write waits."""
        return self._large_writes.slot(workspace) if size > LARGE_WRITE else AT_ONCE

    @abstractmethod
    def _turn_of_change(
        self, workspace: str, session_id: str, size: int, read_size: Callable[[], Awaitable[int]]
    ) -> AbstractAsyncContextManager[None]:
        """The turn of a write that stores `size` bytes and returns a stored record, whose size `read_size` returns.

        If many such writes arrive together, another write waits for only a few of them.
        """

    def _turn_of_session(
        self, workspace: str, session_id: str, new: Raw | UnsetType | None = None
    ) -> AbstractAsyncContextManager[None]:
        """The turn of a write that returns a session with its context; `new` is the JSON that it stores."""

        async def read_size() -> int:
            row = await self._rows.row(DETAIL_SIZE, session_key(workspace, session_id))
            return 0 if row is None else int(row[0])

        return self._turn_of_change(workspace, session_id, text_size(new), read_size)

    def _turn_of_message(
        self, workspace: str, session_id: str, sequence: int, patch: MessagePatch = NO_PATCH
    ) -> AbstractAsyncContextManager[None]:
        """The turn of a correction, which returns the message."""

        async def read_size() -> int:
            bindings: Bindings = {"after": sequence - 1, "last": sequence, "most": 1}
            row = await self._rows.row(self.statements.MESSAGE_SIZES, session_key(workspace, session_id) | bindings)
            return 0 if row is None else int(row[1])

        return self._turn_of_change(workspace, session_id, messages.size_of([patch]), read_size)

    async def _is_removal_due(self) -> bool:
        return await self._rows.row(self.statements.NEXT_REMOVAL, {"seconds": removal.LEASE_SECONDS}) is not None

    async def _do_piece(
        self, operation: Callable[[Transaction, *Arguments], Coroutine[Any, Any, Result]], *arguments: *Arguments
    ) -> Result:
        """Run `operation` in its own transaction, as one of many pieces."""
        return await self._paced(self._transact, operation, *arguments)

    async def _remove_piece(
        self, operation: Callable[[Transaction, *Arguments], Coroutine[Any, Any, Result]], *arguments: *Arguments
    ) -> Result:
        """Run `operation`, which deletes, as one of many pieces."""
        return await self._paced(self._remove, operation, *arguments)

    async def _paced(self, piece: Callable[[*Arguments], Awaitable[Result]], *arguments: *Arguments) -> Result:
        """Run a piece of work: one at a time, each with a pause after it for other writes."""
        async with self._pieces:
            result = await piece(*arguments)
            await asyncio.sleep(removal.PAUSE_SECONDS)
            return result

    async def _abandon(self, workspace: str, lease: Lease | None) -> None:
        """Give up a lease, so that the written messages are removed. If that fails, the lease ends by itself."""
        if lease is None:
            return
        session_id, writer = lease
        key = session_key(workspace, session_id)
        with suppress(StorageUnavailable):
            await asyncio.shield(self._transact(staging.abandon, key, writer))
        self._removals.wake()

    @abstractmethod
    async def _read(self, read: Callable[[Reader], Coroutine[Any, Any, Result]]) -> Result:
        """Run a long read where it does not delay other requests: in a thread, or on another connection."""

    @abstractmethod
    async def _joined(self, statement: str, bindings: Bindings) -> bytes | None:
        """The single value of a list that the database joins; None if it is too long, or if there is no row."""

    @abstractmethod
    async def _listing(self, statement: str, bindings: Bindings, *, searching: bool = False) -> Listing:
        """The rows of a list as of one moment, in constant memory; `searching` if it may read much for few rows."""

    async def _list_by_name(
        self,
        statement: str,
        key: Bindings,
        limit: int | None,
        cursor: str | None,
        name_of: Callable[[bytes], str],
    ) -> Listing:
        """A page of a list in the order of names (`name_of` a record); the whole list without `limit`."""
        after = "" if cursor is None else decode_name(cursor)
        if limit is None:
            return await self._listing(statement, key | {"after": after, "limit": self.dialect.no_limit})
        return await self._page(statement, key | {"after": after}, limit, lambda record: encode_name(name_of(record)))

    async def _page(self, statement: str, bindings: Bindings, limit: int, cursor_of: Callable[[bytes], str]) -> Listing:
        """A page of the records that a statement lists; `cursor_of` returns the cursor after a record."""
        limited = bindings | {"limit": limit + 1}
        records = await first_records(self._rows, self.dialect, statement, limited, PAGE_BYTES + 1)
        page, is_followed = page_of(records, limit)
        return Listing(b",".join(page), next_cursor=cursor_of(page[-1]) if is_followed else None)

    @abstractmethod
    async def _transact(
        self, operation: Callable[[Transaction, *Arguments], Coroutine[Any, Any, Result]], *arguments: *Arguments
    ) -> Result:
        """Run `operation` in a transaction without effects that clients see, so without a new revision."""

    async def _remove(
        self, operation: Callable[[Transaction, *Arguments], Coroutine[Any, Any, Result]], *arguments: *Arguments
    ) -> Result:
        """Run `operation`, which deletes, like `_transact`; a storage may do so even if its disk is full."""
        return await self._transact(operation, *arguments)

    @abstractmethod
    async def _change(
        self,
        workspace: str,
        operation: Callable[[UnitOfWork, *Arguments], Coroutine[Any, Any, Result]],
        *arguments: *Arguments,
    ) -> Result:
        """Run `operation` as a write (see `perform`), and return its result when the transaction is committed."""

    async def _delete(
        self,
        workspace: str,
        operation: Callable[[UnitOfWork, *Arguments], Coroutine[Any, Any, Result]],
        *arguments: *Arguments,
    ) -> Result:
        """Run `operation`, which deletes, like `_change`; a storage may do so even if its disk is full."""
        return await self._change(workspace, operation, *arguments)

    async def forget_response(self, workspace: str, key: str) -> None:
        """See `Storage`."""
        await self._delete(workspace, forget, key)

    async def _check_not_applied(self, workspace: str, once: IdempotentRequest | None, kind: type[Any]) -> None:
        """Raises `AlreadyApplied` if the response to the request is recorded."""
        if once is not None:
            # It writes nothing.
            await self._delete(workspace, check_not_applied, once, kind)

    async def _progress(self, workspace: str, once: IdempotentRequest | None, kind: type[Result]) -> Result | None:
        """The recorded progress of a request of many transactions; None if it has finished or not begun."""
        # It writes nothing.
        return None if once is None else await self._delete(workspace, progress, once, kind)

    async def _do_part(
        self,
        workspace: str,
        once: IdempotentRequest | None,
        before: Result,
        result: object,
        part: Callable[[UnitOfWork], Coroutine[Any, Any, Result | None]],
        *,
        is_deletion: bool = False,
    ) -> Result | None:
        """See `run_part`."""
        change = self._delete if is_deletion else self._change
        try:
            if once is None:
                return await change(workspace, part)
            return await change(workspace, run_part, once, self._idempotency_ttl, before, result, part)
        except WriteCancelled as cancelled:
            # Only this part is known to be unwritten; earlier parts may have been written.
            raise asyncio.CancelledError from cancelled

    async def _record_response(self, workspace: str, once: IdempotentRequest | None, result: Result) -> Result:
        """Record and return the response to a request whose effects were written in earlier transactions."""
        if once is None:
            return result
        # On a full disk, a deletion that is done can be reported, too.
        return await self._delete(workspace, run_once, once, self._idempotency_ttl, type(result), _done, result)

    def _write(
        self,
        workspace: str,
        once: IdempotentRequest | None,
        kind: type[Result],
        operation: Callable[[UnitOfWork, *Arguments], Coroutine[Any, Any, Result]],
        *arguments: *Arguments,
    ) -> Coroutine[Any, Any, Result]:
        """Run `operation` as a write; with `once`, record its response (see `run_once`)."""
        if once is None:
            return self._change(workspace, operation, *arguments)
        return self._change(workspace, run_once, once, self._idempotency_ttl, kind, operation, *arguments)

    async def _write_session(
        self,
        workspace: str,
        once: IdempotentRequest | None,
        operation: Callable[[UnitOfWork, str, *Arguments], Coroutine[Any, Any, Session]],
        session_id: str,
        *arguments: *Arguments,
        new: Raw | UnsetType | None = None,
    ) -> Session:
        """Run an operation that returns a session; `new` is the JSON that it stores."""
        async with self._turn_of_session(workspace, session_id, new):
            return await self._write(workspace, once, Session, operation, session_id, *arguments)


async def _done(_work: UnitOfWork, result: Result) -> Result:
    return result
