"""Profiles as handlers see them."""

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable

from .profile_records import NewProfile, Profile, ProfileOrigin, ProfilePatch, ProfileSettings, ProfileWarning
from .records import IdempotentRequest, Listing

# Checks the configurations of modules in a new profile.
CheckProfile = Callable[[], Awaitable[list[ProfileWarning]]]


class Profiles(ABC):
    """Keeps profiles, which configure sessions; each belongs to a workspace.

    The profile `default` is built in: it always exists and cannot be changed. At most one profile is active. Methods of
    one profile raise `ProfileNotFound`.
    """

    @abstractmethod
    async def create_profile(
        self,
        workspace: str,
        new: NewProfile,
        *,
        origin: ProfileOrigin | None = None,
        once: IdempotentRequest | None = None,
        check: CheckProfile | None = None,
    ) -> Profile:
        """Create a profile; with `origin` as a copy of a profile of a collection, which may be in another database.

        `check` is called unless the response is recorded already; the response has the warnings that it returns.

        Raises `ProfileExists`, `ProfileNameReserved`, `ProfileInvalid` if it has more than 256 KiB.
        """

    @abstractmethod
    async def get_profile(self, workspace: str, name: str) -> Profile:
        """Read a profile."""

    @abstractmethod
    async def list_profiles(self, workspace: str, *, limit: int | None = None, cursor: str | None = None) -> Listing:
        """List profiles by name, without their modules; a cursor is a position in the order of names."""

    @abstractmethod
    async def update_profile(self, workspace: str, name: str, patch: ProfilePatch) -> Profile:
        """Change a profile; sessions keep the previous one.

        Raises `ProfileReadOnly`, `ProfileOfCollection`, `ProfileInvalid`.
        """

    @abstractmethod
    async def replace_profile(self, workspace: str, name: str, new: NewProfile) -> Profile:
        """Replace a profile with one of the same name; sessions keep the previous one.

        Raises `ProfileReadOnly`, `ProfileOfCollection`, `ProfileInvalid` if it has another name or more than 256 KiB.
        """

    @abstractmethod
    async def merged_profile(self, workspace: str, name: str, patch: ProfilePatch) -> ProfileSettings:
        """Read a profile as a patch would change it. Raises `ProfileInvalid`."""

    @abstractmethod
    async def copy_profile(
        self, workspace: str, name: str, new_name: str, *, once: IdempotentRequest | None = None
    ) -> Profile:
        """Copy a profile under another name. Raises `ProfileExists`, `ProfileNameReserved`."""

    @abstractmethod
    async def delete_profile(self, workspace: str, name: str) -> None:
        """Delete a profile; sessions keep it. Raises `ProfileReadOnly`, `ProfileOfCollection`, `ProfileActive`."""

    @abstractmethod
    async def activate_profile(self, workspace: str, name: str, *, once: IdempotentRequest | None = None) -> Profile:
        """Make a profile the active one, instead of any other."""

    @abstractmethod
    async def get_active_profile(self, workspace: str) -> Profile:
        """Read the active profile. Raises `NoActiveProfile`."""

    @abstractmethod
    async def deactivate_profile(self, workspace: str) -> None:
        """Make no profile active, whether one was or not."""

    @abstractmethod
    async def session_profile(self, workspace: str, session_id: str) -> ProfileSettings:
        """Read the profile of a session as it was when the session was created or given it.

        Raises `SessionNotFound`, and `SessionProfileUnknown` if the session was imported without it.
        """
