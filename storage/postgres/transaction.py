"""Transactions of PostgreSQL."""

from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from contextlib import asynccontextmanager
from itertools import groupby, islice

import msgspec
from msgspec import UNSET, Raw, UnsetType

from ..model.part_records import call_rows
from ..model.records import Message
from ..sql.ports import Bindings, EmbeddedMessage, Transaction
from ..sql.statements.corrections import REMOVE_CORRECTIONS
from ..sql.statements.parts import REMOVE_CALLS
from ..sql.statements.removals import END_REMOVAL
from .binding import bound
from .pool import Connection, ConnectionRows, Pool
from .search.statements import ADD_ENTRIES
from .search.tsvector import Tokenizers, Words, word_columns
from .search.vectors import INSERT_VECTORS, LOCK_SESSION_KEY, vector_columns
from .statements import PostgresStatements

MESSAGES_AT_ONCE = 1_000
BYTES_AT_ONCE = 4 * 1024 * 1024

INSERT_MESSAGES = """
WITH new AS (
    SELECT *
    FROM unnest(
        CAST(:ids AS TEXT[]), CAST(:sequences AS BIGINT[]), CAST(:roles AS TEXT[]), CAST(:token_counts AS BIGINT[]),
        CAST(:records AS TEXT[]), CAST(:usages AS TEXT[]), CAST(:sizes AS BIGINT[]), CAST(:texts AS TEXT[]),
        CAST(:vectors AS TEXT[]), CAST(:message_ids AS TEXT[])
    ) AS new (session_id, sequence, role, token_count, record, usage, size, words, vector, message_id)
), written AS (
    INSERT INTO message (workspace, session_id, sequence, role, token_count, record, usage, message_id)
    SELECT :workspace, session_id, sequence, role, token_count, record, usage, message_id
    FROM new
)
INSERT INTO search (workspace, session_id, sequence, role, size, words, lexemes)
SELECT :workspace, session_id, sequence, role, size, words, CAST(vector AS TSVECTOR)
FROM new
WHERE size > 0
"""

OPEN_CALLS = """
INSERT INTO tool_call (workspace, session_id, sequence, call, result_sequence)
SELECT :workspace, session_id, sequence, call, result_sequence
FROM unnest(CAST(:ids AS TEXT[]), CAST(:sequences AS BIGINT[]), CAST(:calls AS TEXT[]), CAST(:results AS BIGINT[]))
    AS opened (session_id, sequence, call, result_sequence)
"""

ANSWER_CALLS = """
UPDATE tool_call
SET result_sequence = closed.result_sequence
FROM (
    SELECT open.session_id, open.sequence, open.call, MIN(answered.sequence) AS result_sequence
    FROM unnest(CAST(:ids AS TEXT[]), CAST(:sequences AS BIGINT[]), CAST(:calls AS TEXT[]))
        AS answered (session_id, sequence, call)
    JOIN tool_call AS open
        ON open.workspace = :workspace
        AND open.session_id = answered.session_id
        AND open.call = answered.call
        AND open.result_sequence IS NULL
        AND open.sequence < answered.sequence
    GROUP BY open.session_id, open.sequence, open.call
) AS closed
WHERE tool_call.workspace = :workspace
    AND tool_call.session_id = closed.session_id
    AND tool_call.sequence = closed.sequence
    AND tool_call.call = closed.call
"""

REMOVE_ENTRIES = """
DELETE FROM search
WHERE workspace = :workspace
    AND session_id = :id
    AND sequence <= :last
"""

REMOVE_ENTRY = """
DELETE FROM search
WHERE workspace = :workspace
    AND session_id = :id
    AND sequence = :sequence
"""

LOCK_SESSION = """
SELECT 1
FROM session
WHERE workspace = :workspace
    AND id = :id
FOR UPDATE
"""

_encode = msgspec.json.Encoder().encode


class ConnectionTransaction(ConnectionRows, Transaction):
    """A transaction on a connection; `tokenizers` split messages into words."""

    needs_words = True

    def __init__(self, connection: Connection, tokenizers: Tokenizers) -> None:
        super().__init__(connection)
        self._tokenizers = tokenizers

    async def next_revision(self, workspace: str, count: int = 1) -> int:
        (revision,) = await self.one(PostgresStatements.NEXT_REVISION, {"workspace": workspace, "count": count})
        return int(revision)

    async def run_each(self, statement: str, bindings: Sequence[Bindings]) -> None:
        if bindings:
            text = bound(statement, bindings[0])[0]
            # They are sent together.
            await self.connection.executemany(text, [bound(statement, each)[1] for each in bindings])

    async def insert_messages(
        self, sessions: Iterable[tuple[Bindings, Iterable[Message]]], words: object = None
    ) -> None:
        known = iter(words) if isinstance(words, list) else None
        waiting = ((key, message) for key, messages in sessions for message in messages)
        while placed := list(_some(waiting)):
            some = [message for _, message in placed]
            key = placed[0][0]
            split = await self._tokenizers.words_of(some) if known is None else [*islice(known, len(some))]
            columns: dict[str, object] = {
                "ids": [key["id"] for key, _ in placed],
                "sequences": [message.sequence for message in some],
                "roles": [message.role for message in some],
                "token_counts": [message.token_count or 0 for message in some],
                "records": [_encode(message).decode() for message in some],
                "usages": [None if each.usage is UNSET else _encode(each.usage).decode() for each in some],
                "message_ids": [None if isinstance(each.id, UnsetType) else each.id for each in some],
            }
            await self.row(INSERT_MESSAGES, {**key, **columns, **word_columns(split)})
            await self._keep_calls(key, placed)

    async def _keep_calls(self, key: Bindings, placed: list[tuple[Bindings, Message]]) -> None:
        opened: list[tuple[object, int, str, int | None]] = []
        answered: list[tuple[object, int, str]] = []
        with_parts = [
            (key["id"], message.sequence, message.parts) for key, message in placed if isinstance(message.parts, Raw)
        ]
        for session_id, group in groupby(with_parts, lambda each: each[0]):
            calls = call_rows((sequence, parts) for _, sequence, parts in group)
            opened += [(session_id, *call) for call in calls.opened]
            answered += [(session_id, sequence, call) for call, sequence in calls.answered.items()]
        if opened:
            await self.row(OPEN_CALLS, {**key, **_columns(opened, "ids", "sequences", "calls", "results")})
        if answered:
            await self.row(ANSWER_CALLS, {**key, **_columns(answered, "ids", "sequences", "calls")})

    async def replace_message(self, key: Bindings, message: Message, *, is_indexed: bool, words: object = None) -> None:
        place: Bindings = {"sequence": message.sequence, "record": _encode(message).decode()}
        await self.row(PostgresStatements.REPLACE_RECORD, key | place)
        if not is_indexed:
            # A rebuild of the index reads a session's messages under another lock of it.
            await self.row(LOCK_SESSION, key)
            await self.row(REMOVE_ENTRY, key | place)
            entry = [words] if isinstance(words, Words) else await self._tokenizers.words_of([message])
            columns: dict[str, object] = {"sequences": [message.sequence], "roles": [message.role]}
            await self.row(ADD_ENTRIES, {**key, **columns, **word_columns(entry)})

    async def insert_vectors(self, key: Bindings, messages: Sequence[EmbeddedMessage]) -> set[int]:
        if await self.row(LOCK_SESSION_KEY, key) is None:
            return set()
        rows = await self.all(INSERT_VECTORS, {**key, **vector_columns(messages)})
        return {int(sequence) for (sequence,) in rows}

    async def remove_messages(self, key: Bindings, last: int) -> None:
        await self.row(REMOVE_CORRECTIONS, key | {"last": last})
        await self.row(REMOVE_ENTRIES, key | {"last": last})
        await self.row(REMOVE_CALLS, key | {"last": last})
        await self.row(PostgresStatements.REMOVE_MESSAGES, key | {"last": last})

    async def end_removal(self, key: Bindings) -> None:
        await self.row(END_REMOVAL, key)


def _columns(rows: Sequence[tuple[object, ...]], *names: str) -> dict[str, object]:
    return {name: [*column] for name, column in zip(names, zip(*rows, strict=True), strict=True)}


def _some(placed: Iterator[tuple[Bindings, Message]]) -> Iterator[tuple[Bindings, Message]]:
    size = 0
    for key, message in islice(placed, MESSAGES_AT_ONCE):
        yield key, message
        size += len(message.content) + (len(bytes(message.parts)) if isinstance(message.parts, Raw) else 0)
        if size > BYTES_AT_ONCE:
            return


@asynccontextmanager
async def transaction(pool: Pool, tokenizers: Tokenizers) -> AsyncIterator[ConnectionTransaction]:
    """A transaction, committed at the end, rolled back if an error is raised."""
    async with pool.connection() as lent, lent.connection.transaction():
        yield ConnectionTransaction(lent.connection, tokenizers)
