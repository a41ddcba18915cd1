"""Sessions: conversations from creation to end."""

from functools import partial
from typing import Protocol

from ..storage.model.interface import Storage
from ..storage.model.profile_records import ProfilePatch, ProfileSettings
from ..storage.model.queries import SessionDeletion, SessionQuery
from ..storage.model.records import (
    CleanUp,
    DeletionReport,
    Failure,
    Fork,
    IdempotentRequest,
    Lineage,
    Listing,
    NewSession,
    Progressed,
    Session,
    SessionPatch,
    Versions,
)


class Checks(Protocol):
    """Checks the configurations of modules."""

    async def check_overrides(self, storage: Storage, workspace: str, new: NewSession, overrides: ProfilePatch) -> None:
        """Check the profile of a new session with its overrides."""


async def create_session(
    body: NewSession, once: IdempotentRequest | None, *, storage: Storage, catalog: Checks, workspace: str
) -> Session:
    """Create a session with an empty transcript."""
    check = None
    if isinstance(body.settings_overrides, ProfilePatch):
        check = partial(catalog.check_overrides, storage, workspace, body, body.settings_overrides)
    return await storage.create_session(workspace, body, once=once, check=check)


async def list_sessions(query: SessionQuery, *, storage: Storage, workspace: str) -> Listing:
    """The sessions of the workspace that match every filter."""
    return await storage.list_sessions(workspace, query)


async def get_session(session_id: str, *, storage: Storage, workspace: str) -> Session:
    """One session with its context."""
    return await storage.get_session(workspace, session_id)


async def get_session_profile(session_id: str, *, storage: Storage, workspace: str) -> ProfileSettings:
    """A session's profile as it was when the session got it."""
    return await storage.session_profile(workspace, session_id)


async def update_session(
    session_id: str, body: SessionPatch, versions: Versions, *, storage: Storage, workspace: str
) -> Session:
    """Update a session's name, profile and context."""
    return await storage.update_session(workspace, session_id, body, versions=versions)


async def delete_session(session_id: str, versions: Versions, *, storage: Storage, workspace: str) -> None:
    """Delete a session and its transcript."""
    await storage.delete_session(workspace, session_id, versions=versions)


async def start_session(
    session_id: str, versions: Versions, once: IdempotentRequest | None, *, storage: Storage, workspace: str
) -> Session:
    """Make a session active."""
    return await storage.start_session(workspace, session_id, versions=versions, once=once)


async def complete_session(
    session_id: str, versions: Versions, once: IdempotentRequest | None, *, storage: Storage, workspace: str
) -> Session:
    """End a session successfully."""
    return await storage.complete_session(workspace, session_id, versions=versions, once=once)


async def fail_session(
    session_id: str,
    body: Failure,
    versions: Versions,
    once: IdempotentRequest | None,
    *,
    storage: Storage,
    workspace: str,
) -> Session:
    """End a session with an error."""
    return await storage.fail_session(workspace, session_id, body, versions=versions, once=once)


async def terminate_session(
    session_id: str, versions: Versions, once: IdempotentRequest | None, *, storage: Storage, workspace: str
) -> Session:
    """Abort a session."""
    return await storage.terminate_session(workspace, session_id, versions=versions, once=once)


async def resume_session(
    session_id: str, versions: Versions, once: IdempotentRequest | None, *, storage: Storage, workspace: str
) -> Session:
    """Make a session active again."""
    return await storage.resume_session(workspace, session_id, versions=versions, once=once)


async def fork_session(
    session_id: str,
    body: Fork,
    versions: Versions,
    once: IdempotentRequest | None,
    *,
    storage: Storage,
    workspace: str,
    progressed: Progressed,
) -> Session:
    """Create a branch of a session."""
    return await storage.fork_session(workspace, session_id, body, versions=versions, once=once, progressed=progressed)


async def get_session_lineage(session_id: str, *, storage: Storage, workspace: str) -> Lineage:
    """The ancestors and branches of a session."""
    return await storage.lineage(workspace, session_id)


async def delete_sessions(
    body: SessionDeletion, once: IdempotentRequest | None, *, storage: Storage, workspace: str, progressed: Progressed
) -> DeletionReport:
    """Delete the sessions that match a filter, or report them."""
    return await storage.delete_sessions(workspace, body, once=once, progressed=progressed)


async def clean_up_sessions(
    body: CleanUp, once: IdempotentRequest | None, *, storage: Storage, workspace: str, progressed: Progressed
) -> DeletionReport:
    """Delete old sessions, or report them."""
    return await storage.clean_up_sessions(workspace, body, once=once, progressed=progressed)
