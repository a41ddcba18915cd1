"""Messages: the transcripts of sessions."""

from ..storage.model.interface import Storage
from ..storage.model.queries import MessageQuery
from ..storage.model.records import (
    IdempotentRequest,
    Listing,
    Message,
    MessagePatch,
    Messages,
    NewMessage,
    NewMessages,
    Transcript,
    Versions,
)


async def send_message(
    session_id: str,
    body: NewMessage,
    versions: Versions,
    once: IdempotentRequest | None,
    *,
    storage: Storage,
    workspace: str,
) -> Message:
    """Append a message to a transcript."""
    return await storage.append_message(workspace, session_id, body, versions=versions, once=once)


async def send_messages(
    session_id: str,
    body: NewMessages,
    versions: Versions,
    once: IdempotentRequest | None,
    *,
    storage: Storage,
    workspace: str,
) -> Messages:
    """Append several messages to a transcript."""
    return await storage.append_messages(workspace, session_id, body, versions=versions, once=once)


async def get_message(session_id: str, sequence: int, *, storage: Storage, workspace: str) -> Message:
    """One message of a transcript."""
    return await storage.get_message(workspace, session_id, sequence)


async def update_message(
    session_id: str, sequence: int, body: MessagePatch, versions: Versions, *, storage: Storage, workspace: str
) -> Message:
    """Correct a message."""
    return await storage.update_message(workspace, session_id, sequence, body, versions=versions)


async def delete_message(
    session_id: str, sequence: int, versions: Versions, *, storage: Storage, workspace: str
) -> Message:
    """Delete the content of a message."""
    return await storage.delete_message(workspace, session_id, sequence, versions=versions)


async def list_messages(session_id: str, query: MessageQuery, *, storage: Storage, workspace: str) -> Transcript:
    """The requested messages."""
    return await storage.list_messages(workspace, session_id, query)


async def get_transcript(session_id: str, *, storage: Storage, workspace: str) -> Listing:
    """The whole transcript."""
    transcript = await storage.list_messages(workspace, session_id, MessageQuery())
    return transcript.messages
