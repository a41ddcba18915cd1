"""Events: what happens to sessions, as it happens."""

from ..storage.model.interface import Storage
from ..storage.model.records import Events


async def stream_session_events(
    session_id: str, after_sequence: int | None, last_event_id: str | None, *, storage: Storage, workspace: str
) -> Events:
    """What happens to one session; an event that was seen goes before a message that was."""
    after_event = last_event_id
    if after_event is None and after_sequence is not None:
        after_event = str(after_sequence)
    return await storage.follow_session(workspace, session_id, after_event=after_event)


async def stream_events(last_event_id: str | None, *, storage: Storage, workspace: str) -> Events:
    """What happens to all sessions of the workspace."""
    return await storage.follow_sessions(workspace, after_event=last_event_id)
