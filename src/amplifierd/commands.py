"""`amplifierd export`, `import` and `cleanup`: what the operations of those names do, on a database itself."""

import asyncio
import os
import stat
import sys
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import aclosing, contextmanager
from typing import BinaryIO

import click
import msgspec

from .contract import LineReader
from .keyring import DEFAULT_WORKSPACE
from .storage.errors import WorkspaceNotFound
from .storage.interface import Storage
from .storage.records import CleanUp, CleanUpReport, Export, ImportReport, OnConflict, Session

CHUNK_BYTES = 64 * 1024

_encode_lines = msgspec.json.Encoder().encode_lines


async def export_to(path: str, storage: Storage, workspace: str) -> int:
    """Write every session of a workspace as NDJSON to a file, `-` is the standard output; how many there were.

    Shows how far it is. What it has written is on disk. Raises `click.ClickException` where that can't be, and
    `WorkspaceNotFound`.
    """
    async with storage:
        await _refuse_unknown(storage, workspace)
        sessions = await storage.count_sessions(workspace)
        export = await storage.export_sessions(workspace)
        exported = 0
        with (
            click.progressbar(length=sessions, label="Sessions exported", file=sys.stderr) as bar,
            _output(path) as file,
        ):
            async with aclosing(export.batches) as batches:
                async for lines in batches:
                    await asyncio.to_thread(file.write, _encode_lines(lines))
                    found = sum(isinstance(line.session, Session) for line in lines)
                    exported += found
                    bar.update(found)
        return exported


@contextmanager
def _output(path: str) -> Iterator[BinaryIO]:
    is_standard = path == "-"
    try:
        target = sys.stdout.fileno() if is_standard else path
        with open(target, "wb", closefd=not is_standard) as file:
            yield file
            file.flush()
            if stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                os.fsync(file.fileno())
    except BrokenPipeError:
        # Who read it has enough.
        raise
    except OSError as error:
        name = "the standard output" if is_standard else path
        raise click.ClickException(f"The export can't be written to {name}: {error.strerror}.") from error


async def import_from(
    file: BinaryIO, size: int | None, storage: Storage, workspace: str, reader: LineReader, on_conflict: OnConflict
) -> ImportReport:
    """Write the sessions of an export of so many bytes, None where that is not known. Shows how far reading it is."""
    async with storage:
        with click.progressbar(length=size or 0, label="Bytes read", file=sys.stderr, hidden=size is None) as bar:
            export = Export(reader.read(_chunks(file, bar.update)))
            return await storage.import_sessions(workspace, export, on_conflict)


async def clean_up(storage: Storage, workspace: str, which: CleanUp) -> CleanUpReport:
    """Delete old sessions, or say which they are. Raises `WorkspaceNotFound`."""
    async with storage:
        await _refuse_unknown(storage, workspace)
        return await storage.clean_up_sessions(workspace, which)


async def _refuse_unknown(storage: Storage, workspace: str) -> None:
    # The default one is there from the start, and may be empty.
    if workspace != DEFAULT_WORKSPACE and not await storage.has_workspace(workspace):
        raise WorkspaceNotFound(workspace)


async def _chunks(file: BinaryIO, read: Callable[[int], None]) -> AsyncGenerator[bytes, None]:
    while chunk := await asyncio.to_thread(file.read, CHUNK_BYTES):
        yield chunk
        read(len(chunk))
