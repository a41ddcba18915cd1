"""Files, each with its bytes in memory."""

import hashlib
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing

from msgspec import UNSET
from msgspec.structs import replace

from ..model.errors import FileNotFound
from ..model.files import File, FileContent, Files, NewFile, TemporarySpace
from ..model.records import Listing
from ..operations.files import HELD_SECONDS
from ..sql.pages import decode_name, encode_name, page_of
from ..values.clock import AFTER_LAST_MOMENT, after
from .access import BLOCK_BYTES, MemoryAccess, Work, encode, listing
from .contents import StoredFile, Workspace


class MemoryFiles(MemoryAccess, Files):
    """Implements `Files`."""

    @property
    def temporary_space(self) -> TemporarySpace:
        return self._disk

    async def create_file(self, workspace: str, new: NewFile) -> File:
        async with aclosing(new.chunks) as chunks:
            content = b"".join([chunk async for chunk in chunks])
        new.progressed()
        return await self._write(workspace, None, lambda work: store_file(work, content, new.media, new.name))

    async def read_file(self, workspace: str, file_id: str) -> FileContent:
        stored = await self._workspace(workspace)
        file = stored.file(file_id)
        return FileContent(file.record, _reading(stored, file))

    async def list_files(self, workspace: str, *, limit: int | None = None, cursor: str | None = None) -> Listing:
        stored = await self._workspace(workspace)
        at, _, file_id = (AFTER_LAST_MOMENT if cursor is None else decode_name(cursor)).partition(" ")
        places = {(file.record.created_at, file.record.id): file.record for file in stored.files.values()}
        found = [places[place] for place in sorted(places, reverse=True) if place < (at, file_id)]
        if limit is None:
            return listing(found)
        page, is_followed = page_of([*map(encode, found[: limit + 1])], limit)
        if not is_followed:
            return Listing(b",".join(page))
        last = found[len(page) - 1]
        return Listing(b",".join(page), next_cursor=encode_name(f"{last.created_at} {last.id}"))

    async def delete_file(self, workspace: str, file_id: str) -> None:
        def delete(work: Work) -> None:
            work.workspace.file(file_id)
            work.workspace.refuse_in_use(file_id)
            del work.workspace.files[file_id]

        await self._write(workspace, None, delete)


def store_file(work: Work, content: bytes, media: str, name: str | None) -> File:
    """Store a file, or keep the file with the same bytes for longer. Returns the file."""
    file_id = hashlib.sha256(content).hexdigest()
    expires_at = after(work.now, HELD_SECONDS)
    existing = work.workspace.files.get(file_id)
    if existing is not None:
        existing.record = replace(existing.record, expires_at=expires_at)
        return existing.record
    record = File(
        file_id,
        f"/files/{file_id}",
        media,
        len(content),
        work.now,
        UNSET if name is None else name,
        expires_at,
    )
    work.workspace.files[file_id] = StoredFile(record, content)
    return record


def _reading(workspace: Workspace, file: StoredFile) -> Callable[[int, int], AsyncGenerator[bytes, None]]:
    async def read(first: int, last: int) -> AsyncGenerator[bytes, None]:
        for start in range(first, last + 1, BLOCK_BYTES):
            if workspace.files.get(file.record.id) is not file:
                raise FileNotFound(file.record.id)
            yield file.content[start : min(start + BLOCK_BYTES, last + 1)]

    return read
