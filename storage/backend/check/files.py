"""Checks that the bytes of files are unchanged, and that each chunk belongs to a file."""

import hashlib
from collections.abc import AsyncGenerator, AsyncIterable, Callable, Iterable

from msgspec import UNSET

from ...model.database_errors import ReadLine
from ...model.files import UNKNOWN_MEDIA
from ...model.maintenance import Finding
from ...model.records import ExportFile, ExportLine
from ...operations.files import digest_of
from ...operations.transfer.import_rules import is_valid
from ...operations.unit_of_work import UnitOfWork
from ...sql.ports import Bindings, Row
from ...sql.statements.files import CHUNKS, INSERT_FILE
from ...sql.statements.integrity import STRAY_CHUNKS
from ...values.json_text import MAX_SAFE_INTEGER

FILES = """
SELECT workspace, id, size, content_id, media, name
FROM file
ORDER BY workspace, id
"""

IS_REFERRED_TO = """
SELECT 1
FROM file_reference
WHERE workspace = :workspace
    AND file_id = :file_id
    AND NOT EXISTS (
        SELECT 1
        FROM file
        WHERE file.workspace = file_reference.workspace
            AND file.id = file_reference.file_id
    )
LIMIT 1
"""

REMOVE_LATER = """
INSERT INTO removal (workspace, session_id, lease_until)
VALUES (:workspace, :id, 0)
"""

# Runs a statement with bindings, and returns its rows one by one.
Read = Callable[[str, Bindings], AsyncIterable[Row]]


async def check_files(read: Read, read_line: ReadLine) -> AsyncGenerator[Finding, None]:
    """Find damaged and lost files. Reads every file, one chunk at a time; `read_line` refuses damaged records."""
    async for workspace, file_id, size, content_id, media, name in read(FILES, {}):
        line = ExportLine(file=ExportFile(file_id, media, size, UNSET if name is None else name))
        if not is_valid(line, read_line):
            text = f"File {file_id} of workspace {workspace} has a damaged id, type or name."
            yield Finding("file", text, workspace)
        if await _digest(read, workspace, content_id) != (file_id, size):
            text = f"File {file_id} of workspace {workspace} is damaged and cannot be recovered."
            yield Finding("file", text, workspace)
    async for workspace, content_id in read(STRAY_CHUNKS, {}):
        file_id, _ = await _digest(read, workspace, content_id)
        text = f"Workspace {workspace} has the bytes {content_id} of a file that does not exist."
        if [row async for row in read(IS_REFERRED_TO, {"workspace": workspace, "file_id": file_id})]:
            text = f"File {file_id} of workspace {workspace} has lost its type and name, but messages refer to it."
        yield Finding("file", text, workspace, content_id)


async def _digest(read: Read, workspace: str, content_id: str) -> tuple[str, int]:
    """The SHA-256 of the chunks of a file, in hex, and their total size."""
    digest, length = hashlib.sha256(), 0
    key: Bindings = {"workspace": workspace, "content_id": content_id, "first": 0, "last": MAX_SAFE_INTEGER}
    async for (chunk,) in read(CHUNKS, key):
        digest.update(chunk)
        length += len(chunk)
    return digest.hexdigest(), length


async def repair_file(work: UnitOfWork, finding: Finding) -> str | None:
    """Restore a file from its chunks if messages refer to it; otherwise schedule the removal of the chunks.

    Returns a sentence about the repair, None if the file has another fault.
    """
    content_id = finding.session_id
    if not content_id:
        return None
    file_id, size = await digest_of(work.transaction, work.workspace, content_id)
    key: Bindings = {"workspace": work.workspace, "file_id": file_id}
    if await work.run(IS_REFERRED_TO, key) is None:
        await work.run(REMOVE_LATER, work.key(content_id))
        return "They will be removed when a daemon next serves the database."
    lost: Bindings = {"media": UNKNOWN_MEDIA, "name": None, "expires_at": None}
    await work.run(INSERT_FILE, key | lost | {"content_id": content_id, "size": size, "now": work.now})
    return f"It was restored as {UNKNOWN_MEDIA}, without a name."


async def as_async(rows: Iterable[Row]) -> AsyncGenerator[Row, None]:
    """Rows as an asynchronous generator, from a database that returns them without waiting."""
    for row in rows:
        yield row
