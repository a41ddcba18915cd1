"""Repairs a SQLite file; daemons may write to it meanwhile."""

import time
from contextlib import closing
from pathlib import Path

import apsw

from ...backend.check.repair import repair_session
from ...model.database_errors import DatabaseDamaged, ReadLine, RepairFailed
from ...model.errors import StorageError
from ...model.maintenance import Finding
from ...operations.unit_of_work import perform
from ...search.tokenizer import Tokenizer
from ...sql.ports import Bindings
from ...values.clock import Clock
from ...values.quantities import quantity
from ..connection import WriteTransaction, connect_writer
from ..rows import ConnectionTransaction
from ..search.indexing import STEP_SECONDS, Indexer, Outcome, begin_again
from ..statements import SQLiteStatements
from . import check_statements
from .index_rebuild import rebuild_indexes
from .integrity import faults
from .numbering import misplaced, number_again


class Repairs:
    """Repairs the file at `path`; its indexes are rebuilt once, whatever the number of their findings."""

    def __init__(self, path: Path, read_line: ReadLine) -> None:
        self._path = path
        self._read_line = read_line
        self._searchable = False
        # Whether SQLite finds no fault in the rebuilt indexes; None before the attempt.
        self._are_sound: bool | None = None
        # The number of transcripts that were given back; None before the attempt.
        self._numbered: int | None = None
        self._clock = Clock()

    async def repair(self, finding: Finding) -> str | None:
        """See `Maintenance.repair`."""
        try:
            with closing(connect_writer(str(self._path))) as connection:
                return await self._repair(connection, finding)
        except (apsw.CorruptError, apsw.NotADBError, DatabaseDamaged, UnicodeDecodeError):
            # A file with such damage cannot be repaired.
            return None
        except (apsw.Error, StorageError) as error:
            raise RepairFailed(str(error)) from error

    async def _repair(self, connection: apsw.Connection, finding: Finding) -> str | None:
        if finding.fault == "damage":
            return self._rebuild_indexes(connection)
        if finding.fault == "reference":
            return _delete_strays(connection)
        if finding.fault == "search":
            self._make_searchable(connection)
            return "The search index was rebuilt from all messages."
        if finding.fault in ("transcript", "gap") or _may_be_misplaced(connection, finding):
            done = self._give_transcripts_back(connection, finding)
            if done is not None:
                return done
        if finding.session_id and _is_elsewhere(connection, finding):
            # Counts and rows that are made of other messages would remove what its own have left.
            return None
        with WriteTransaction(connection):
            begun = ConnectionTransaction(connection, self._clock, Tokenizer())
            return await perform(
                begun, SQLiteStatements(), self._clock, finding.workspace, repair_session, finding, self._read_line
            )

    def _rebuild_indexes(self, connection: apsw.Connection) -> str | None:
        if self._are_sound is None:
            try:
                rebuild_indexes(connection)
            except (apsw.ConstraintError, apsw.CorruptError):
                # A lock or a full disk may pass, but this does not.
                self._are_sound = False
                raise
            self._are_sound = not faults(connection)
        return "The indexes of the tables were rebuilt, and SQLite finds no more faults." if self._are_sound else None

    def _give_transcripts_back(self, connection: apsw.Connection, finding: Finding) -> str | None:
        """Give misplaced transcripts back, once for the file. Returns None if this does not repair the fault."""
        if self._numbered is None:
            self._numbered = _number_again(connection)
            if self._numbered:
                _index_all(connection)
                self._searchable = True
        if not self._numbered or finding.fault == "counts":
            return None
        is_repaired = (
            _is_whole(connection, finding)
            if finding.session_id
            else not _count(connection, check_statements.LOST_NUMBERS)
        )
        return f"Transcripts were given back to {quantity(self._numbered, 'session')}." if is_repaired else None

    def _make_searchable(self, connection: apsw.Connection) -> None:
        if not self._searchable:
            _rebuild_search(connection)
            self._searchable = True


def _number_again(connection: apsw.Connection) -> int:
    """Give transcripts back; returns how many. Other programs may write while all sessions are read."""
    connection.execute("BEGIN")
    found = misplaced(connection)
    connection.execute("COMMIT")
    if not found:
        return 0
    with WriteTransaction(connection):
        if not number_again(connection, found):
            return 0
        begin_again(connection)
    return len(found)


def _may_be_misplaced(connection: apsw.Connection, finding: Finding) -> bool:
    return finding.fault == "counts" and True in _of_session(connection, check_statements.MAY_BE_MISPLACED, finding)


def _is_whole(connection: apsw.Connection, finding: Finding) -> bool:
    return True in _of_session(connection, check_statements.IS_WHOLE, finding)


def _is_elsewhere(connection: apsw.Connection, finding: Finding) -> bool:
    """Whether messages of a session may be among those that have lost their number."""
    is_whole = _of_session(connection, check_statements.IS_WHOLE, finding)
    return False in is_whole and _count(connection, check_statements.LOST_NUMBERS) > 0


def _of_session(connection: apsw.Connection, statement: str, finding: Finding) -> list[bool]:
    key: Bindings = {"workspace": finding.workspace, "id": finding.session_id}
    return [bool(value) for (value,) in connection.execute(statement, key)]


def _count(connection: apsw.Connection, statement: str) -> int:
    [(count,)] = connection.execute(statement)
    return int(count)


def _delete_strays(connection: apsw.Connection) -> str | None:
    with WriteTransaction(connection):
        connection.execute(check_statements.DELETE_STRAY_LABELS)
        remaining = connection.execute(check_statements.REFERENCES).fetchall()
    return None if remaining else "Deleted."


def _rebuild_search(connection: apsw.Connection) -> None:
    with WriteTransaction(connection):
        begin_again(connection)
    _index_all(connection)


def _index_all(connection: apsw.Connection) -> None:
    indexer = Indexer(Tokenizer())
    for (workspace,) in connection.execute(check_statements.WORKSPACES).fetchall():
        outcome = Outcome.MORE
        while outcome is not Outcome.DONE:
            with WriteTransaction(connection):
                outcome = indexer.index_some(connection, str(workspace), time.thread_time() + STEP_SECONDS)
