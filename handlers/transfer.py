"""Export and import of sessions."""

from typing import Protocol

from ..storage.model.files import Download, ImportFile
from ..storage.model.interface import Storage
from ..storage.model.records import Export, IdempotentRequest, ImportReport, OnConflict, SessionFormat

# The format of exports.
OWN = "amplifierd"


class Exports(Protocol):
    """Writes sessions in formats."""

    async def download(
        self, storage: Storage, workspace: str, session_id: str, form: SessionFormat, *, files: bool
    ) -> Download:
        """A session in a format."""


class Imports(Protocol):
    """Imports files in formats of other programs."""

    async def import_file(
        self,
        storage: Storage,
        workspace: str,
        file: ImportFile,
        format_name: str,
        on_conflict: OnConflict,
        once: IdempotentRequest | None,
    ) -> ImportReport:
        """Import a file in a given format, or in the format that its content shows."""


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
    body: ImportFile,
    on_conflict: OnConflict,
    format_: str,
    once: IdempotentRequest | None,
    *,
    storage: Storage,
    imports: Imports,
    workspace: str,
) -> ImportReport:
    """Import the sessions of an export unchanged, or convert those of another program's file."""
    if format_ == OWN:
        return await storage.import_sessions(workspace, body.export, on_conflict, once=once)
    return await imports.import_file(storage, workspace, body, format_, on_conflict, once)
