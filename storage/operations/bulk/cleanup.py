"""Old sessions: how they are found and deleted."""

import msgspec

from ...model.records import CleanUp, CleanUpReport
from ...sql.ports import Bindings, Row, Rows
from ...sql.statements.sessions import Statements
from ...values.clock import AFTER_LAST_MOMENT, DAY_SECONDS, after
from .. import sessions
from ..unit_of_work import UnitOfWork
from . import removal

SESSIONS_AT_ONCE = 100
# Deleting as many takes as long as other writes can wait.
DELETED_AT_ONCE = 25
MAX_NAMED = 1_000


class CleanUpProgress(msgspec.Struct, frozen=True):
    """The progress of a clean-up: the last session that was passed, of those older than `cutoff`.

    Sessions that were written after it began have a revision above `last_revision`, and are kept.
    """

    cutoff: str
    last_revision: int
    report: CleanUpReport
    at: str = ""
    after_id: str = ""


def first_progress(which: CleanUp, now: str, last_revision: int) -> CleanUpProgress:
    """The progress of a clean-up that begins `now`, by the machine's clock, after the write of `last_revision`.

    With 0 days the cutoff is later than every time: even a session that was written while the clock was ahead is older.
    """
    days = which.older_than_days
    cutoff = after(now, -days * DAY_SECONDS) if days else AFTER_LAST_MOMENT
    return CleanUpProgress(cutoff, last_revision, CleanUpReport(dry_run=which.dry_run))


class CleanupCursor:
    """A cursor over old sessions, in the order of their last update; it continues from a `progress`."""

    def __init__(self, workspace: str, which: CleanUp, progress: CleanUpProgress) -> None:
        self.progress = progress
        self._workspace = workspace
        self._statuses = " ".join(which.status)

    async def look(self, rows: Rows, statements: Statements) -> bool:
        """Count the next sessions; False if there are none."""
        return self._pass(await self._next(rows, statements, SESSIONS_AT_ONCE))

    async def delete(self, work: UnitOfWork) -> bool:
        """Count and delete the next sessions, each under a revision of its own; False if there are none."""
        found = await self._next(work.transaction, work.statements, DELETED_AT_ONCE)
        left = removal.MESSAGES_AT_ONCE
        for _, session_id, _ in found:
            left -= await sessions.delete(work, session_id, None, left)
            work = await work.next()
        return self._pass(found)

    async def _next(self, rows: Rows, statements: Statements, most: int) -> list[Row]:
        bindings: Bindings = {
            "workspace": self._workspace,
            "cutoff": self.progress.cutoff,
            "last_revision": self.progress.last_revision,
            "statuses": self._statuses,
            "at": self.progress.at,
            "after_id": self.progress.after_id,
            "most": most,
        }
        return await rows.all(statements.OLD_SESSIONS, bindings)

    def _pass(self, found: list[Row]) -> bool:
        if found:
            updated_at, last_id, _ = found[-1]
            report = _report(self.progress.report, found)
            self.progress = msgspec.structs.replace(self.progress, report=report, at=updated_at, after_id=last_id)
        return bool(found)


def _report(before: CleanUpReport, found: list[Row]) -> CleanUpReport:
    named = [session_id for _, session_id, _ in found][: MAX_NAMED - len(before.session_ids)]
    return CleanUpReport(
        before.dry_run,
        before.sessions + len(found),
        before.messages + sum(messages for _, _, messages in found),
        (*before.session_ids, *named),
    )
