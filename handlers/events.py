"""Events: streams of changes to sessions."""

from ..storage.model.interface import Storage
from ..storage.model.records import Events


async def stream_session_events(
    session_id: str, after_sequence: int | None, last_event_id: str | None, *, storage: Storage, workspace: str
) -> Events:
    """The events of one session; the last event id takes precedence over the message number."""
    after_event = last_event_id
    if after_event is None and after_sequence is not None:
        after_event = str(after_sequence)
    return await storage.follow_session(workspace, session_id, after_event=after_event)


async def stream_events(last_event_id: str | None, *, storage: Storage, workspace: str) -> Events:
    """The events of all sessions of the workspace."""
    return await storage.follow_sessions(workspace, after_event=last_event_id)
