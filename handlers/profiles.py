"""Profiles: how sessions are run."""

from ..storage.model.interface import Storage
from ..storage.model.profile_records import CopyProfile, NewProfile, Profile, ProfilePatch
from ..storage.model.records import IdempotentRequest, Listing


async def create_profile(
    body: NewProfile, once: IdempotentRequest | None, *, storage: Storage, workspace: str
) -> Profile:
    """Keep a profile."""
    return await storage.create_profile(workspace, body, once=once)


async def list_profiles(limit: int | None, cursor: str | None, *, storage: Storage, workspace: str) -> Listing:
    """The profiles of the workspace."""
    return await storage.list_profiles(workspace, limit=limit, cursor=cursor)


async def get_profile(name: str, *, storage: Storage, workspace: str) -> Profile:
    """One profile."""
    return await storage.get_profile(workspace, name)


async def update_profile(name: str, body: ProfilePatch, *, storage: Storage, workspace: str) -> Profile:
    """Change a profile; sessions keep what it was."""
    return await storage.update_profile(workspace, name, body)


async def delete_profile(name: str, *, storage: Storage, workspace: str) -> None:
    """Delete a profile; sessions keep what it was."""
    await storage.delete_profile(workspace, name)


async def copy_profile(
    name: str, body: CopyProfile, once: IdempotentRequest | None, *, storage: Storage, workspace: str
) -> Profile:
    """Keep a profile once more under another name."""
    return await storage.copy_profile(workspace, name, body.new_name, once=once)


async def activate_profile(name: str, once: IdempotentRequest | None, *, storage: Storage, workspace: str) -> Profile:
    """Make a profile that of sessions which name none."""
    return await storage.activate_profile(workspace, name, once=once)


async def get_active_profile(*, storage: Storage, workspace: str) -> Profile:
    """The active profile."""
    return await storage.get_active_profile(workspace)


async def deactivate_profile(*, storage: Storage, workspace: str) -> None:
    """Make no profile the active one."""
    await storage.deactivate_profile(workspace)
