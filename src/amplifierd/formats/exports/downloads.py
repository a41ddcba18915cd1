"""Sessions as downloads, in any format of the contract."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing, closing
from functools import cached_property, partial

import msgspec

from ...contract import SerialExecutor
from ...storage.model.files import Download, TemporarySpace
from ...storage.model.interface import Storage
from ...storage.model.records import Export, SessionFormat
from ...storage.sql.temporary_files import LimitedFile, spool_errors
from . import export_formats
from .interface import ExportFormat, Losses
from .reading import embed_files, hold_in_memory, leave_files, write_session

_NDJSON = "application/x-ndjson"
_BLOCK_BYTES = 256 * 1024

_encode_lines = msgspec.json.Encoder().encode_lines


class Downloads:
    """Writes sessions in formats, each piece in a thread for all of them, so that other work goes on.

    One message with its files is in memory at a time, for all of them.
    """

    def __init__(self) -> None:
        self._executor = SerialExecutor()
        self._turn = asyncio.Lock()

    @cached_property
    def _formats(self) -> dict[str, ExportFormat]:
        # Late, because a daemon starts faster without what only pages need.
        return export_formats()

    async def download(
        self, storage: Storage, workspace: str, session_id: str, form: SessionFormat, *, files: bool
    ) -> Download:
        """A session in a format. The first block raises `SessionNotFound`."""
        name = session_id.lower()
        if form == "amplifierd":
            export = await storage.export_session(workspace, session_id, files=files)
            return Download(_lines(export), _NDJSON, f"{name}.ndjson")
        known = self._formats[form]
        place = embed_files(storage, workspace) if files and not known.has_files_beside else leave_files
        hold = partial(self._held, storage.temporary_space) if files else hold_in_memory
        blocks = write_session(known, storage, workspace, session_id, Losses(), place, self._executor.run, hold)
        # One session is one object, and not lines of them.
        media, suffix = (known.media, known.suffix) if known.is_document else ("application/json", ".json")
        return Download(blocks, media, f"{name}{suffix}")

    async def _held(self, space: TemporarySpace, make: Callable[[], Awaitable[bytes]]) -> AsyncGenerator[bytes, None]:
        """Make a block when it is its turn, and keep it in a temporary file until the client has read it."""
        with closing(LimitedFile(space)) as kept:
            async with self._turn:
                await asyncio.to_thread(kept.write, await make())
            with spool_errors():
                kept.file.seek(0)
                while block := await asyncio.to_thread(kept.file.read, _BLOCK_BYTES):
                    yield block


async def _lines(export: Export) -> AsyncGenerator[bytes, None]:
    async with aclosing(export.batches) as batches:
        async for lines in batches:
            yield _encode_lines(lines)
