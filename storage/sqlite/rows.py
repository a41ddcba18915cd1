"""Runs statements on one SQLite connection, which wait only for the file, and numbers the revisions of its writes."""

from collections.abc import Callable, Coroutine, Iterable, Sequence
from typing import Any, TypeVar, TypeVarTuple

import apsw
from msgspec import Raw

from ..model.part_records import call_rows
from ..model.records import Message
from ..search.tokenizer import Tokenizer
from ..sql.ports import Bindings, EmbeddedMessage, Reader, Row, Transaction, take_until_size
from ..sql.statements.corrections import REMOVE_CORRECTIONS
from ..sql.statements.parts import ANSWER_CALL, OPEN_CALL, REMOVE_CALLS
from ..sql.statements.removals import END_REMOVAL
from ..values.clock import Clock
from .connection import WriteTransaction, as_storage_error
from .message_rows import message_columns
from .search import statements as search_statements
from .search.indexing import reindex
from .search.vectors import BEGIN_AT, FORGET_SESSION, INSERT_VECTOR, REMOVE_VECTOR, REMOVE_VECTORS
from .statements import SQLiteStatements

Result = TypeVar("Result")
Arguments = TypeVarTuple("Arguments")


def run_sync(coroutine: Coroutine[Any, Any, Result]) -> Result:
    """Run a coroutine that never waits, without an event loop, and return its result.

    Operations are coroutines because on PostgreSQL each statement is awaited. On SQLite a statement returns at once, so
    `await` never suspends, and the coroutine ends in its first step, in the writing or reading thread.
    """
    try:
        coroutine.send(None)
    except StopIteration as end:
        result: Result = end.value
        return result
    raise AssertionError("An operation on SQLite awaits nothing but its statements.")


class ConnectionRows(Reader):
    """Runs statements on `connection`."""

    def __init__(self, connection: apsw.Connection) -> None:
        self._connection = connection

    async def row(self, statement: str, bindings: Bindings) -> Row | None:
        try:
            return self._connection.execute(statement, bindings).fetchone()
        except (apsw.Error, UnicodeDecodeError) as error:
            raise as_storage_error(error) from error

    async def all(self, statement: str, bindings: Bindings) -> list[Row]:
        try:
            return self._connection.execute(statement, bindings).fetchall()
        except (apsw.Error, UnicodeDecodeError) as error:
            raise as_storage_error(error) from error

    async def block(self, statement: str, bindings: Bindings, most_bytes: int) -> list[Row]:
        try:
            cursor = self._connection.execute(statement, bindings)
            rows = take_until_size(cursor, most_bytes, lambda row: len(row[-1]))
            cursor.close()
        except (apsw.Error, UnicodeDecodeError) as error:
            raise as_storage_error(error) from error
        return rows


class ConnectionTransaction(WriteTransaction, ConnectionRows, Transaction):
    """The transactions of the writer's connection, one after the other.

    It numbers the writes of each workspace, and continues from the revisions and times of other processes.
    """

    def __init__(self, connection: apsw.Connection, clock: Clock, tokenizer: Tokenizer) -> None:
        super().__init__(connection)
        self._clock = clock
        self._tokenizer = tokenizer
        self._last: dict[str, int] = {}
        # The data version changes with each commit of this connection or another.
        self._version = -1
        self._written: set[str] = set()

    def __enter__(self) -> None:
        super().__enter__()
        if self._connection.data_version() != self._version:
            # Another connection has committed since the last transaction.
            self._last.clear()

    def __exit__(self, error: type[BaseException] | None, *rest: object) -> None:
        super().__exit__(error, *rest)
        self._version = self._connection.data_version()

    def written(self) -> set[str]:
        """The workspaces that have been written to since the last call."""
        written, self._written = self._written, set()
        return written

    def run(
        self,
        _connection: apsw.Connection,
        operation: Callable[[Transaction, *Arguments], Coroutine[Any, Any, Result]],
        *arguments: *Arguments,
    ) -> Result:
        """Run `operation` in the writer's transaction, and return its result."""
        return run_sync(operation(self, *arguments))

    async def next_revision(self, workspace: str, count: int = 1) -> int:
        if workspace not in self._last:
            self._catch_up(workspace)
        revision = self._last[workspace] = self._last[workspace] + count
        self._written.add(workspace)
        return revision

    def _catch_up(self, workspace: str) -> None:
        bindings = {"workspace": workspace, "horizon": self._clock.horizon()}
        [(self._last[workspace],)] = self._connection.execute(SQLiteStatements.LAST_REVISION, bindings)
        [(newest,)] = self._connection.execute(SQLiteStatements.LAST_UPDATE, bindings)
        self._clock.catch_up(newest)

    async def insert_messages(
        self, sessions: Iterable[tuple[Bindings, Iterable[Message]]], words: object = None
    ) -> None:
        assert words is None, "The index is written later, in the background."
        try:
            for key, messages in sessions:
                with_parts: list[tuple[int, Raw]] = []
                for message in messages:
                    self._insert_message(key | message_columns(message))
                    if isinstance(message.parts, Raw):
                        with_parts.append((message.sequence, message.parts))
                if with_parts:
                    self._record_calls(key, with_parts)
        except apsw.Error as error:
            raise as_storage_error(error) from error

    def _insert_message(self, bindings: Bindings) -> None:
        self._connection.execute(SQLiteStatements.INSERT_MESSAGE, bindings)
        if self._connection.changes() == 0:
            self._connection.execute(SQLiteStatements.NUMBER_SESSION, bindings)
            self._connection.execute(SQLiteStatements.INSERT_MESSAGE, bindings)

    def _record_calls(self, key: Bindings, with_parts: list[tuple[int, Raw]]) -> None:
        calls = call_rows(with_parts)
        self._run_each(
            OPEN_CALL,
            ({**key, "sequence": at, "call": call, "result_sequence": result} for at, call, result in calls.opened),
        )
        self._run_each(ANSWER_CALL, ({**key, "call": call, "sequence": at} for call, at in calls.answered.items()))

    async def run_each(self, statement: str, bindings: Sequence[Bindings]) -> None:
        self._run_each(statement, bindings)

    def _run_each(self, statement: str, bindings: Iterable[Bindings]) -> None:
        try:
            self._connection.executemany(statement, bindings)
        except apsw.Error as error:
            raise as_storage_error(error) from error

    async def replace_message(self, key: Bindings, message: Message, *, is_indexed: bool, words: object = None) -> None:
        bindings = message_columns(message)
        await self.row(SQLiteStatements.REPLACE_MESSAGE, key | bindings)
        if not is_indexed:
            await self.row(REMOVE_VECTOR, key | bindings)
            await self.row(BEGIN_AT, key | bindings)
            try:
                reindex(self._connection, key, message, words, self._tokenizer)
            except apsw.Error as error:
                raise as_storage_error(error) from error

    async def insert_vectors(self, key: Bindings, messages: Sequence[EmbeddedMessage]) -> set[int]:
        written = set()
        for message in messages:
            bindings: Bindings = {
                "sequence": message.sequence,
                "record": message.record,
                "signs": message.signs,
                "numbers": message.numbers,
            }
            if await self.row(INSERT_VECTOR, key | bindings) is not None:
                written.add(message.sequence)
        return written

    async def remove_messages(self, key: Bindings, last: int) -> None:
        await self.row(REMOVE_CORRECTIONS, key | {"last": last})
        await self.row(search_statements.REMOVE_ENTRIES, key | {"last": last})
        await self.row(REMOVE_VECTORS, key | {"last": last})
        await self.row(REMOVE_CALLS, key | {"last": last})
        await self.row(SQLiteStatements.REMOVE_MESSAGES, key | {"last": last})

    async def end_removal(self, key: Bindings) -> None:
        await self.row(SQLiteStatements.FORGET_NUMBER, key)
        await self.row(FORGET_SESSION, key)
        await self.row(END_REMOVAL, key)
