"""Sessions: conversations from their opening to their end."""

from ..storage.model.interface import Storage
from ..storage.model.profile_records import ProfileSettings
from ..storage.model.records import (
    CleanUp,
    CleanUpReport,
    Failure,
    Fork,
    IdempotentRequest,
    Lineage,
    Listing,
    NewSession,
    Progressed,
    Session,
    SessionPatch,
    SessionQuery,
    SessionSort,
    SessionStatus,
    Versions,
)


async def create_session(
    body: NewSession, *, storage: Storage, workspace: str, once: IdempotentRequest | None
) -> Session:
    """Open a conversation with an empty transcript."""
    return await storage.create_session(workspace, body, once=once)


async def list_sessions(
    limit: int | None,
    cursor: str | None,
    sort: SessionSort,
    status: SessionStatus | None,
    profile: str | None,
    amplified_dir: str | None,
    recursive: bool,
    parent_session_id: str | None,
    created_after: str | None,
    created_before: str | None,
    updated_after: str | None,
    updated_before: str | None,
    name: str | None,
    *,
    storage: Storage,
    workspace: str,
) -> Listing:
    """The sessions of the workspace that pass every filter."""
    query = SessionQuery(
        sort=sort,
        status=status,
        profile=profile,
        amplified_dir=amplified_dir,
        recursive=recursive,
        parent_session_id=parent_session_id,
        created_after=created_after,
        created_before=created_before,
        updated_after=updated_after,
        updated_before=updated_before,
        name=name,
        limit=limit,
        cursor=cursor,
    )
    return await storage.list_sessions(workspace, query)


async def get_session(session_id: str, *, storage: Storage, workspace: str) -> Session:
    """One session, its context included."""
    return await storage.get_session(workspace, session_id)


async def get_session_profile(session_id: str, *, storage: Storage, workspace: str) -> ProfileSettings:
    """What a session's profile was when the session got it."""
    return await storage.session_profile(workspace, session_id)


async def update_session(
    session_id: str, body: SessionPatch, versions: Versions, *, storage: Storage, workspace: str
) -> Session:
    """Change a session's name, profile and context."""
    return await storage.update_session(workspace, session_id, body, versions=versions)


async def delete_session(session_id: str, versions: Versions, *, storage: Storage, workspace: str) -> None:
    """Delete a conversation and all that was said in it."""
    await storage.delete_session(workspace, session_id, versions=versions)


async def start_session(
    session_id: str, versions: Versions, once: IdempotentRequest | None, *, storage: Storage, workspace: str
) -> Session:
    """Make a session active."""
    return await storage.start_session(workspace, session_id, versions=versions, once=once)


async def complete_session(
    session_id: str, versions: Versions, once: IdempotentRequest | None, *, storage: Storage, workspace: str
) -> Session:
    """End a conversation well."""
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
    """End a conversation with an error."""
    return await storage.fail_session(workspace, session_id, body, versions=versions, once=once)


async def terminate_session(
    session_id: str, versions: Versions, once: IdempotentRequest | None, *, storage: Storage, workspace: str
) -> Session:
    """Break a conversation off."""
    return await storage.terminate_session(workspace, session_id, versions=versions, once=once)


async def resume_session(
    session_id: str, versions: Versions, once: IdempotentRequest | None, *, storage: Storage, workspace: str
) -> Session:
    """Take a conversation up again."""
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
    """Open a branch of a conversation."""
    return await storage.fork_session(workspace, session_id, body, versions=versions, once=once, progressed=progressed)


async def get_session_lineage(session_id: str, *, storage: Storage, workspace: str) -> Lineage:
    """Where a conversation comes from, and its branches."""
    return await storage.lineage(workspace, session_id)


async def clean_up_sessions(
    body: CleanUp, once: IdempotentRequest | None, *, storage: Storage, workspace: str, progressed: Progressed
) -> CleanUpReport:
    """Delete old conversations, or say which they are."""
    return await storage.clean_up_sessions(workspace, body, once=once, progressed=progressed)
