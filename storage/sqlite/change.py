"""One write: where it writes, and when."""

from dataclasses import dataclass

import apsw

from ..errors import SessionNotFound, VersionMismatch
from ..interface import Versions
from . import statements
from .readers import Row

Bindings = dict[str, str | int | None]


@dataclass(frozen=True, slots=True)
class State:
    """What a session is before a write."""

    status: str
    version: int
    message_count: int
    updated_at: str


@dataclass(frozen=True, slots=True)
class Change:
    """A write in progress, in its transaction: its workspace, its time and its revision."""

    connection: apsw.Connection
    workspace: str
    now: str
    revision: int

    def key(self, session_id: str) -> Bindings:
        """What a statement on one session is given."""
        return {"workspace": self.workspace, "id": session_id, "now": self.now, "revision": self.revision}

    def run(self, statement: str, bindings: Bindings) -> Row | None:
        """Run a statement; its first row, None where it has none."""
        return self.connection.execute(statement, bindings).fetchone()

    def state(self, session_id: str, versions: Versions) -> State:
        """The session as it is. Raises `SessionNotFound`, `VersionMismatch`."""
        row = self.run(statements.STATE, self.key(session_id))
        if row is None:
            raise SessionNotFound(session_id)
        state = State(*row)
        if versions is not None and state.version not in versions:
            raise VersionMismatch(session_id, state.version, versions)
        return state
