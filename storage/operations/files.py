"""Writes of files: their bytes in chunks, and the references from messages.

Like a session, a file is written in pieces, under an id of its chunks (see bulk/staging.py). It exists when all pieces
are written; after its deletion its chunks are removed in pieces (see bulk/removal.py).
"""

import hashlib
from collections.abc import Iterable, Sequence

import msgspec
from msgspec import UNSET, Raw

from ..model.errors import FileInUse, FileNotFound, FilesUnknown
from ..model.files import File
from ..model.part_records import file_ids_of
from ..model.records import Message
from ..sql.ports import Bindings, Row, Rows, Transaction
from ..sql.statements import files as statements
from ..sql.statements.sessions import Statements
from ..values.clock import DAY_SECONDS, after
from .bulk import staging
from .bulk.removal import CHUNKS_AT_ONCE
from .unit_of_work import UnitOfWork

# The time for which an upload keeps a file to which no message refers.
HELD_SECONDS = DAY_SECONDS
CHUNK_BYTES = 64 * 1024
FILES_AT_ONCE = 100
# The limit of messages that an error names.
MAX_NAMED = 10

_encode = msgspec.json.Encoder().encode


class Upload(msgspec.Struct, frozen=True):
    """A file that is being written; `content_id` is the id of its chunks, and the writer of their lease."""

    id: str
    content_id: str
    media: str
    name: str | None
    size: int

    def key(self, workspace: str) -> Bindings:
        """The bindings of a statement on its chunks."""
        return {"workspace": workspace, "id": self.content_id}


async def digest_of(rows: Rows, workspace: str, content_id: str) -> tuple[str, int]:
    """The SHA-256 of the stored chunks of a file, in hex, and their size in bytes; reads some chunks at a time."""
    digest, size, first = hashlib.sha256(), 0, 0
    key: Bindings = {"workspace": workspace, "content_id": content_id}
    while chunks := await rows.all(statements.CHUNKS, key | {"first": first, "last": first + CHUNKS_AT_ONCE - 1}):
        for (chunk,) in chunks:
            digest.update(chunk)
            size += len(chunk)
        first += CHUNKS_AT_ONCE
    return digest.hexdigest(), size


async def begin(work: UnitOfWork, upload: Upload, chunks: Sequence[bytes]) -> File | None:
    """Write the first chunks of a file. Returns the file if these are all, or if it exists already; None otherwise."""
    found = await _hold(work, upload.id)
    if found is not None:
        return found
    await _insert_chunks(work.transaction, upload.key(work.workspace), 0, chunks)
    if upload.size <= sum(map(len, chunks)):
        return await _insert(work, upload)
    await staging.begin(work.transaction, work.statements, upload.key(work.workspace), upload.content_id)
    return None


async def begin_all(work: UnitOfWork, uploads: Sequence[tuple[Upload, Sequence[bytes]]]) -> None:
    """Write short files, each with all of its chunks."""
    for upload, chunks in uploads:
        await begin(work, upload, chunks)


async def write_chunks(
    transaction: Transaction,
    of_database: Statements,
    upload: Upload,
    workspace: str,
    place: int,
    chunks: Sequence[bytes],
) -> None:
    """Write the next chunks, of which `place` is the first. Raises `StorageUnavailable` if the lease has ended."""
    await staging.renew(transaction, of_database, upload.key(workspace), upload.content_id)
    await _insert_chunks(transaction, upload.key(workspace), place, chunks)


async def finish(work: UnitOfWork, upload: Upload) -> File:
    """Complete a file, and return it. If another request has created it meanwhile, these chunks are removed.

    Raises `StorageUnavailable` if the lease has ended.
    """
    found = await _hold(work, upload.id)
    if found is not None:
        await staging.abandon(work.transaction, upload.key(work.workspace), upload.content_id)
        return found
    await staging.finish(work.transaction, upload.key(work.workspace), upload.content_id)
    return await _insert(work, upload)


async def delete(work: UnitOfWork, file_id: str) -> None:
    """Delete a file to which no message refers. Raises `FileNotFound`, `FileInUse`."""
    key: Bindings = {"workspace": work.workspace, "file_id": file_id}
    if await work.run(statements.FILE, key) is None:
        raise FileNotFound(file_id)
    references = await work.transaction.all(statements.REFERENCES, key | {"most": MAX_NAMED + 1})
    if references:
        raise FileInUse(file_id, references[:MAX_NAMED], has_more=len(references) > MAX_NAMED)
    await work.run(statements.DELETE_FILE, key)


async def expire(work: UnitOfWork) -> None:
    """Delete some of the files that have expired without a reference."""
    bindings: Bindings = {"workspace": work.workspace, "now": work.now, "most": FILES_AT_ONCE}
    await work.run(statements.KEEP_EXPIRED, bindings)
    await work.run(statements.DELETE_EXPIRED, bindings)


async def delete_some(work: UnitOfWork, moment: str) -> bool:
    """Delete some of the files without references that were created up to a moment; False if there were none."""
    bindings: Bindings = {"workspace": work.workspace, "now": moment, "most": FILES_AT_ONCE}
    return bool(await work.transaction.all(statements.DELETE_FILES, bindings))


async def refer(work: UnitOfWork, key: Bindings, messages: Iterable[Message], *, must_exist: bool) -> None:
    """Store the references of messages to files. Raises `FilesUnknown` if they `must_exist` and one does not."""
    found = [
        (message.sequence, file_id)
        for message in messages
        if isinstance(message.parts, Raw)
        for file_id in file_ids_of(message.parts)
    ]
    if not found:
        return
    ids = sorted({file_id for _, file_id in found})
    bindings = key | {
        "files": _encode(ids).decode(),
        "references": _encode([f"{file_id}{sequence}" for sequence, file_id in found]).decode(),
    }
    # From here on none of them is deleted, or kept for longer, before this transaction ends.
    existing = await work.transaction.all(work.statements.LOCK_FILES, bindings)
    if must_exist and len(existing) < len(ids):
        raise FilesUnknown(frozenset(ids).difference(file_id for file_id, _, _ in existing))
    held_once = [file_id for file_id, created_at, expires_at in existing if is_held_once(created_at, expires_at)]
    if held_once:
        await work.run(work.statements.KEEP_FILES, bindings | {"files": _encode(held_once).decode()})
    await work.run(work.statements.INSERT_REFERENCES, bindings)


def is_held_once(created_at: str, expires_at: str | None) -> bool:
    """Whether only the upload that created a file keeps it; messages of a second upload may not have arrived yet."""
    return expires_at is not None and expires_at == after(created_at, HELD_SECONDS)


def file_of(row: Row) -> File:
    """The file of a row of `FILE`, without the id of its chunks."""
    file_id, media, size, created_at, name, expires_at = row
    return File(
        file_id,
        f"/files/{file_id}",
        media,
        size,
        created_at,
        UNSET if name is None else name,
        UNSET if expires_at is None else expires_at,
    )


async def _hold(work: UnitOfWork, file_id: str) -> File | None:
    """Keep a file for another day, and return it; None if it does not exist."""
    held: Bindings = {"workspace": work.workspace, "file_id": file_id, "expires_at": after(work.now, HELD_SECONDS)}
    row = await work.run(statements.HOLD_FILE, held)
    return None if row is None else file_of(row)


async def _insert(work: UnitOfWork, upload: Upload) -> File:
    expires_at = after(work.now, HELD_SECONDS)
    bindings: Bindings = {
        "workspace": work.workspace,
        "file_id": upload.id,
        "content_id": upload.content_id,
        "media": upload.media,
        "name": upload.name,
        "size": upload.size,
        "now": work.now,
        "expires_at": expires_at,
    }
    await work.run(statements.INSERT_FILE, bindings)
    return file_of((upload.id, upload.media, upload.size, work.now, upload.name, expires_at))


async def _insert_chunks(transaction: Transaction, key: Bindings, place: int, chunks: Sequence[bytes]) -> None:
    for number, chunk in enumerate(chunks, place):
        await transaction.row(statements.INSERT_CHUNK, key | {"place": number, "bytes": chunk})
