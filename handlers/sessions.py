"""Sessions: conversations from their opening to their end."""

from ..storage.interface import Storage
from ..storage.records import Listing, NewSession, Session


async def create_session(body: NewSession, *, storage: Storage, workspace: str) -> Session:
    """Open a conversation with an empty transcript."""
    return await storage.create_session(workspace, body)


async def list_sessions(limit: int | None, cursor: str | None, *, storage: Storage, workspace: str) -> Listing:
    """The sessions of the workspace, last updated first."""
    return await storage.list_sessions(workspace, limit=limit, cursor=cursor)


async def get_session(session_id: str, *, storage: Storage, workspace: str) -> Session:
    """One session, its context included."""
    return await storage.get_session(workspace, session_id)


async def resume_session(session_id: str, *, storage: Storage, workspace: str) -> Session:
    """Take a conversation up again."""
    return await storage.resume_session(workspace, session_id)


async def delete_session(session_id: str, *, storage: Storage, workspace: str) -> None:
    """Delete a conversation and all that was said in it."""
    await storage.delete_session(workspace, session_id)
