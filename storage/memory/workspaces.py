"""Lists and deletes workspaces, and keeps the keys that give access to them."""

from dataclasses import replace

from ..backend.api_keys import MAX_KEYS
from ..model.workspaces import Key, KeyNotFound, Keys, NewKey, WorkspaceContents, Workspaces
from ..operations.bulk.deletion import DELETED_AT_ONCE
from ..values.clock import after
from .access import MemoryAccess, Work, delete_session
from .contents import Workspace


class MemoryWorkspaces(MemoryAccess, Keys, Workspaces):
    """Implements `Keys` and `Workspaces`."""

    async def create_key(self, new: NewKey) -> Key:
        def create(work: Work) -> Key:
            expires_at = None if new.expires_seconds is None else after(work.now, new.expires_seconds)
            key = Key(new.id, new.workspace, new.name, new.scope, new.digest, work.now, expires_at, None)
            self._database.keys[key.id] = key
            return key

        return await self._write(new.workspace, None, create)

    async def copy_key(self, key: Key) -> None:
        def copy(_work: Work) -> None:
            existing = self._database.keys.get(key.id)
            if existing is None:
                self._database.keys[key.id] = key
            elif existing.revoked_at is None:
                self._database.keys[key.id] = replace(existing, revoked_at=key.revoked_at)

        await self._write(key.workspace, None, copy)

    async def find_key(self, key_id: str) -> Key | None:
        await self._workspace("")
        return self._database.keys.get(key_id)

    async def list_keys(self) -> list[Key]:
        await self._workspace("")
        return sorted(self._database.keys.values(), key=lambda key: (key.created_at, key.id))[:MAX_KEYS]

    async def revoke_key(self, key_id: str) -> Key:
        key = await self.find_key(key_id)
        if key is None:
            raise KeyNotFound(key_id)

        def revoke(work: Work) -> Key:
            existing = self._database.keys[key_id]
            self._database.keys[key_id] = replace(existing, revoked_at=existing.revoked_at or work.now)
            return self._database.keys[key_id]

        return await self._write(key.workspace, None, revoke)

    async def has_keys(self) -> bool:
        await self._workspace("")
        return bool(self._database.keys)

    async def has_workspace(self, workspace: str) -> bool:
        """See `Storage`."""
        return (await self._workspace(workspace)).is_known or bool(self._keys_of(workspace))

    async def workspace_names(self) -> list[str]:
        await self._workspace("")
        return [name for name in sorted(self._database.workspaces) if self._has_contents(name)]

    async def workspace_contents(self) -> list[WorkspaceContents]:
        return [self._contents(name) for name in await self.workspace_names()]

    async def delete_workspace(self, workspace: str) -> WorkspaceContents:
        def begin(work: Work) -> tuple[int, str]:
            self._revoke_keys(workspace, work.now)
            _delete_small(work.workspace)
            return work.revision, work.now

        last_revision, moment = await self._write(workspace, None, begin)
        while await self._write(workspace, None, lambda work: _delete_some(work, last_revision)):
            continue

        def finish(work: Work) -> None:
            _delete_remainder(work.workspace, moment)
            self._delete_keys(workspace)

        await self._write(workspace, None, finish)
        return self._contents(workspace)

    def _keys_of(self, workspace: str) -> list[Key]:
        return [key for key in self._database.keys.values() if key.workspace == workspace]

    def _revoke_keys(self, workspace: str, now: str) -> None:
        for key in self._keys_of(workspace):
            self._database.keys[key.id] = replace(key, revoked_at=key.revoked_at or now)

    def _delete_keys(self, workspace: str) -> None:
        """Delete the revoked keys; if the database has no others, they stay without their names."""
        own = [key for key in self._keys_of(workspace) if key.revoked_at is not None]
        has_others = len(self._keys_of(workspace)) < len(self._database.keys)
        for key in own:
            if has_others:
                del self._database.keys[key.id]
            else:
                self._database.keys[key.id] = replace(key, name="deleted")

    def _has_contents(self, name: str) -> bool:
        workspace = self._database.workspaces[name]
        if workspace.active is not None or workspace.collections or workspace.module_sources:
            return True
        return self._contents(name) != WorkspaceContents(name, 0, 0, 0, 0, 0, 0, 0)

    def _contents(self, name: str) -> WorkspaceContents:
        workspace = self._database.workspaces.get(name, Workspace())
        sessions = [each.session for each in workspace.conversations.values()]
        return WorkspaceContents(
            name,
            sessions=len(sessions),
            messages=sum(session.message_count for session in sessions),
            profiles=len(workspace.profiles),
            directories=len(workspace.directories),
            keys=len(self._keys_of(name)),
            files=len(workspace.files),
            responses=len(workspace.responses),
        )


def _delete_small(workspace: Workspace) -> None:
    """Delete everything except sessions and files."""
    workspace.collections, workspace.modules, workspace.module_sources = {}, {}, {}
    workspace.profiles, workspace.active = {}, None
    workspace.directories, workspace.responses = {}, {}


def _delete_some(work: Work, last_revision: int) -> bool:
    """Delete the next sessions that were created up to a revision; False if there are none."""
    conversations = work.workspace.conversations
    found = sorted(session_id for session_id, each in conversations.items() if each.created <= last_revision)
    for session_id in found[:DELETED_AT_ONCE]:
        delete_session(work, session_id)
        work.next_revision()
    return bool(found)


def _delete_remainder(workspace: Workspace, moment: str) -> None:
    """Delete the files without references that were created up to `moment`, and the records of deletions."""
    used = workspace.references()
    workspace.files = {
        file_id: file for file_id, file in workspace.files.items() if file_id in used or file.record.created_at > moment
    }
    in_use = {each.session.amplified_dir for each in workspace.conversations.values()}
    workspace.last_used = {path: used_at for path, used_at in workspace.last_used.items() if path in in_use}
    # The newest deletion stays, because it has the last revision.
    workspace.deletions = workspace.deletions[-1:]
