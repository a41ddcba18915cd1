"""Old sessions: which they are, and their end."""

from dataclasses import dataclass

from . import sessions
from .change import Change
from .clock import DAY_SECONDS, after
from .records import CleanUp, CleanUpReport
from .rows import Bindings, Row, Rows, Statements, until

SESSIONS_AT_ONCE = 100
# A session without end is deleted in one transaction all the same.
MESSAGES_AT_ONCE = 10_000
MOST_NAMED = 1_000


@dataclass(frozen=True, slots=True)
class Step:
    """How far a walk through the old sessions is, from the one that was longest not updated."""

    bindings: Bindings
    report: CleanUpReport

    async def look(self, rows: Rows, statements: Statements) -> "Step | None":
        """Count the next of them; None where there are none."""
        found = await self._next(rows, statements)
        return self._after(found) if found else None

    async def delete(self, change: Change) -> "Step | None":
        """Delete the next of them, each under a revision of its own; None where there are none."""
        found = await self._next(change.transaction, change.statements)
        for _, session_id, _ in found:
            await sessions.delete(change, session_id, None)
            change = await change.next()
        return self._after(found) if found else None

    async def _next(self, rows: Rows, statements: Statements) -> list[Row]:
        found = await rows.all(statements.OLD_SESSIONS, self.bindings)
        return until(found, MESSAGES_AT_ONCE, lambda row: int(row[-1]))

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
