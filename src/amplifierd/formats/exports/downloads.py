"""Exports sessions as downloads, in any format of the contract."""

from functools import cached_property

from ...contract import SerialExecutor, encoded_lines
from ...storage.model.files import Download
from ...storage.model.interface import Storage
from ...storage.model.records import SessionFormat
from . import export_formats
from .interface import ExportFormat, Losses
from .reading import embed_files, omit_files, write_session

_NDJSON = "application/x-ndjson"


class Downloads:
    """Writes sessions in formats; one thread writes the pieces of all sessions, so that other work continues."""

    def __init__(self) -> None:
        self._executor = SerialExecutor()

    @cached_property
    def _formats(self) -> dict[str, ExportFormat]:
        # Imported late, because a daemon starts faster without modules that only pages need.
        return export_formats()

    async def download(
        self, storage: Storage, workspace: str, session_id: str, form: SessionFormat, *, files: bool
    ) -> Download:
        """A session in a format. The first block raises `SessionNotFound`."""
        name = session_id.lower()
        if form == "amplifierd":
            export = await storage.export_session(workspace, session_id, files=files)
            return Download(encoded_lines(export, self._executor), _NDJSON, f"{name}.ndjson")
        known = self._formats[form]
        place = embed_files(storage, workspace) if files and not known.has_files_beside else omit_files
        blocks = write_session(known, storage, workspace, session_id, Losses(), place, self._executor.run)
        # One session is one JSON object, and not NDJSON.
        media, suffix = (known.media, known.suffix) if known.is_document else ("application/json", ".json")
        return Download(blocks, media, f"{name}{suffix}")
