"""Maintenance of a PostgreSQL database; backups are made with its server's programs."""

from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import asyncpg

from ...backend.check.files import check_files
from ...backend.check.profiles import CHECKS
from ...backend.check.records import check_records
from ...backend.check.repair import repair_session
from ...backend.check.sessions import CheckProgress, check_sessions, directory_finding, total_findings
from ...model.database_errors import BackupsElsewhere, ReadLine, RepairFailed
from ...model.errors import StorageError
from ...model.maintenance import Compacted, Contents, Finding, Maintenance, Progress, Restored, no_progress
from ...model.records import Message
from ...operations.transfer.import_rules import stored_message
from ...operations.unit_of_work import UnitOfWork, perform
from ...sql.ports import Bindings, Row
from ...sql.statements.integrity import CONTENTS, DIRECTORY_TOTALS, directory_uses
from ...values.clock import Clock
from ...values.json_text import MAX_SAFE_INTEGER
from ..binding import bound
from ..errors import as_storage_error, in_sentences
from ..migrations import refuse_other
from ..pool import PREFETCHED_ROWS, SCHEMA, Connection, ConnectionRows, connect
from ..pooler import refuse_shared_sessions
from ..search.statements import ADD_ENTRIES
from ..search.tsvector import Tokenizer, Tokenizers, word_columns
from ..statements import PostgresStatements
from ..transaction import ConnectionTransaction
from . import check_statements

NOTHING: Bindings = {}
MESSAGES_AT_ONCE = 500
BYTES_AT_ONCE = 4 * 1024 * 1024

TABLES = """
SELECT format('%I.%I', schemaname, tablename)
FROM pg_catalog.pg_tables
WHERE schemaname = $1
ORDER BY tablename
"""

SIZE = """
SELECT CAST(COALESCE(SUM(pg_total_relation_size(format('%I.%I', schemaname, tablename))), 0) AS BIGINT)
FROM pg_catalog.pg_tables
WHERE schemaname = $1
"""

_OTHERS_DO = "PostgreSQL has its own backups: `pg_dump` and `pg_restore` for a database, `pg_basebackup` for a server"


class PostgresMaintenance(Maintenance):
    """Implements `Maintenance` for the database at `url`."""

    def __init__(self, url: str, read_line: ReadLine) -> None:
        self._url = url
        self._read_line = read_line
        self._tokenizer = Tokenizer()
        self._clock = Clock()

    async def back_up(self, file: Path, *, replace: bool, progress: Progress) -> Contents:
        del file, replace, progress  # of no use to it
        raise BackupsElsewhere(_OTHERS_DO)

    async def restore(self, file: Path, *, replace: bool, progress: Progress) -> Restored:
        del file, replace, progress  # of no use to it
        raise BackupsElsewhere(_OTHERS_DO)

    async def compact(self, *, full: bool, progress: Progress) -> Compacted:
        async with self._connection() as connection:
            if not full:
                # Its locks block no other requests.
                await connection.execute("SET lock_timeout = 0")
            tables = [name for (name,) in await connection.fetch(TABLES, SCHEMA)]
            before: int = await connection.fetchval(SIZE, SCHEMA)
            for done, table in enumerate(tables):
                progress(done, len(tables) + 1)
                await connection.execute(f"VACUUM {'(FULL)' if full else ''} {table}")
            # VACUUM alone never removes a word from a GIN index. https://www.postgresql.org/docs/current/gin.html
            progress(len(tables), len(tables) + 1)
            if not full:
                await connection.execute(f"REINDEX INDEX CONCURRENTLY {SCHEMA}.search_by_lexeme")
            progress(len(tables) + 1, len(tables) + 1)
            return Compacted(before, await connection.fetchval(SIZE, SCHEMA))

    async def check(self, progress: Progress = no_progress) -> AsyncGenerator[Finding, None]:
        async with self._connection() as connection, connection.transaction(isolation="repeatable_read", readonly=True):
            # Optimizes for the first rows: no plan that sorts everything.
            await connection.execute("SET LOCAL cursor_tuple_fraction = 0")
            async for workspace, session_id in _rows(connection, PostgresStatements.PARTS):
                yield Finding.of(workspace, session_id, "parts", "is lost except for a part.")
            _, messages = await ConnectionRows(connection).one(CONTENTS, {})
            checked = CheckProgress(progress, int(messages))
            async for finding in check_sessions(
                _rows(connection, check_statements.SESSIONS),
                self._is_indexed,
                checked,
                partial(_rows, connection),
                self._read_line,
            ):
                yield finding
            async for workspace, session_id in _rows(connection, check_statements.STRAYS):
                yield Finding.of(workspace, session_id, "search", "has search entries for missing messages.")
            async for workspace, counted, last in _rows(connection, check_statements.WRONG_REVISIONS):
                text = f"Workspace {workspace} counts {counted} writes; the last one is number {last}."
                yield Finding("counts", text, workspace)
            async for finding in _check_directories(connection):
                yield finding
            async for finding in _check_profiles(connection):
                yield finding
            async for finding in check_files(partial(_rows, connection), self._read_line):
                yield finding
            async for finding in check_records(partial(_rows, connection), self._read_line):
                yield finding

    async def repair(self, finding: Finding) -> str | None:
        try:
            async with self._connection() as connection, connection.transaction():
                begun = ConnectionTransaction(connection, Tokenizers())
                # It locks the workspace.
                return await perform(
                    begun, PostgresStatements(), self._clock, finding.workspace, self._repair, begun, finding
                )
        except (asyncpg.PostgresError, StorageError) as error:
            raise RepairFailed(str(error)) from error

    async def _repair(self, work: UnitOfWork, begun: ConnectionTransaction, finding: Finding) -> str | None:
        if finding.fault == "search":
            await self._index(begun, work.key(finding.session_id))
            return "Its messages were indexed again."
        if finding.fault == "counts" and not finding.session_id:
            await work.run(check_statements.COUNT_REVISIONS, {"workspace": work.workspace})
        return await repair_session(work, finding, self._read_line)

    async def contents(self) -> Contents:
        async with self._connection() as connection:
            row = await ConnectionRows(connection).one(CONTENTS, {})
            return Contents(row[0], int(row[1]))

    @asynccontextmanager
    async def _connection(self) -> AsyncIterator[Connection]:
        with in_sentences(self._url):
            connection = await connect(self._url, None)
        try:
            await refuse_shared_sessions(connection, self._url)
            await refuse_other(connection)
            yield connection
        except Exception as error:
            raise as_storage_error(error) from error
        finally:
            await connection.close()

    def _is_indexed(self, _sequence: int, message: Message, row: Row) -> bool:
        words = self._tokenizer.message(message.content, message.parts)
        role, size, text, lexemes = row
        if words.size == 0:
            return role is None
        return (role, size, text) == (message.role, words.size, words.text) and set(lexemes) == set(words.lexemes)

    async def _index(self, begun: ConnectionTransaction, key: Bindings) -> None:
        """Write the entries of a session again, except those of messages that can't be read."""
        first = 1
        while first <= MAX_SAFE_INTEGER:
            rest = key | {"first": first, "last": MAX_SAFE_INTEGER}
            found = await begun.all(
                PostgresStatements.TAIL_MESSAGES, rest | {"most": MESSAGES_AT_ONCE, "bytes": BYTES_AT_ONCE}
            )
            last = found[-1][0] if found else MAX_SAFE_INTEGER
            read = {sequence: stored_message(record, self._read_line) for sequence, record in found}
            kept = [sequence for sequence, message in read.items() if message is None]
            await begun.row(check_statements.FORGET_ENTRIES, {**rest, "last": last, "kept": kept})
            await begun.row(ADD_ENTRIES, {**key, **self._columns(read)})
            first = last + 1

    def _columns(self, read: Mapping[int, Message | None]) -> dict[str, object]:
        messages = [(sequence, message) for sequence, message in read.items() if message is not None]
        words = [self._tokenizer.message(message.content, message.parts) for _, message in messages]
        return {
            "sequences": [sequence for sequence, _ in messages],
            "roles": [message.role for _, message in messages],
            **word_columns(words),
        }


async def _check_directories(connection: Connection) -> AsyncIterator[Finding]:
    async for row in _rows(connection, directory_uses('session.amplified_dir COLLATE "C"')):
        yield directory_finding(row)
    async for row in _rows(connection, DIRECTORY_TOTALS):
        for finding in total_findings(row):
            yield finding


async def _check_profiles(connection: Connection) -> AsyncIterator[Finding]:
    for statement, findings in CHECKS:
        async for row in _rows(connection, statement):
            for finding in findings(row):
                yield finding


async def _rows(connection: Connection, statement: str, bindings: Bindings = NOTHING) -> AsyncGenerator[Row, None]:
    text, values = bound(statement, bindings)
    async for row in connection.cursor(text, *values, prefetch=PREFETCHED_ROWS):
        yield tuple(row)
