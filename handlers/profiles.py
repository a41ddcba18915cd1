"""Profiles: the configuration of sessions."""

from functools import partial
from typing import Protocol

from msgspec import UNSET
from msgspec.structs import replace

from ..storage.model.interface import Storage
from ..storage.model.profile_records import (
    CopyProfile,
    NewProfile,
    Profile,
    ProfilePatch,
    ProfileSettings,
    ProfileWarning,
)
from ..storage.model.records import IdempotentRequest, Listing


class Checks(Protocol):
    """Checks the configurations of modules."""

    async def check(
        self, storage: Storage, workspace: str, profile: NewProfile | ProfileSettings
    ) -> list[ProfileWarning]:
        """Check the configurations in a profile. Returns the modules that were not found."""


async def create_profile(
    body: NewProfile, once: IdempotentRequest | None, *, storage: Storage, catalog: Checks, workspace: str
) -> Profile:
    """Store a profile whose module configurations match their schemas."""
    check = partial(catalog.check, storage, workspace, body)
    return await storage.create_profile(workspace, body, once=once, check=check)


async def list_profiles(limit: int | None, cursor: str | None, *, storage: Storage, workspace: str) -> Listing:
    """The profiles of the workspace."""
    return await storage.list_profiles(workspace, limit=limit, cursor=cursor)


async def get_profile(name: str, *, storage: Storage, workspace: str) -> Profile:
    """One profile."""
    return await storage.get_profile(workspace, name)


async def update_profile(
    name: str, body: ProfilePatch, *, storage: Storage, catalog: Checks, workspace: str
) -> Profile:
    """Update a profile and check its modules afterwards; sessions keep the profile as it was."""
    merged = await storage.merged_profile(workspace, name, body)
    warnings = await catalog.check(storage, workspace, merged)
    profile = await storage.update_profile(workspace, name, body)
    return replace(profile, warnings=warnings or UNSET)


async def replace_profile(name: str, body: NewProfile, *, storage: Storage, catalog: Checks, workspace: str) -> Profile:
    """Replace a profile if its module configurations match their schemas; sessions keep the profile as it was."""
    warnings = await catalog.check(storage, workspace, body)
    profile = await storage.replace_profile(workspace, name, body)
    return replace(profile, warnings=warnings or UNSET)


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
