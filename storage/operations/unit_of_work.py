"""One write: an operation is a coroutine function of a `UnitOfWork` and its arguments.

Each backend runs it in a transaction, with `perform`: PostgreSQL on the event loop, where it waits for the server;
SQLite in the writing thread, where it never waits, without an event loop (see `run_sync` in sqlite/rows.py). So an
operation awaits only its unit of work. It may be run again if the transaction was rolled back.
"""

from collections.abc import Callable, Coroutine
from typing import Any, Self, TypeVar, TypeVarTuple

import msgspec

from ..model.errors import SessionNotFound, VersionMismatch
from ..model.records import Versions
from ..sql.ports import Bindings, Row, Transaction
from ..sql.statements.sessions import Statements
from ..values.clock import Clock
from ..values.uuid7 import canonical_id

Result = TypeVar("Result")
Arguments = TypeVarTuple("Arguments")


class SessionState(msgspec.Struct, frozen=True):
    """The state of a session before a write."""

    status: str
    version: int
    message_count: int
    updated_at: str
    created_revision: int


class UnitOfWork(msgspec.Struct, frozen=True):
    """A write in progress, in its transaction: its workspace, its time and its revision."""

    transaction: Transaction
    statements: Statements
    workspace: str
    now: str
    revision: int

    def key(self, session_id: str) -> Bindings:
        """The bindings of a statement on one session."""
        return {"workspace": self.workspace, "id": canonical_id(session_id), "now": self.now, "revision": self.revision}

    def run(self, statement: str, bindings: Bindings) -> Coroutine[Any, Any, Row | None]:
        """Run a statement. Returns its first row, None if there is none."""
        return self.transaction.row(statement, bindings)

    async def state(self, session_id: str, versions: Versions) -> SessionState:
        """The current state of a session. Raises `SessionNotFound`, `VersionMismatch`."""
        row = await self.run(self.statements.STATE, self.key(session_id))
        if row is None:
            raise SessionNotFound(session_id)
        state = SessionState(*row)
        if versions is not None and state.version not in versions:
            raise VersionMismatch(session_id, state.version, versions)
        return state

    async def next(self) -> Self:
        """The unit of work for the next session in the same transaction, with its own revision."""
        return msgspec.structs.replace(self, revision=await self.transaction.next_revision(self.workspace))


async def perform(
    transaction: Transaction,
    statements: Statements,
    clock: Clock,
    workspace: str,
    operation: Callable[[UnitOfWork, *Arguments], Coroutine[Any, Any, Result]],
    *arguments: *Arguments,
) -> Result:
    """Run `operation` as a write of the workspace in `transaction`, with a new revision and the current time."""
    # The revision comes first: on PostgreSQL it locks the workspace, so that times are in the order of revisions.
    revision = await transaction.next_revision(workspace)
    return await operation(UnitOfWork(transaction, statements, workspace, clock.now(), revision), *arguments)
