"""`amplifierd export`, `import` and `cleanup`: what the operations of those names do, on a database itself."""

import asyncio
import sys
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from typing import BinaryIO

import click
import msgspec

from .contract import LineReader
from .storage.interface import Storage
from .storage.records import CleanUp, CleanUpReport, Export, ImportReport, OnConflict, Session

CHUNK_BYTES = 64 * 1024

_encode_lines = msgspec.json.Encoder().encode_lines


async def export_to(file: BinaryIO, storage: Storage, workspace: str) -> int:
    """Write every session of a workspace as NDJSON; how many there were. Shows how far it is."""
    async with storage:
        sessions = await storage.count_sessions(workspace)
        export = await storage.export_sessions(workspace)
        exported = 0
        with click.progressbar(length=sessions, label="Sessions exported", file=sys.stderr) as bar:
            async with aclosing(export.batches) as batches:
                async for lines in batches:
                    await asyncio.to_thread(file.write, _encode_lines(lines))
                    found = sum(isinstance(line.session, Session) for line in lines)
                    exported += found
                    bar.update(found)
        return exported


async def import_from(
    file: BinaryIO, size: int | None, storage: Storage, workspace: str, reader: LineReader, on_conflict: OnConflict
) -> ImportReport:
    """Write the sessions of an export of so many bytes, None where that is not known. Shows how far reading it is."""
    async with storage:
        with click.progressbar(length=size or 0, label="Bytes read", file=sys.stderr, hidden=size is None) as bar:
            export = Export(reader.read(_chunks(file, bar.update)))
            return await storage.import_sessions(workspace, export, on_conflict)


async def clean_up(storage: Storage, workspace: str, which: CleanUp) -> CleanUpReport:
    """Delete old sessions, or say which they are."""
    async with storage:
        return await storage.clean_up_sessions(workspace, which)


async def _chunks(file: BinaryIO, read: Callable[[int], None]) -> AsyncGenerator[bytes, None]:
    while chunk := await asyncio.to_thread(file.read, CHUNK_BYTES):
        yield chunk
        read(len(chunk))
