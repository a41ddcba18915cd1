"""Messages: what was said in a session, in order."""

from ..storage.interface import Storage
from ..storage.records import Message, NewMessage, Transcript


async def send_message(session_id: str, body: NewMessage, *, storage: Storage, workspace: str) -> Message:
    """Append a message to a transcript."""
    return await storage.append_message(workspace, session_id, body)


async def list_messages(
    session_id: str,
    limit: int | None,
    after_sequence: int | None,
    before_sequence: int | None,
    *,
    storage: Storage,
    workspace: str,
) -> Transcript:
    """The messages asked for, oldest first."""
    return await storage.list_messages(
        workspace, session_id, limit=limit, after_sequence=after_sequence, before_sequence=before_sequence
    )
