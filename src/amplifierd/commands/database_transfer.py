"""`amplifierd import` and `cleanup`: the operations `importSessions` and `cleanUpSessions` directly on a database."""

import asyncio
import hashlib
import os
from collections.abc import AsyncGenerator, Callable
from typing import IO

from ..auth import DEFAULT_WORKSPACE
from ..contract import LineReader, line_reader, load_document
from ..settings import CONTRACT
from ..storage.model.errors import WorkspaceNotFound
from ..storage.model.interface import Storage
from ..storage.model.records import (
    AlreadyApplied,
    CleanUp,
    DeletionReport,
    Digest,
    Export,
    IdempotentRequest,
    ImportReport,
    OnConflict,
)
from .output import progress_bar

CHUNK_BYTES = 64 * 1024
# A file on the command line is on this machine already; the limit is for a file without line breaks.
MAX_LINE = 1024 * 1024 * 1024


async def import_export(
    file: IO[bytes], storage: Storage, workspace: str, reader: LineReader, on_conflict: OnConflict
) -> ImportReport:
    """Write the sessions of an export into an open storage. Shows the progress of reading and writing.

    An interrupted import continues if it is run again: its progress is recorded under a key made of the file's
    content, until it is complete.
    """
    digest = await asyncio.to_thread(_digest, file)
    once = IdempotentRequest(f"import {on_conflict} {digest.hexdigest()}", digest)
    size = os.fstat(file.fileno()).st_size - file.tell()
    with progress_bar("Read and written") as show:
        export = Export(
            reader.read(_chunks(file, lambda read: show(read, 2 * size))),
            written=lambda share: show(size + int(share * size), 2 * size),
        )
        try:
            report = await storage.import_sessions(workspace, export, on_conflict, once=once)
        except AlreadyApplied as recorded:
            # An earlier run wrote it, and ended before it removed the key.
            report = recorded.response
    # Importing the same file again must restore sessions that were deleted since.
    await storage.forget_response(workspace, once.key)
    return report


def lines_of_exports() -> LineReader:
    """Reads the lines of exports by the rules of the contract."""
    return line_reader(load_document(CONTRACT), MAX_LINE)


async def clean_up(storage: Storage, workspace: str, criteria: CleanUp) -> DeletionReport:
    """Delete old sessions, or report them. Raises `WorkspaceNotFound`."""
    async with storage:
        await refuse_unknown(storage, workspace)
        return await storage.clean_up_sessions(workspace, criteria)


def _digest(file: IO[bytes]) -> Digest:
    """The SHA-256 of the rest of a file; restores the position of the file."""
    start = file.tell()
    digest = hashlib.sha256()
    while chunk := file.read(CHUNK_BYTES):
        digest.update(chunk)
    file.seek(start)
    return digest


async def refuse_unknown(storage: Storage, workspace: str) -> None:
    """Raises `WorkspaceNotFound`."""
    # The default workspace always exists, and may be empty.
    if workspace != DEFAULT_WORKSPACE and not await storage.has_workspace(workspace):
        raise WorkspaceNotFound(workspace)


async def _chunks(file: IO[bytes], read: Callable[[int], None]) -> AsyncGenerator[bytes, None]:
    """The chunks of a file; calls `read` with the number of bytes read so far."""
    position = 0
    while chunk := await asyncio.to_thread(file.read, CHUNK_BYTES):
        yield chunk
        position += len(chunk)
        read(position)
