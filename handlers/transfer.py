"""Export and import of sessions."""

from ..storage.model.interface import Storage
from ..storage.model.records import Export, IdempotentRequest, ImportReport, OnConflict


async def export_sessions(*, storage: Storage, workspace: str) -> Export:
    """Every session of the workspace with its messages."""
    return await storage.export_sessions(workspace)


async def import_sessions(
    body: Export, on_conflict: OnConflict, once: IdempotentRequest | None, *, storage: Storage, workspace: str
) -> ImportReport:
    """Import the sessions of an export unchanged."""
    return await storage.import_sessions(workspace, body, on_conflict, once=once)
