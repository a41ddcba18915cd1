"""Old sessions: which they are, and their end."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import apsw

from ..clock import DAY_SECONDS, after
from ..records import CleanUp, CleanUpReport
from . import sessions, statements
from .change import Bindings, Change
from .readers import Row, first_rows

SESSIONS_AT_ONCE = 100
# A session without end is deleted in one transaction all the same.
MESSAGES_AT_ONCE = 10_000
MOST_NAMED = 1_000


@dataclass(frozen=True, slots=True)
class Step:
    """How far a walk through the old sessions is, from the one that was longest not updated."""

    bindings: Bindings
    report: CleanUpReport

    def look(self, connection: apsw.Connection) -> "Step | None":
        """Count the next of them; None where there are none."""
        rows = self._next(connection)
        return self._after(rows) if rows else None

    def delete(self, change: Change, revision: Callable[[], int]) -> "Step | None":
        """Delete the next of them, each under a revision of its own; None where there are none."""
        rows = self._next(change.connection)
        for _, session_id, _ in rows:
            sessions.delete(change, session_id, None)
            change = replace(change, revision=revision())
        return self._after(rows) if rows else None

    def _next(self, connection: apsw.Connection) -> list[Row]:
        rows = connection.execute(statements.OLD_SESSIONS, self.bindings)
        return first_rows(rows, MESSAGES_AT_ONCE, lambda row: int(row[-1]))

    def _after(self, rows: list[Row]) -> "Step":
        updated_at, last_id, _ = rows[-1]
        named = [session_id for _, session_id, _ in rows][: MOST_NAMED - len(self.report.session_ids)]
        report = CleanUpReport(
            self.report.dry_run,
            self.report.sessions + len(rows),
            self.report.messages + sum(messages for _, _, messages in rows),
            (*self.report.session_ids, *named),
        )
        return Step(self.bindings | {"at": updated_at, "after_id": last_id}, report)


def first_step(workspace: str, which: CleanUp, now: str) -> Step:
    """The beginning of the walk."""
    bindings: Bindings = {
        "workspace": workspace,
        "cutoff": after(now, -which.older_than_days * DAY_SECONDS),
        "statuses": " ".join(which.status),
        "at": "",
        "after_id": "",
        "most": SESSIONS_AT_ONCE,
    }
    return Step(bindings, CleanUpReport(dry_run=which.dry_run))
