"""Profiles and directories that sessions are opened in."""

from contextlib import suppress

from amplifierd.storage.model.directories import NewDirectory
from amplifierd.storage.model.errors import DirectoryExists, ProfileExists
from amplifierd.storage.model.interface import Storage
from amplifierd.storage.model.profile_records import NewProfile
from amplifierd.storage.model.records import NewSession, Session


async def create_session(storage: Storage, new: NewSession, workspace: str = "default") -> Session:
    """Open a session, once its profile and its directory are there."""
    if new.profile is not None:
        with suppress(ProfileExists):
            await storage.create_profile(workspace, NewProfile(new.profile))
    with suppress(DirectoryExists):
        await storage.create_directory(workspace, NewDirectory(new.amplified_dir))
    return await storage.create_session(workspace, new)
