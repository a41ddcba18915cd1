"""Profiles: the configuration of sessions."""

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
    """Update a profile; sessions keep it as it was."""
    return await storage.update_profile(workspace, name, body)


async def delete_profile(name: str, *, storage: Storage, workspace: str) -> None:
    """Delete a profile; sessions keep it as it was."""
    await storage.delete_profile(workspace, name)


async def copy_profile(
    name: str, body: CopyProfile, once: IdempotentRequest | None, *, storage: Storage, workspace: str
) -> Profile:
    """Copy a profile under another name."""
    return await storage.copy_profile(workspace, name, body.new_name, once=once)


async def activate_profile(name: str, once: IdempotentRequest | None, *, storage: Storage, workspace: str) -> Profile:
    """Make a profile the active one, for sessions that name none."""
    return await storage.activate_profile(workspace, name, once=once)


async def get_active_profile(*, storage: Storage, workspace: str) -> Profile:
    """The active profile."""
    return await storage.get_active_profile(workspace)


async def deactivate_profile(*, storage: Storage, workspace: str) -> None:
    """Deactivate the active profile."""
    await storage.deactivate_profile(workspace)
