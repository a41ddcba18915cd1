"""Old sessions: which they are, and their end."""

from . import sessions
from .change import Change
from .clock import DAY_SECONDS, after
from .records import CleanUp, CleanUpReport
from .rows import Bindings, Row, Rows, Statements, until

SESSIONS_AT_ONCE = 100
# A session without end is deleted in one transaction all the same.
MESSAGES_AT_ONCE = 10_000
MOST_NAMED = 1_000


class Walk:
    """A walk through the old sessions, from the one that was longest not updated."""

    def __init__(self, workspace: str, which: CleanUp, now: str) -> None:
        self._bindings: Bindings = {
            "workspace": workspace,
            "cutoff": after(now, -which.older_than_days * DAY_SECONDS),
            "statuses": " ".join(which.status),
            "most": SESSIONS_AT_ONCE,
        }
        # The last of them that was passed; an earlier one may be set, to go there again.
        self.position = ("", "")

    async def look(self, rows: Rows, statements: Statements, before: CleanUpReport) -> CleanUpReport | None:
        """Count the next of them; the report of them and those `before`, None where there are none."""
        return self._after(await self._next(rows, statements), before)

    async def delete(self, change: Change, before: CleanUpReport) -> CleanUpReport | None:
        """The same, and delete them, each under a revision of its own."""
        found = await self._next(change.transaction, change.statements)
        for _, session_id, _ in found:
            await sessions.delete(change, session_id, None)
            change = await change.next()
        return self._after(found, before)

    async def _next(self, rows: Rows, statements: Statements) -> list[Row]:
        at, after_id = self.position
        found = await rows.all(statements.OLD_SESSIONS, self._bindings | {"at": at, "after_id": after_id})
        return until(found, MESSAGES_AT_ONCE, lambda row: int(row[-1]))

    def _after(self, rows: list[Row], before: CleanUpReport) -> CleanUpReport | None:
        if not rows:
            return None
        updated_at, last_id, _ = rows[-1]
        self.position = updated_at, last_id
        named = [session_id for _, session_id, _ in rows][: MOST_NAMED - len(before.session_ids)]
        return CleanUpReport(
            before.dry_run,
            before.sessions + len(rows),
            before.messages + sum(messages for _, _, messages in rows),
            (*before.session_ids, *named),
        )
