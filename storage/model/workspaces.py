"""Workspaces as a whole: the contents of each, and its deletion."""

from abc import ABC, abstractmethod
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class WorkspaceContents:
    """How much a workspace holds; `answers` are those recorded for requests that may be retried."""

    workspace: str
    sessions: int
    messages: int
    profiles: int
    directories: int
    keys: int
    answers: int


class Workspaces(ABC):
    """The workspaces of a database. Every method raises `StorageUnavailable` when the storage cannot answer now."""

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
