"""`amplifierd export`, `import` and `cleanup`: the operations of the same names, directly on a database."""

import asyncio
import hashlib
import os
import sys
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import aclosing, contextmanager
from typing import IO

import click
import msgspec

from ..auth import DEFAULT_WORKSPACE
from ..contract import LineReader
from ..storage.model.errors import WorkspaceNotFound
from ..storage.model.interface import Storage
from ..storage.model.records import (
    CleanUp,
    CleanUpReport,
    Digest,
    Export,
    IdempotentRequest,
    ImportReport,
    OnConflict,
    Session,
)
from .output import STANDARD, writing

CHUNK_BYTES = 64 * 1024

_encode_lines = msgspec.json.Encoder().encode_lines


async def export_to(path: str, storage: Storage, workspace: str, *, files: bool) -> int:
    """Write every session of a workspace as NDJSON to a file, or to standard output for `-`. Returns their number.

    Shows progress. The output is on disk at the end. Raises `click.ClickException` if it cannot be written, and
    `WorkspaceNotFound`.
    """
    async with storage:
        await _refuse_unknown(storage, workspace)
        sessions = await storage.count_sessions(workspace)
        export = await storage.export_sessions(workspace, files=files)
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
def _output(path: str) -> Iterator[IO[bytes]]:
    try:
        with writing(path) as file:
            yield file
    except BrokenPipeError:
        # The reader has closed the pipe.
        raise
    except OSError as error:
        name = "standard output" if path == STANDARD else path
        raise click.ClickException(f"Cannot write the export to {name}: {error.strerror}.") from error


async def import_export(
    file: IO[bytes], storage: Storage, workspace: str, reader: LineReader, on_conflict: OnConflict
) -> ImportReport:
    """Write the sessions of an export into an open storage. Shows how much is read.

    An interrupted import continues if it is run again: its progress is recorded under a key made of the file's
    content, until it is complete.
    """
    digest = await asyncio.to_thread(_digest, file)
    once = IdempotentRequest(f"import {on_conflict} {digest.hexdigest()}", digest)
    size = os.fstat(file.fileno()).st_size - file.tell()
    with click.progressbar(length=size, label="Bytes read", file=sys.stderr) as bar:
        export = Export(reader.read(_chunks(file, bar.update)))
        report = await storage.import_sessions(workspace, export, on_conflict, once=once)
    # Importing the same file again must restore what was deleted since.
    await storage.forget_answer(workspace, once.key)
    return report


async def clean_up(storage: Storage, workspace: str, which: CleanUp) -> CleanUpReport:
    """Delete old sessions, or report them. Raises `WorkspaceNotFound`."""
    async with storage:
        await _refuse_unknown(storage, workspace)
        return await storage.clean_up_sessions(workspace, which)


def _digest(file: IO[bytes]) -> Digest:
    """The SHA-256 of the rest of a file, whose position does not change."""
    start = file.tell()
    digest = hashlib.sha256()
    while chunk := file.read(CHUNK_BYTES):
        digest.update(chunk)
    file.seek(start)
    return digest


async def _refuse_unknown(storage: Storage, workspace: str) -> None:
    # The default workspace always exists, and may be empty.
    if workspace != DEFAULT_WORKSPACE and not await storage.has_workspace(workspace):
        raise WorkspaceNotFound(workspace)


async def _chunks(file: IO[bytes], read: Callable[[int], None]) -> AsyncGenerator[bytes, None]:
    while chunk := await asyncio.to_thread(file.read, CHUNK_BYTES):
        yield chunk
        read(len(chunk))
