"""The storage in PostgreSQL: any number of nodes share a database."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, aclosing, contextmanager, nullcontext, suppress
from functools import partial
from typing import Any, TypeVar, TypeVarTuple

import msgspec
from msgspec import UNSET, Raw

from ..backend.concurrency_limit import ConcurrencyLimit, FairLimit, Turns, before_write
from ..backend.search.vectors import TransactionalVectors
from ..backend.storage import TransactionalStorage
from ..backend.write_check import WriteCheck
from ..model.database_errors import DatabaseDamaged, Skipped
from ..model.errors import StorageUnavailable, WriteCancelled
from ..model.interface import CheckSession
from ..model.modules import InstalledModules
from ..model.part_records import file_ids_of
from ..model.queries import Embedder, SearchQuery
from ..model.records import (
    AlreadyApplied,
    BatchMessage,
    IdempotentRequest,
    Listing,
    Message,
    MessagePatch,
    Messages,
    NewSession,
    Session,
    Versions,
)
from ..operations import messages
from ..operations.directories import normalize_or_not_found
from ..operations.events.change_notifier import ChangeNotifier
from ..operations.expiry import Expiry
from ..operations.recorded_responses import read_messages
from ..operations.sessions import new_session, session_of
from ..operations.unit_of_work import UnitOfWork, perform
from ..search.suggestions import suggest
from ..search.vectors import query_vector
from ..sql.dialect import Dialect
from ..sql.ports import LONG_VALUE_BYTES, Bindings, Reader, Row, Transaction
from ..sql.spool import listing
from ..sql.temporary_files import TemporaryDisk
from ..values.clock import Clock
from ..values.json_text import text_size
from ..values.uuid7 import canonical_id
from .batching import append as appending
from .batching import create as opening
from .batching.append import AppendRequest
from .batching.create import CreateRequest
from .batching.queue import BatchQueue
from .binding import storable
from .errors import in_sentences
from .migrations import migrate
from .notifications import Notifications
from .pool import MAX_CONNECTIONS, ConnectionRows, Pool, connect
from .pooler import refuse_shared_sessions
from .probe import Probe
from .search import find as search
from .search.rebuild import Rebuild
from .search.tsvector import Tokenizer, Tokenizers
from .statements import CLOCK, JOINED, MESSAGES, STEPS, SUMMARY, PostgresStatements
from .transaction import transaction

# The interval of polls for commits without a notification.
POLL_SECONDS = 1.0
# A server that hangs must not keep a daemon from stopping.
CLOSING_SECONDS = 5
# A read that waits longer for others is done alone: their connection may hang.
TOGETHER_SECONDS = 0.5
# The number of connections that searches may use.
MAX_SEARCHES = 4
# Half of the connections: while the workspaces of large writes are locked, others can write.
MAX_LARGE_WRITES = MAX_CONNECTIONS // 2

logger = logging.getLogger(__name__)

Result = TypeVar("Result")
Arguments = TypeVarTuple("Arguments")
# The last sequence and its time, or the recorded response.
Appended = tuple[int | None, str, bytes | None]

DIALECT = Dialect(
    messages=MESSAGES,
    summary=SUMMARY,
    lines=r"COALESCE(string_agg(summary, '\x0a'), '')",
    record="convert_to(record, 'UTF8')",
    measured="record, SUM(octet_length(record)) OVER () AS size",
    joined=JOINED,
    named="strpos(folded_name, :name) > 0",
    no_limit=None,
    # Without an order of its own, a window has that of the statement.
    until_bytes="""
SELECT record
FROM (
    SELECT record, SUM(octet_length(record)) OVER (ROWS UNBOUNDED PRECEDING) - octet_length(record) AS before
    FROM ({}) AS listed (record)
) AS sized
WHERE before < :bytes
""",
    found_by="session",
    found_by_label="session_label",
    with_session="""
CROSS JOIN LATERAL (
    SELECT *
    FROM session
    WHERE session.workspace = session_label.workspace
        AND session.id = session_label.session_id
    OFFSET 0
) AS session""",
    # JSON functions refuse \u0000, which the texts of problems may contain.
    collection_lists=r"""',"profiles":'
            || (CAST(replace(record, '\u0000', '\ufffd') AS JSON) -> 'profiles')
            || ',"problemCount":'
            || json_array_length(CAST(replace(record, '\u0000', '\ufffd') AS JSON) -> 'problems')""",
    order_of_name="COALESCE(folded_name, '􏿿') COLLATE \"C\"",
    as_bytes="convert_to({}, 'UTF8')",
    quoted="to_json({})",
    steps=STEPS,
    as_path='{} COLLATE "C"',
)


class PostgresStorage(TransactionalVectors, TransactionalStorage):
    """Implements `Storage` in the schema `amplifierd` of the database at `url`, created by `open` if `create` is set.

    Responses to requests with a key are kept for `idempotency_ttl` seconds. An older schema is upgraded if `upgrade` is
    set.
    """

    kind = "postgresql"
    statements = PostgresStatements()
    dialect = DIALECT

    def __init__(
        self,
        url: str,
        *,
        idempotency_ttl: float,
        clock: Clock,
        upgrade: bool,
        create: bool,
        temporary_bytes: int,
        installed: InstalledModules,
        embedder: Embedder | None,
        skipped: Skipped | None,
    ) -> None:
        self.url = url
        self._upgrade = upgrade
        self._create = create
        self._idempotency_ttl = idempotency_ttl
        self._clock = clock
        self._disk = TemporaryDisk(temporary_bytes)
        self._installed = installed
        self._embedder = embedder
        self._skipped = skipped

    async def open(self) -> None:
        self._pool = self._rows = await _open_database(
            self.url, self._clock, upgrade=self._upgrade, create=self._create
        )
        self._tokenizers = Tokenizers()
        self._searches = ConcurrencyLimit(MAX_SEARCHES, "searches")
        self._changes = ChangeNotifier(self._pool, self.statements, POLL_SECONDS)
        self._notifications = Notifications(self.url, self._changes.wake)
        self._turns = Turns()
        self._large_writes = FairLimit(MAX_LARGE_WRITES, "large writes")
        self._creations = BatchQueue[CreateRequest, str | None](self._open_together, lambda request: request.size)
        self._probe = Probe(self.url)
        self._write_check = WriteCheck(self._look_whether_it_writes, self._try_to_write)
        self._appends = BatchQueue[AppendRequest, Appended](self._append_together, lambda request: request.size)
        self._gets = BatchQueue[str, Row | None](self._read_together, len, dropped=asyncio.CancelledError)
        self._expiry = Expiry(self._forget_some_expired)
        self._rebuild = Rebuild(self._pool)
        self._start_removals()
        self._start_vectors(self._embedder, CLOCK)

    async def close(self) -> None:
        await self._stop_vectors()
        await self._rebuild.close()
        await self._expiry.close()
        await self._removals.close()
        giving_up = asyncio.get_running_loop().call_later(CLOSING_SECONDS, self._give_up)
        await self._write_check.close()
        self._probe.close()
        await self._creations.close()
        await self._appends.close()
        await self._gets.close()
        await self._changes.close()
        await self._notifications.close()
        await self._pool.close()
        giving_up.cancel()

    def _give_up(self) -> None:
        logger.warning("PostgreSQL does not answer; pending requests are aborted.")
        self._pool.terminate()

    async def ping(self) -> None:
        await self._write_check.check()

    async def _look_whether_it_writes(self) -> None:
        row = await self._probe.row(PostgresStatements.PING)
        if row is not None and row[0]:
            raise StorageUnavailable("PostgreSQL takes no writes: it is a replica, or was told to only read")

    async def _try_to_write(self) -> None:
        await self._look_whether_it_writes()
        await self._probe.row(PostgresStatements.WRITE_NOTHING)

    async def create_session(
        self, workspace: str, new: NewSession, *, once: IdempotentRequest | None = None, check: CheckSession = None
    ) -> Session:
        # What a session can have without a statement of its own.
        plain = NewSession(new.profile, new.context, new.amplified_dir, new.name)
        if once is None and check is None and new == plain:
            session = new_session(new, normalize_or_not_found(new.amplified_dir), "", self._clock.now())
            async with self._turn(workspace, text_size(new.context)):
                profile = await self._creations.add(workspace, CreateRequest(session, new.profile))
            if profile is not None:
                return msgspec.structs.replace(session, profile=profile)
        return await super().create_session(workspace, new, once=once, check=check)

    async def get_session(self, workspace: str, session_id: str) -> Session:
        row = None
        with suppress(TimeoutError):
            async with asyncio.timeout(TOGETHER_SECONDS):
                row = await self._gets.add(workspace, storable(canonical_id(session_id)))
        return await super().get_session(workspace, session_id) if row is None else session_of(session_id, row)

    async def _append_all(
        self,
        workspace: str,
        session_id: str,
        new: Sequence[BatchMessage],
        expected: int | None,
        versions: Versions,
        once: IdempotentRequest | None,
    ) -> Messages:
        # Before the request joins a batch, so that others do not wait while a long text is split.
        with before_write():
            words = await self._tokenizers.words_of(new)
        if all(each.id is UNSET and each.timestamp is UNSET and not _names_files(each) for each in new):
            request = AppendRequest(canonical_id(session_id), new, words, expected, versions, once)
            appended = await self._append(workspace, request)
            if appended is not None:
                return appended
        append = partial(messages.append, words=words)
        return await self._write(workspace, once, Messages, append, session_id, new, expected, versions)

    async def search_messages(self, workspace: str, query: SearchQuery) -> Listing:
        vector = await query_vector(self._embedder, query)
        async with self._searches.slot():
            return await search.find(self._pool, workspace, query, vector)

    async def suggest_searches(self, workspace: str, text: str, limit: int) -> Listing:
        async with self._searches.slot():
            return await suggest(text, limit, partial(search.count_words, self._pool, workspace))

    async def waiting_messages(self) -> int | None:
        # Words are written with their messages.
        return 0

    async def _append(self, workspace: str, request: AppendRequest) -> Messages | None:
        """The appended messages; None if the request has to be retried alone."""
        last, timestamp, recorded = await self._appends.add(workspace, request)
        if recorded is not None:
            key = (workspace, request.session_id)
            raise AlreadyApplied(await read_messages(self._pool, self.statements, *key, recorded))
        if last is None:
            return None
        return Messages(request.session_id, messages.number_messages(request.messages, timestamp, last))

    async def _read_together(self, workspace: str, ids: list[str]) -> list[Row | None]:
        """The rows of sessions; None for one that has to be read alone."""
        try:
            rows = await self._pool.all(PostgresStatements.SHORT_SESSIONS, {"workspace": workspace, "session_ids": ids})
        except DatabaseDamaged:
            # A damaged session must not fail the reads of others.
            rows = []
        found = {row[0]: row for row in rows}
        return [found.get(session_id) for session_id in ids]

    async def _append_together(self, workspace: str, requests: list[AppendRequest]) -> list[Appended]:
        moment = self._clock.now()
        columns = appending.columns(workspace, requests, moment, self._idempotency_ttl)
        with self._noting_refusals():
            rows = await self._pool.all(PostgresStatements.APPEND_MESSAGES, columns)
        self._notify_commit()
        return [(row[0], row[1], row[2]) for row in rows]

    async def _open_together(self, workspace: str, requests: list[CreateRequest]) -> list[str | None]:
        """The profiles of the created sessions; None for a request that has to be retried alone."""
        with self._noting_refusals():
            columns = opening.columns(workspace, requests, self._installed.fingerprint)
            rows = await self._pool.all(PostgresStatements.OPEN_SESSIONS, columns)
        self._notify_commit()
        profiles: dict[str, str] = dict(rows)
        return [profiles.get(request.session.id) for request in requests]

    def _words(self, patch: MessagePatch) -> object:
        if patch.content is None:
            return None
        # The other tokenizer is the event loop's.
        return Tokenizer().message(patch.content, messages.kept_parts(patch.content, patch.parts))

    async def _words_of(self, messages: Sequence[Message]) -> Sequence[object]:
        return await self._tokenizers.words_of(messages)

    async def _read(self, read: Callable[[Reader], Coroutine[Any, Any, Result]]) -> Result:
        return await read(self._pool)

    async def _joined(self, statement: str, bindings: Bindings) -> bytes | None:
        row = await self._pool.row(statement, bindings | {"bytes": LONG_VALUE_BYTES})
        return None if row is None else row[0]

    def _turn_of_change(
        self, workspace: str, session_id: str, _size: int, _read_size: Callable[[], Awaitable[int]]
    ) -> AbstractAsyncContextManager[None]:
        # The changes of a workspace run one at a time anyway. With turns by session, sessions alternate.
        return self._turns.turn(workspace, session_id)

    async def _listing(self, statement: str, bindings: Bindings, *, searching: bool = False) -> Listing:
        async with (
            self._searches.slot() if searching else nullcontext(),
            aclosing(self._pool.column(statement, bindings)) as records,
        ):
            return await listing(records, self._disk)

    async def _transact(
        self, operation: Callable[[Transaction, *Arguments], Coroutine[Any, Any, Result]], *arguments: *Arguments
    ) -> Result:
        async with transaction(self._pool, self._tokenizers) as begun:
            return await operation(begun, *arguments)

    async def _change(
        self,
        workspace: str,
        operation: Callable[[UnitOfWork, *Arguments], Coroutine[Any, Any, Result]],
        *arguments: *Arguments,
    ) -> Result:
        is_complete = False
        try:
            # One request at a time waits for the lock of the workspace; the others hold no connection while they wait.
            async with self._turns.turn(workspace):
                async with transaction(self._pool, self._tokenizers) as begun:
                    result = await perform(begun, self.statements, self._clock, workspace, operation, *arguments)
                    is_complete = True
                self._notify_commit()
                return result
        except asyncio.CancelledError:
            if is_complete:
                # It is unknown whether it was committed.
                raise
            raise WriteCancelled from None
        except StorageUnavailable as error:
            self._write_check.refused(error)
            raise

    @contextmanager
    def _noting_refusals(self) -> Iterator[None]:
        try:
            yield
        except StorageUnavailable as error:
            self._write_check.refused(error)
            raise

    def _notify_commit(self) -> None:
        self._changes.wake()
        self._notifications.tell()


def _names_files(new: BatchMessage) -> bool:
    """Whether a message refers to files, which are locked in its transaction."""
    return isinstance(new.parts, Raw) and bool(file_ids_of(new.parts))


async def _open_database(url: str, clock: Clock, *, upgrade: bool, create: bool) -> Pool:
    with in_sentences(url):
        connection = await connect(url)
        try:
            await refuse_shared_sessions(connection, url)
            await migrate(connection, upgrade=upgrade, create=create)
            row = await ConnectionRows(connection).one(PostgresStatements.LAST_UPDATE, {"horizon": clock.horizon()})
            clock.catch_up(row[0])
        finally:
            await connection.close()
        return await Pool.open(url)
