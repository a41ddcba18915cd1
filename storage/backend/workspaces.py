"""Workspaces in storages with transactions and SQL."""

import asyncio
from collections.abc import Iterable

from ..model.database_errors import DatabaseDamaged
from ..model.workspaces import WorkspaceContents, Workspaces
from ..operations import files, sessions
from ..operations.bulk import removal
from ..operations.bulk.deletion import DELETED_AT_ONCE
from ..operations.unit_of_work import UnitOfWork
from ..sql.ports import Bindings, session_key
from ..sql.statements.profiles import FORGET_CONTENTS, FORGET_TEXTS
from ..sql.statements.removals import IS_REMOVED
from .transactions import Transactions

# The interval of checks for whether messages have been removed in the background.
POLL_SECONDS = 0.05

# All tables except those of sessions are small, or are read by the first column of their key.
NAMES = [
    f"SELECT DISTINCT workspace\nFROM {table}"  # of the names below
    for table in (
        *("api_key", "profile", "active_profile", "collection"),
        *("module_source", "directory", "idempotency", "file"),
    )
]

COUNTS = """
SELECT
    (SELECT COUNT(*) FROM session WHERE workspace = :workspace),
    (SELECT COALESCE(SUM(message_count), 0) FROM session WHERE workspace = :workspace),
    (SELECT COUNT(*) FROM profile WHERE workspace = :workspace),
    (SELECT COUNT(*) FROM directory WHERE workspace = :workspace),
    (SELECT COUNT(*) FROM api_key WHERE workspace = :workspace),
    (SELECT COUNT(*) FROM file WHERE workspace = :workspace),
    (SELECT COUNT(*) FROM idempotency WHERE workspace = :workspace)
"""

REVOKE_KEYS = """
UPDATE api_key
SET revoked_at = COALESCE(revoked_at, :now)
WHERE workspace = :workspace
"""

DELETE_KEYS = """
DELETE FROM api_key
WHERE workspace = :workspace
    AND revoked_at IS NOT NULL
    AND EXISTS (
        SELECT 1
        FROM api_key AS other
        WHERE other.workspace <> :workspace
    )
"""

FORGET_NAMES = """
UPDATE api_key
SET name = 'deleted'
WHERE workspace = :workspace
    AND revoked_at IS NOT NULL
"""

# The newest deletion stays, so that the revision does not go back.
DELETE_DELETIONS = """
DELETE FROM deletion
WHERE workspace = :workspace
    AND revision < (
        SELECT MAX(revision)
        FROM deletion
        WHERE workspace = :workspace
    )
"""

SESSIONS_FROM_BEFORE = """
SELECT id
FROM session
WHERE workspace = :workspace
    AND id > :after
    AND created_revision <= :last_revision
ORDER BY id
LIMIT :most
"""

REMOVED = """
SELECT session_id
FROM removal
WHERE workspace = :workspace
    AND writer IS NULL
"""

DELETE_UNUSED_DIRECTORIES = """
DELETE FROM directory_use
WHERE workspace = :workspace
    AND session_count <= 0
"""

_TABLES = (
    *("collection", "module", "module_source", "profile", "active_profile"),
    *("directory", "directory_total", "idempotency", "recorded_text"),
)
DELETES = [f"DELETE FROM {table}\nWHERE workspace = :workspace" for table in _TABLES]  # noqa: S608  # of the names above


class TransactionalWorkspaces(Transactions, Workspaces):
    """Implements `Workspaces`."""

    async def workspace_names(self) -> list[str]:
        names: set[str] = set()
        for statement in (self.statements.WORKSPACES, *NAMES):
            try:
                names |= await self._names(statement)
            except DatabaseDamaged:
                if self._skipped is None:
                    raise
                self._skipped.tell("The names of the workspaces can't all be read.")
        return sorted(names)

    async def _names(self, statement: str) -> set[str]:
        """The names that a statement finds, those that can be read if damaged records are skipped."""
        as_bytes = f"SELECT {self.dialect.as_bytes.format('workspace')}\nFROM ({statement}) AS found"
        found = [bytes(name) for (name,) in await self._rows.all(as_bytes, {})]
        readable = {name.decode() for name in found if _is_text(name)}
        if len(readable) < len(found):
            if self._skipped is None:
                raise DatabaseDamaged("the name of a workspace is not UTF-8")
            self._skipped.tell("A workspace is left out, because its name can't be read.")
        return readable

    async def workspace_contents(self) -> list[WorkspaceContents]:
        return [await self._contents(name) for name in await self.workspace_names()]

    async def delete_workspace(self, workspace: str) -> WorkspaceContents:
        last_revision, moment = await self._delete(workspace, _revoke_keys_and_delete_small)
        after: str | None = ""
        while after is not None:
            after = await self._delete_some(workspace, last_revision, after)
            self._removals.wake()
        # The last messages of large sessions, and the files that only they name, are removed in the background.
        await self._wait_until_removed(workspace)
        while await self._paced(self._delete, workspace, files.delete_some, moment):
            self._removals.wake()
        await self._wait_until_removed(workspace)
        await self._delete(workspace, _delete_remainder)
        return await self._contents(workspace)

    async def _delete_some(self, workspace: str, last_revision: int, after: str) -> str | None:
        return await self._paced(self._delete, workspace, _delete_some, last_revision, after)

    async def _wait_until_removed(self, workspace: str) -> None:
        """Wait until all that was deleted before this call has been removed."""
        for (removed_id,) in await self._rows.all(REMOVED, {"workspace": workspace}):
            key = session_key(workspace, removed_id)
            while await self._rows.row(IS_REMOVED, key) is not None:  # noqa: ASYNC110  # others do it
                await asyncio.sleep(POLL_SECONDS)

    async def _contents(self, workspace: str) -> WorkspaceContents:
        row = await self._rows.one(COUNTS, {"workspace": workspace})
        return WorkspaceContents(workspace, *map(int, row))


def _is_text(name: bytes) -> bool:
    try:
        name.decode()
    except UnicodeDecodeError:
        return False
    return True


async def _revoke_keys_and_delete_small(work: UnitOfWork) -> tuple[int, str]:
    """Delete everything except sessions and their references.

    Returns the revision and the time of this write: later sessions and files are kept.
    """
    await work.run(REVOKE_KEYS, {"workspace": work.workspace, "now": work.now})
    await _run_all(work, DELETES)
    return work.revision, work.now


async def _delete_some(work: UnitOfWork, last_revision: int, after: str) -> str | None:
    """Delete the next sessions that were created up to `last_revision`. Returns the last id, None if there are none."""
    bindings: Bindings = {"workspace": work.workspace, "last_revision": last_revision, "after": after}
    found = await work.transaction.all(SESSIONS_FROM_BEFORE, bindings | {"most": DELETED_AT_ONCE})
    remaining = removal.MESSAGES_AT_ONCE
    for (session_id,) in found:
        remaining -= await sessions.delete(work, session_id, None, remaining)
        work = await work.next()
    return found[-1][0] if found else None


async def _delete_remainder(work: UnitOfWork) -> None:
    """Delete the remains of deleted sessions and profiles, and the revoked keys."""
    await _run_all(
        work, (FORGET_CONTENTS, FORGET_TEXTS, DELETE_UNUSED_DIRECTORIES, DELETE_DELETIONS, DELETE_KEYS, FORGET_NAMES)
    )


async def _run_all(work: UnitOfWork, statements: Iterable[str]) -> None:
    for statement in statements:
        await work.run(statement, {"workspace": work.workspace})
