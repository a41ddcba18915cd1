"""Export and import of sessions."""

from typing import Protocol

from ..storage.model.files import Download
from ..storage.model.interface import Storage
from ..storage.model.records import Export, IdempotentRequest, ImportReport, OnConflict, SessionFormat


class Exports(Protocol):
    """Writes sessions in formats."""

    async def download(
        self, storage: Storage, workspace: str, session_id: str, form: SessionFormat, *, files: bool
    ) -> Download:
        """A session in a format."""


async def export_sessions(files: bool | None, *, storage: Storage, workspace: str) -> Export:
    """Every session of the workspace with its messages."""
    return await storage.export_sessions(workspace, files=bool(files))


async def export_session(
    session_id: str,
    files: bool | None,
    format_: SessionFormat,
    *,
    storage: Storage,
    exports: Exports,
    workspace: str,
) -> Download:
    """One session with its messages, in a format."""
    return await exports.download(storage, workspace, session_id, format_, files=bool(files))


async def import_sessions(
    body: Export, on_conflict: OnConflict, once: IdempotentRequest | None, *, storage: Storage, workspace: str
) -> ImportReport:
    """Import the sessions of an export unchanged."""
    return await storage.import_sessions(workspace, body, on_conflict, once=once)
