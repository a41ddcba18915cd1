"""API keys in storages with transactions and SQL."""

from dataclasses import asdict

from ..model.workspaces import Key, KeyNotFound, Keys, NewKey
from ..operations.unit_of_work import UnitOfWork
from ..values.clock import after
from .transactions import Transactions

MAX_KEYS = 10_000

_KEY = "SELECT id, workspace, name, scope, digest, created_at, expires_at, revoked_at"

FIND_KEY = f"""
{_KEY}
FROM api_key
WHERE id = :id
"""

LIST_KEYS = f"""
{_KEY}
FROM api_key
ORDER BY created_at, id
LIMIT :most
"""

HAS_KEYS = """
SELECT id
FROM api_key
LIMIT 1
"""

INSERT_KEY = """
INSERT INTO api_key (id, workspace, name, scope, digest, created_at, expires_at)
VALUES (:id, :workspace, :name, :scope, :digest, :created_at, :expires_at)
"""

COPY_KEY = """
INSERT INTO api_key AS kept (id, workspace, name, scope, digest, created_at, expires_at, revoked_at)
VALUES (:id, :workspace, :name, :scope, :digest, :created_at, :expires_at, :revoked_at)
ON CONFLICT (id) DO UPDATE
SET revoked_at = COALESCE(kept.revoked_at, EXCLUDED.revoked_at)
"""

# A second revocation does not change the time of the first.
REVOKE_KEY = """
UPDATE api_key
SET revoked_at = COALESCE(revoked_at, :now)
WHERE id = :id
"""

HAS_WORKSPACE = """
SELECT EXISTS (SELECT 1 FROM session WHERE workspace = :workspace)
    OR EXISTS (SELECT 1 FROM deletion WHERE workspace = :workspace)
    OR EXISTS (SELECT 1 FROM profile WHERE workspace = :workspace)
    OR EXISTS (SELECT 1 FROM collection WHERE workspace = :workspace)
    OR EXISTS (SELECT 1 FROM directory WHERE workspace = :workspace)
    OR EXISTS (SELECT 1 FROM api_key WHERE workspace = :workspace)
    OR EXISTS (SELECT 1 FROM file WHERE workspace = :workspace)
"""


class TransactionalKeys(Transactions, Keys):
    """Implements `Keys`."""

    async def create_key(self, new: NewKey) -> Key:
        return await self._change(new.workspace, _create, new)

    async def copy_key(self, key: Key) -> None:
        await self._change(key.workspace, UnitOfWork.run, COPY_KEY, asdict(key))

    async def find_key(self, key_id: str) -> Key | None:
        row = await self._rows.row(FIND_KEY, {"id": key_id})
        return None if row is None else Key(*row)

    async def list_keys(self) -> list[Key]:
        return [Key(*row) for row in await self._rows.all(LIST_KEYS, {"most": MAX_KEYS})]

    async def revoke_key(self, key_id: str) -> Key:
        key = await self.find_key(key_id)
        if key is None:
            raise KeyNotFound(key_id)
        await self._delete(key.workspace, _revoke, key_id)
        revoked = await self.find_key(key_id)
        assert revoked is not None, "No key is ever deleted."
        return revoked

    async def has_keys(self) -> bool:
        return await self._rows.row(HAS_KEYS, {}) is not None

    async def has_workspace(self, workspace: str) -> bool:
        """See `Storage`."""
        row = await self._rows.row(HAS_WORKSPACE, {"workspace": workspace})
        return row is not None and bool(row[0])


async def _create(work: UnitOfWork, new: NewKey) -> Key:
    expires_at = None if new.expires_seconds is None else after(work.now, new.expires_seconds)
    key = Key(new.id, new.workspace, new.name, new.scope, new.digest, work.now, expires_at, None)
    await work.run(INSERT_KEY, asdict(key))
    return key


async def _revoke(work: UnitOfWork, key_id: str) -> None:
    await work.run(REVOKE_KEY, {"id": key_id, "now": work.now})
