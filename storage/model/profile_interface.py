"""Profiles as handlers see them."""

from abc import ABC, abstractmethod

from .profile_records import NewProfile, Profile, ProfilePatch, ProfileSettings
from .records import IdempotentRequest, Listing


class Profiles(ABC):
    """Keeps profiles, which say how sessions are run; each is a workspace's own.

    The profile `default` is built in: it is always there, and nobody changes it. At most one profile is active.
    Methods of one profile raise `ProfileNotFound`.
    """

    @abstractmethod
    async def create_profile(
        self, workspace: str, new: NewProfile, *, once: IdempotentRequest | None = None
    ) -> Profile:
        """Keep a profile.

        Raises `ProfileExists`, `ProfileNameReserved`, `ProfileInvalid` where it has more than 256 KiB.
        """

    @abstractmethod
    async def get_profile(self, workspace: str, name: str) -> Profile:
        """Read a profile."""

    @abstractmethod
    async def list_profiles(self, workspace: str, *, limit: int | None = None, cursor: str | None = None) -> Listing:
        """List profiles by name, without what their modules are; a cursor is a position among the names."""

    @abstractmethod
    async def update_profile(self, workspace: str, name: str, patch: ProfilePatch) -> Profile:
        """Change a profile; sessions keep what it was. Raises `ProfileReadOnly`, `ProfileInvalid`."""

    @abstractmethod
    async def copy_profile(
        self, workspace: str, name: str, new_name: str, *, once: IdempotentRequest | None = None
    ) -> Profile:
        """Keep a profile once more under another name. Raises `ProfileExists`, `ProfileNameReserved`."""

    @abstractmethod
    async def delete_profile(self, workspace: str, name: str) -> None:
        """Delete a profile; sessions keep what it was. Raises `ProfileReadOnly`, `ProfileActive`."""

    @abstractmethod
    async def activate_profile(self, workspace: str, name: str, *, once: IdempotentRequest | None = None) -> Profile:
        """Make a profile the active one, in the place of any other."""

    @abstractmethod
    async def get_active_profile(self, workspace: str) -> Profile:
        """Read the active profile. Raises `NoActiveProfile`."""

    @abstractmethod
    async def deactivate_profile(self, workspace: str) -> None:
        """Make no profile the active one, whether one was or not."""

    @abstractmethod
    async def session_profile(self, workspace: str, session_id: str) -> ProfileSettings:
        """Read the profile of a session as it was when the session got it.

        Raises `SessionNotFound`, and `SessionProfileUnknown` where the session came without it.
        """
