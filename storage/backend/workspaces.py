"""Workspaces in storages with transactions and SQL."""

import asyncio
from abc import abstractmethod
from typing import get_args

from ..model.records import CleanUp, CleanUpReport, IdempotentRequest, Progressed, SessionStatus, no_progress
from ..model.workspaces import WorkspaceContents, Workspaces
from ..operations.unit_of_work import UnitOfWork
from .transactions import Transactions

# Messages that are removed in the background are looked for that often.
POLL_SECONDS = 0.05

_EVERY = CleanUp(older_than_days=0, status=get_args(SessionStatus), dry_run=False)

# Each table but those of sessions is small, or is read by the first column of its key.
NAMES = """
SELECT workspace
FROM api_key
UNION
SELECT workspace
FROM profile
UNION
SELECT workspace
FROM directory
UNION
SELECT workspace
FROM idempotency
"""

COUNTS = """
SELECT
    (SELECT COUNT(*) FROM session WHERE workspace = :workspace),
    (SELECT COALESCE(SUM(message_count), 0) FROM session WHERE workspace = :workspace),
    (SELECT COUNT(*) FROM profile WHERE workspace = :workspace),
    (SELECT COUNT(*) FROM directory WHERE workspace = :workspace),
    (SELECT COUNT(*) FROM api_key WHERE workspace = :workspace),
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
"""

# The newest stays, and with it its revision.
DELETE_DELETIONS = """
DELETE FROM deletion
WHERE workspace = :workspace
    AND revision < (
        SELECT MAX(revision)
        FROM deletion
        WHERE workspace = :workspace
    )
"""

HAS_MESSAGES = """
SELECT 1
FROM message
WHERE workspace = :workspace
LIMIT 1
"""

_TABLES = (
    *("profile", "profile_content", "active_profile"),
    *("directory", "directory_total", "directory_use", "idempotency", "recorded_text"),
)
DELETES = [f"DELETE FROM {table}\nWHERE workspace = :workspace" for table in _TABLES]  # noqa: S608  # of the names above


class TransactionalWorkspaces(Transactions, Workspaces):
    """Does what there is to do with workspaces."""

    @abstractmethod
    async def count_sessions(self, workspace: str) -> int: ...

    @abstractmethod
    async def clean_up_sessions(
        self,
        workspace: str,
        which: CleanUp,
        *,
        once: IdempotentRequest | None = None,
        progressed: Progressed = no_progress,
    ) -> CleanUpReport: ...

    async def workspace_contents(self) -> list[WorkspaceContents]:
        names = [*await self._rows.all(self.statements.WORKSPACES, {}), *await self._rows.all(NAMES, {})]
        return [await self._contents(name) for name in sorted({str(name) for (name,) in names})]

    async def delete_workspace(self, workspace: str) -> None:
        await self._change(workspace, _revoke_keys)
        while await self.count_sessions(workspace):
            await self.clean_up_sessions(workspace, _EVERY)
        # Of large sessions the last messages are removed in the background.
        while await self._rows.row(HAS_MESSAGES, {"workspace": workspace}) is not None:  # noqa: ASYNC110  # others do it
            await asyncio.sleep(POLL_SECONDS)
        await self._change(workspace, _delete_others)

    async def _contents(self, workspace: str) -> WorkspaceContents:
        row = await self._rows.row(COUNTS, {"workspace": workspace})
        assert row is not None, "An aggregate always has a row."
        return WorkspaceContents(workspace, *map(int, row))


async def _revoke_keys(change: UnitOfWork) -> None:
    await change.run(REVOKE_KEYS, {"workspace": change.workspace, "now": change.now})


async def _delete_others(change: UnitOfWork) -> None:
    for statement in (*DELETES, DELETE_DELETIONS, DELETE_KEYS, FORGET_NAMES):
        await change.run(statement, {"workspace": change.workspace})
