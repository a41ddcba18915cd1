"""Checks that the bytes of files are those that were written, and that each chunk belongs to a file."""

import hashlib
from collections.abc import AsyncGenerator, AsyncIterable, Callable, Iterable

from ..model.maintenance import Finding
from ..operations.unit_of_work import UnitOfWork
from ..sql.ports import Bindings, Row
from ..sql.statements.files import CHUNKS
from ..sql.statements.integrity import STRAY_CHUNKS
from ..values.json_text import MAX_SAFE_INTEGER

FILES = """
SELECT workspace, id, size, content_id
FROM file
ORDER BY workspace, id
"""

REMOVE_LATER = """
INSERT INTO removal (workspace, session_id, lease_until)
VALUES (:workspace, :id, 0)
"""

# Runs a statement with bindings, and returns its rows one by one.
Read = Callable[[str, Bindings], AsyncIterable[Row]]


async def check_files(read: Read) -> AsyncGenerator[Finding, None]:
    """Faults of files; each file is read, one chunk at a time."""
    async for workspace, file_id, size, content_id in read(FILES, {}):
        digest, length = hashlib.sha256(), 0
        key: Bindings = {"workspace": workspace, "content_id": content_id, "first": 0, "last": MAX_SAFE_INTEGER}
        async for (chunk,) in read(CHUNKS, key):
            digest.update(chunk)
            length += len(chunk)
        if (digest.hexdigest(), length) != (file_id, size):
            text = f"File {file_id} of workspace {workspace} is damaged and cannot be recovered."
            yield Finding("file", text, workspace)
    async for workspace, content_id in read(STRAY_CHUNKS, {}):
        text = f"Workspace {workspace} has the bytes {content_id} of a file that is not there."
        yield Finding("file", text, workspace, content_id)


async def remove_stray_chunks(work: UnitOfWork, finding: Finding) -> str | None:
    """Let chunks without a file be removed; None if the fault of the file is another one."""
    if not finding.session_id:
        return None
    await work.run(REMOVE_LATER, work.key(finding.session_id))
    return "They are removed when the database is served next."


async def in_turn(rows: Iterable[Row]) -> AsyncGenerator[Row, None]:
    """Rows as an asynchronous generator, for a database that never waits."""
    for row in rows:
        yield row
