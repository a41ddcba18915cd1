"""Workspaces as a whole: what each holds, and the deletion of all of it."""

from abc import ABC, abstractmethod
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class WorkspaceContents:
    """How much a workspace holds; `answers` are those recorded for requests that may be sent again."""

    workspace: str
    sessions: int
    messages: int
    profiles: int
    directories: int
    keys: int
    answers: int


class Workspaces(ABC):
    """The workspaces of a database. Every method raises `StorageUnavailable` when the storage can't answer now."""

    @abstractmethod
    async def workspace_contents(self) -> list[WorkspaceContents]:
        """Count what each workspace holds, in the order of their names."""

    @abstractmethod
    async def delete_workspace(self, workspace: str) -> WorkspaceContents:
        """Delete all that a workspace holds, its keys first; what it holds afterwards.

        A daemon that needs no key may write to it meanwhile: what is created after the deletion has begun stays. If
        there are keys of no other workspace, its own stay, revoked: a database without any key is open to everybody.
        The number of its last write stays, so that no later event has the id of an earlier one. What is left of it
        after an interruption is deleted by another call.
        """
