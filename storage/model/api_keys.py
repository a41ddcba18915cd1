"""Keys: who may use a database, each for one workspace."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Literal

# Each may do what those before it may.
Scope = Literal["read", "write", "admin"]


@dataclass(frozen=True, slots=True)
class NewKey:
    """A key to be kept: `digest` is the SHA-256 of its text in hexadecimal, which is all that is known of it.

    It expires after so many seconds, never where `expires_seconds` is None.
    """

    id: str
    workspace: str
    name: str
    scope: Scope
    digest: str
    expires_seconds: float | None = None


@dataclass(frozen=True, slots=True)
class Key:
    """A key as it is kept; times are RFC 3339 in UTC with six digits."""

    id: str
    workspace: str
    name: str
    scope: Scope
    digest: str
    created_at: str
    expires_at: str | None
    revoked_at: str | None

    def is_valid(self, moment: str) -> bool:
        """Whether it opens anything at that moment."""
        return self.revoked_at is None and (self.expires_at is None or moment < self.expires_at)


class Keys(ABC):
    """The keys of a database. Every method raises `StorageUnavailable` when the storage can't answer now."""

    @abstractmethod
    async def create_key(self, new: NewKey) -> Key:
        """Keep a key."""

    @abstractmethod
    async def copy_key(self, key: Key) -> None:
        """Keep a key of another database, as it is there; of one that is here already, that it was revoked."""

    @abstractmethod
    async def find_key(self, key_id: str) -> Key | None:
        """The key of that id, None where there is none."""

    @abstractmethod
    async def list_keys(self) -> list[Key]:
        """The keys of all workspaces, the oldest first; at most 10,000."""

    @abstractmethod
    async def revoke_key(self, key_id: str) -> Key:
        """Let a key open nothing any more, for good. Raises `KeyNotFound`."""

    @abstractmethod
    async def has_keys(self) -> bool:
        """Whether there is a key, also where none of them opens anything any more."""
