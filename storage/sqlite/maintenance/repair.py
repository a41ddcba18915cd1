"""Repairs of a SQLite file; daemons may write to it meanwhile."""

import time
from contextlib import closing
from pathlib import Path

import apsw

from ...backend.repair import repair_session
from ...model.database_errors import DatabaseDamaged
from ...model.maintenance import Finding
from ...operations.unit_of_work import perform
from ...search.tokenizer import Tokenizer
from ...values.clock import Clock
from ..connection import WriteTransaction, connect_writer
from ..rows import ConnectionTransaction
from ..search.indexing import STEP_SECONDS, Indexer, Outcome, begin_again
from ..statements import SQLiteStatements
from . import check_statements
from .file_check import faults


class Repairs:
    """Repairs of the file at `path`; the indexes are rebuilt once, whatever their faults."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._searchable = False
        self._clock = Clock()

    async def repair(self, finding: Finding) -> str | None:
        """See `Maintenance.repair`."""
        try:
            with closing(connect_writer(str(self._path))) as connection:
                return await self._repair(connection, finding)
        except (apsw.CorruptError, apsw.NotADBError, DatabaseDamaged):
            # A file with such damage cannot be written either.
            return None

    async def _repair(self, connection: apsw.Connection, finding: Finding) -> str | None:
        if finding.fault == "damage":
            return _rebuild_indexes(connection)
        if finding.fault == "reference":
            return _delete_strays(connection)
        if finding.fault == "search":
            if not self._searchable:
                _rebuild_search(connection)
                self._searchable = True
            return "The search index was rebuilt from all messages."
        with WriteTransaction(connection):
            begun = ConnectionTransaction(connection, self._clock, Tokenizer())
            return await perform(begun, SQLiteStatements(), self._clock, finding.workspace, repair_session, finding)


def _rebuild_indexes(connection: apsw.Connection) -> str | None:
    connection.execute("REINDEX")
    return None if faults(connection) else "The indexes of the tables were rebuilt, and SQLite finds no more faults."


def _delete_strays(connection: apsw.Connection) -> str | None:
    with WriteTransaction(connection):
        connection.execute(check_statements.DELETE_STRAY_LABELS)
        left = connection.execute(check_statements.REFERENCES).fetchall()
    return None if left else "They were deleted."


def _rebuild_search(connection: apsw.Connection) -> None:
    with WriteTransaction(connection):
        begin_again(connection)
    indexer = Indexer(Tokenizer())
    for (workspace,) in connection.execute(check_statements.WORKSPACES).fetchall():
        outcome = Outcome.MORE
        while outcome is not Outcome.DONE:
            with WriteTransaction(connection):
                outcome = indexer.index_some(connection, str(workspace), time.thread_time() + STEP_SECONDS)
