"""Checks a database file, from SQLite's pages to the sessions in them."""

import re
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from itertools import chain

import apsw

from ...backend.check.files import as_async, check_files
from ...backend.check.profiles import CHECKS
from ...backend.check.records import check_records
from ...backend.check.sessions import CheckProgress, check_sessions, directory_finding, total_findings
from ...model.database_errors import DatabaseDamaged, ReadLine
from ...model.maintenance import Finding, Progress
from ...sql.ports import Bindings, Row
from ...sql.statements.integrity import CONTENTS, DIRECTORY_TOTALS, directory_uses
from ...values.quantities import quantity
from ..statements import SQLiteStatements
from . import check_statements
from .index_check import IndexCheck
from .integrity import faults
from .readable_rows import ReadableRows

_NO_MESSAGE = (None,) * 5
# SQLite's message about a damaged search index: https://www.sqlite.org/fts5.html#the_integrity_check_command
_OF_WORDS = re.compile("fts5|inverted index", re.IGNORECASE)


async def check_file(
    connection: apsw.Connection, progress: Progress, read_line: ReadLine
) -> AsyncGenerator[Finding, None]:
    """The findings of the file: of its pages, then of its tables, in one transaction, so as of one moment."""
    found = faults(connection)
    for line in found:
        if _OF_WORDS.search(line):
            yield Finding("search", f"The search is damaged: {line}.")
    lines = [line for line in found if not _OF_WORDS.search(line)]
    if lines:
        yield Finding("damage", f"SQLite finds the file damaged: {'; '.join(lines)}.")
    try:
        async for finding in _check_tables(connection, progress, read_line):
            yield finding
    except (apsw.CorruptError, apsw.NotADBError, DatabaseDamaged) as error:
        yield Finding("search" if found and not lines else "damage", f"The rest can't be read: {error}.")


async def _check_tables(
    connection: apsw.Connection, progress: Progress, read_line: ReadLine
) -> AsyncGenerator[Finding, None]:
    connection.pragma("query_only", False)
    connection.execute(check_statements.MAKE_WORDS)
    connection.pragma("query_only", True)
    connection.execute("BEGIN")
    rows = ReadableRows(connection)
    for finding in _check_references(rows):
        yield finding
    [(_, messages)] = rows.execute(CONTENTS)
    # Each message counts twice: once itself, and once for its words in the index.
    checked = CheckProgress(progress, 2 * messages)
    words = IndexCheck(rows)

    def read(statement: str, bindings: Bindings) -> AsyncGenerator[Row, None]:
        return as_async(rows.execute(statement, bindings))

    async for finding in check_sessions(_rows(rows), words.is_indexed, checked, read, read_line):
        yield finding
    for finding in chain(
        words.findings(lambda share: checked.add(share * messages)),
        _check_directories(rows),
        _check_profiles(rows),
    ):
        yield finding
    async for finding in check_files(read, read_line):
        yield finding
    async for finding in check_records(read, read_line):
        yield finding
    connection.execute("COMMIT")
    if rows.skipped:
        yield Finding("record", f"{rows.skipped} rows can't be read: they have text that is not UTF-8.")


def _check_references(rows: ReadableRows) -> Iterator[Finding]:
    # They come first, before a repair restores their session without them.
    for table, parent, count in rows.execute(check_statements.REFERENCES):
        yield Finding(
            "reference", f"The table {table} has {quantity(count, 'row')} without the matching row of {parent}."
        )
    for workspace, session_id in rows.execute(SQLiteStatements.PARTS):
        yield Finding.of(workspace, session_id, "parts", "is lost except for a part.")
    [(lost,)] = rows.execute(check_statements.LOST_NUMBERS)
    if lost:
        yield Finding(
            "transcript", f"Messages of {quantity(lost, 'session')} have lost the rows that name their sessions."
        )


def _check_directories(rows: ReadableRows) -> Iterator[Finding]:
    yield from map(directory_finding, rows.execute(directory_uses("session.amplified_dir")))
    for row in rows.execute(DIRECTORY_TOTALS):
        yield from total_findings(row)


def _check_profiles(rows: ReadableRows) -> Iterator[Finding]:
    for statement, findings in CHECKS:
        for row in rows.execute(statement):
            yield from findings(row)


async def _rows(rows: ReadableRows) -> AsyncIterator[Row | DatabaseDamaged]:
    """Sessions with their messages, as `check_sessions` takes them."""
    for *session, number, last, complete in rows.execute(check_statements.SESSIONS):
        yield (*session, *_NO_MESSAGE)
        bindings: Bindings = {"number": number}
        try:
            for *message, size in rows.execute(check_statements.MESSAGES, bindings):
                yield (*session, *message, number, last, complete, size)
        except (apsw.CorruptError, apsw.NotADBError) as error:
            # Other sessions may be readable.
            yield DatabaseDamaged(str(error))
