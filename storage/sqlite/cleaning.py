"""Old sessions: which they are, and their end."""

from collections.abc import Callable
from dataclasses import replace

import apsw

from ..clock import after
from ..records import CleanUp, CleanUpReport
from . import sessions, statements
from .change import Bindings, Change

DAY_SECONDS = 24 * 3_600
SESSIONS_AT_ONCE = 100
# A session without end is deleted in one transaction all the same.
MESSAGES_AT_ONCE = 10_000
MOST_NAMED = 1_000


class Cleaning:
    """A walk through the old sessions, from the one that was longest not updated."""

    def __init__(self, workspace: str, which: CleanUp, now: str) -> None:
        self.report = CleanUpReport(dry_run=which.dry_run)
        self._bindings: Bindings = {
            "workspace": workspace,
            "cutoff": after(now, -which.older_than_days * DAY_SECONDS),
            "statuses": " ".join(which.status),
            "at": "",
            "after_id": "",
            "most": SESSIONS_AT_ONCE,
        }

    def look(self, connection: apsw.Connection) -> bool:
        """Count the next of them; whether there were any."""
        return bool(self._take(connection))

    def delete(self, change: Change, revision: Callable[[], int]) -> bool:
        """Delete the next of them, each under a revision of its own; whether there were any."""
        taken = self._take(change.connection)
        for session_id in taken:
            sessions.delete(change, session_id, None)
            change = replace(change, revision=revision())
        return bool(taken)

    def _take(self, connection: apsw.Connection) -> list[str]:
        taken: list[str] = []
        messages = 0
        rows = connection.execute(statements.OLD_SESSIONS, self._bindings)
        for updated_at, session_id, message_count in rows:
            self._bindings |= {"at": updated_at, "after_id": session_id}
            taken.append(session_id)
            messages += message_count
            if messages >= MESSAGES_AT_ONCE:
                break
        rows.close()
        report = self.report
        self.report = CleanUpReport(
            report.dry_run,
            report.sessions + len(taken),
            report.messages + messages,
            (*report.session_ids, *taken[: MOST_NAMED - len(report.session_ids)]),
        )
        return taken
