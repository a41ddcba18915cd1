"""Files in storages with transactions."""

import asyncio
import hashlib
from collections.abc import AsyncGenerator
from contextlib import aclosing, closing, suppress
from functools import partial
from tempfile import SpooledTemporaryFile
from typing import Protocol
from uuid import uuid4

import msgspec

from ..model.errors import FileNotFound
from ..model.files import File, FileContent, Files, NewFile, TemporarySpace
from ..model.records import Listing, Progressed
from ..operations import files
from ..operations.bulk.removal import CHUNKS_AT_ONCE
from ..operations.files import CHUNK_BYTES, Upload
from ..sql.pages import decode_name, encode_name
from ..sql.ports import Bindings, Reader
from ..sql.statements import files as statements
from ..sql.temporary_files import TemporaryDisk, spool_errors
from ..values.clock import AFTER_LAST_MOMENT
from .transactions import Transactions

# The limits of memory: in chunks for each reader, in bytes for each upload.
CHUNKS_READ = 4
MEMORY_BYTES = 64 * 1024

_decode_file = msgspec.json.Decoder(File).decode


def _cursor_after(record: bytes) -> str:
    file = _decode_file(record)
    return encode_name(f"{file.created_at} {file.id}")


class TransactionalFiles(Transactions, Files):
    """Implements `Files`."""

    @property
    def temporary_space(self) -> TemporarySpace:
        return self._disk

    async def create_file(self, workspace: str, new: NewFile) -> File:
        with closing(FileSpool(self._disk)) as spool:
            async with aclosing(new.chunks) as chunks:
                async for chunk in chunks:
                    await asyncio.to_thread(spool.add, chunk)
            new.progressed()
            upload = Upload(spool.finish(), str(uuid4()), new.media, new.name, spool.size)
            return await self._write_file(workspace, upload, spool, new.progressed)

    async def _write_file(self, workspace: str, upload: Upload, spool: "FileChunks", progressed: Progressed) -> File:
        file = await self._paced(self._begin_file, workspace, upload, spool)
        try:
            while file is None:
                progressed()
                file = await self._paced(self._write_more, workspace, upload, spool)
        except BaseException:
            await self._abandon(workspace, (upload.content_id, upload.content_id))
            raise
        self._removals.wake()
        return file

    async def _begin_file(self, workspace: str, upload: Upload, spool: "FileChunks") -> File | None:
        return await self._change(workspace, files.begin, upload, await asyncio.to_thread(spool.read))

    async def _write_more(self, workspace: str, upload: Upload, spool: "FileChunks") -> File | None:
        place = spool.place
        chunks = await asyncio.to_thread(spool.read)
        if not chunks:
            return await self._change(workspace, files.finish, upload)
        await self._transact(files.write_chunks, self.statements, upload, workspace, place, chunks)
        return None

    async def read_file(self, workspace: str, file_id: str) -> FileContent:
        row = await self._rows.row(statements.FILE, {"workspace": workspace, "file_id": file_id})
        if row is None:
            raise FileNotFound(file_id)
        key: Bindings = {"workspace": workspace, "content_id": row[-1]}
        return FileContent(files.file_of(row[:-1]), partial(self._blocks, file_id, key))

    async def _blocks(self, file_id: str, key: Bindings, first: int, last: int) -> AsyncGenerator[bytes, None]:
        end = last // CHUNK_BYTES
        for place in range(first // CHUNK_BYTES, end + 1, CHUNKS_READ):
            bindings = key | {"first": place, "last": min(place + CHUNKS_READ - 1, end)}
            block = await self._read(partial(_chunks, bindings))
            begin = place * CHUNK_BYTES
            # No lock is held between two blocks: the file may be deleted meanwhile, its first chunks first.
            if len(block) < min(last + 1 - begin, CHUNKS_READ * CHUNK_BYTES):
                raise FileNotFound(file_id)
            yield block[max(0, first - begin) : last + 1 - begin]

    async def list_files(self, workspace: str, *, limit: int | None = None, cursor: str | None = None) -> Listing:
        at, _, file_id = (AFTER_LAST_MOMENT if cursor is None else decode_name(cursor)).partition(" ")
        statement = statements.file_list(self.dialect)
        bindings: Bindings = {
            "workspace": workspace,
            "at": at,
            "file_id": file_id,
        }
        if limit is None:
            return await self._listing(statement, bindings | {"limit": self.dialect.no_limit})
        return await self._page(statement, bindings, limit, _cursor_after)

    async def delete_file(self, workspace: str, file_id: str) -> None:
        await self._delete(workspace, files.delete, file_id)
        self._removals.wake()

    async def _expire_files(self, bindings: Bindings) -> bool:
        """Delete some files that have expired. Returns False if there were none."""
        row = await self._rows.row(statements.EXPIRED_FILE, {"now": bindings["now"]})
        if row is None:
            return False
        await self._delete(str(row[0]), files.expire)
        self._removals.wake()
        return True


class FileChunks(Protocol):
    """The bytes of a file to write, read in chunks."""

    @property
    def place(self) -> int:
        """The number of chunks read so far."""

    def read(self) -> list[bytes]:
        """The next chunks, none at the end."""


class FileSpool:
    """The bytes of an upload: `add` all, then `finish`, then `read` them in chunks."""

    def __init__(self, disk: TemporaryDisk) -> None:
        self.size = 0
        # The number of chunks read so far.
        self.place = 0
        self._disk = disk
        self._digest = hashlib.sha256()
        self._file = SpooledTemporaryFile[bytes](max_size=MEMORY_BYTES)  # `close` closes it

    def add(self, chunk: bytes) -> None:
        """Add bytes. Raises `StorageUnavailable` if the temporary disk space is used up."""
        self._disk.take(len(chunk))
        self.size += len(chunk)
        self._digest.update(chunk)
        with spool_errors():
            self._file.write(chunk)

    def finish(self) -> str:
        """Prepare for reading. Returns the SHA-256 of all bytes, in hex."""
        with spool_errors():
            self._file.seek(0)
        return self._digest.hexdigest()

    def read(self) -> list[bytes]:
        """The next chunks, none at the end."""
        piece = self._file.read(CHUNKS_AT_ONCE * CHUNK_BYTES)
        chunks = [piece[start : start + CHUNK_BYTES] for start in range(0, len(piece), CHUNK_BYTES)]
        self.place += len(chunks)
        return chunks

    def close(self) -> None:
        """Delete the temporary file."""
        # On a full disk closing fails, because the buffer cannot be written; it is not needed any more.
        with suppress(OSError):
            self._file.close()
        self._disk.release(self.size)
        self.size = 0


async def _chunks(bindings: Bindings, rows: Reader) -> bytes:
    return b"".join(chunk for (chunk,) in await rows.all(statements.CHUNKS, bindings))
