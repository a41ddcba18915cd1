"""Workspaces as a whole, and the API keys that give access to them."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Literal

from .errors import StorageError

# Each includes the permissions of those before it.
Scope = Literal["read", "write", "admin"]


class KeyNotFound(StorageError):
    """No key has this id."""

    def __init__(self, key_id: str) -> None:
        super().__init__(f"There is no key {key_id!r}")
        self.key_id = key_id


@dataclass(frozen=True, slots=True)
class NewKey:
    """A key to store. `digest` is the SHA-256 of its text in hexadecimal; the text itself is not stored.

    It expires after `expires_seconds`, never if that is None.
    """

    id: str
    workspace: str
    name: str
    scope: Scope
    digest: str
    expires_seconds: float | None = None


@dataclass(frozen=True, slots=True)
class Key:
    """A stored key; times are RFC 3339 in UTC with six digits."""

    id: str
    workspace: str
    name: str
    scope: Scope
    digest: str
    created_at: str
    expires_at: str | None
    revoked_at: str | None

    def is_valid(self, moment: str) -> bool:
        """Whether the key gives access at that moment."""
        return self.revoked_at is None and (self.expires_at is None or moment < self.expires_at)


class Keys(ABC):
    """The keys of a database. Every method raises `StorageUnavailable` when the storage cannot answer now."""

    @abstractmethod
    async def create_key(self, new: NewKey) -> Key:
        """Store a key."""

    @abstractmethod
    async def copy_key(self, key: Key) -> None:
        """Store a key of another database unchanged. If it is already here, only its revocation is copied."""

    @abstractmethod
    async def find_key(self, key_id: str) -> Key | None:
        """The key with that id, None if there is none."""

    @abstractmethod
    async def list_keys(self) -> list[Key]:
        """List the keys of all workspaces, oldest first; at most 10,000."""

    @abstractmethod
    async def revoke_key(self, key_id: str) -> Key:
        """Revoke a key, permanently. Raises `KeyNotFound`."""

    @abstractmethod
    async def has_keys(self) -> bool:
        """Whether there is any key, even if all are revoked or expired."""


@dataclass(frozen=True, slots=True)
class WorkspaceContents:
    """How much a workspace holds; `responses` are those recorded for requests that may be retried."""

    workspace: str
    sessions: int
    messages: int
    profiles: int
    directories: int
    keys: int
    files: int
    responses: int


class Workspaces(ABC):
    """The workspaces of a database. Every method raises `StorageUnavailable` when the storage cannot answer now."""

    @abstractmethod
    async def workspace_names(self) -> list[str]:
        """The names of all workspaces, in order."""

    @abstractmethod
    async def workspace_contents(self) -> list[WorkspaceContents]:
        """Count the contents of each workspace, in the order of their names."""

    @abstractmethod
    async def delete_workspace(self, workspace: str) -> WorkspaceContents:
        """Delete everything in a workspace, its keys first; return what it contains afterwards.

        A daemon without keys may write to it meanwhile: what is created after the deletion has begun stays. If no other
        workspace has a key, its own keys stay, revoked: a database without any key is open to everybody. The number of
        its last write stays, so that no later event gets the id of an earlier one. If the deletion is interrupted,
        another call deletes the rest.
        """
