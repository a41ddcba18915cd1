"""`amplifierd export`, `import` and `cleanup`: what the operations of those names do, on a database itself."""

import asyncio
import hashlib
import os
import shutil
import sys
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import aclosing, contextmanager
from tempfile import TemporaryFile
from typing import IO, BinaryIO

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
def _output(path: str) -> Iterator[IO[bytes]]:
    try:
        with writing(path) as file:
            yield file
    except BrokenPipeError:
        # Who read it has enough.
        raise
    except OSError as error:
        name = "the standard output" if path == STANDARD else path
        raise click.ClickException(f"The export can't be written to {name}: {error.strerror}.") from error


async def import_from(
    file: BinaryIO, storage: Storage, workspace: str, reader: LineReader, on_conflict: OnConflict
) -> ImportReport:
    """Write the sessions of an export. Shows how far reading it is.

    One that was broken off goes on where it was: what is written is recorded under a key made of the file's content,
    until all of it is.
    """
    with _seekable(file) as whole:
        digest = await asyncio.to_thread(_digest, whole)
        once = IdempotentRequest(f"import {on_conflict} {digest.hexdigest()}", digest)
        size = os.fstat(whole.fileno()).st_size - whole.tell()
        async with storage:
            with click.progressbar(length=size, label="Bytes read", file=sys.stderr) as bar:
                export = Export(reader.read(_chunks(whole, bar.update)))
                report = await storage.import_sessions(workspace, export, on_conflict, once=once)
            # Whoever imports the same again wants what is gone since then.
            await storage.forget_answer(workspace, once.key)
            return report


async def clean_up(storage: Storage, workspace: str, which: CleanUp) -> CleanUpReport:
    """Delete old sessions, or say which they are. Raises `WorkspaceNotFound`."""
    async with storage:
        await _refuse_unknown(storage, workspace)
        return await storage.clean_up_sessions(workspace, which)


def _digest(file: IO[bytes]) -> Digest:
    """What tells the rest of a file from another; it is read again from where it was."""
    start = file.tell()
    digest = hashlib.sha256()
    while chunk := file.read(CHUNK_BYTES):
        digest.update(chunk)
    file.seek(start)
    return digest


@contextmanager
def _seekable(file: BinaryIO) -> Iterator[IO[bytes]]:
    """The file itself, or a temporary one that has what a pipe brought."""
    if file.seekable():
        yield file
        return
    with TemporaryFile() as copied:
        shutil.copyfileobj(file, copied)
        copied.seek(0)
        yield copied


async def _refuse_unknown(storage: Storage, workspace: str) -> None:
    # The default one is there from the start, and may be empty.
    if workspace != DEFAULT_WORKSPACE and not await storage.has_workspace(workspace):
        raise WorkspaceNotFound(workspace)


async def _chunks(file: IO[bytes], read: Callable[[int], None]) -> AsyncGenerator[bytes, None]:
    while chunk := await asyncio.to_thread(file.read, CHUNK_BYTES):
        yield chunk
        read(len(chunk))
