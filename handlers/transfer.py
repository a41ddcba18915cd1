"""Export and import of sessions."""

from ..storage.model.interface import Storage
from ..storage.model.records import Export, IdempotentRequest, ImportReport, OnConflict


async def export_sessions(files: bool | None, *, storage: Storage, workspace: str) -> Export:
    """Every session of the workspace with its messages."""
    return await storage.export_sessions(workspace, files=bool(files))


async def export_session(session_id: str, files: bool | None, *, storage: Storage, workspace: str) -> Export:
    """One session with its messages."""
    return await storage.export_session(workspace, session_id, files=bool(files))


async def import_sessions(
    body: Export, on_conflict: OnConflict, once: IdempotentRequest | None, *, storage: Storage, workspace: str
) -> ImportReport:
    """Import the sessions of an export unchanged."""
    return await storage.import_sessions(workspace, body, on_conflict, once=once)
