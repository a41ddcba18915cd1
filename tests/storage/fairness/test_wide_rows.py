"""A long message or context slows down only the requests for it."""

from pathlib import Path

import apsw
import pytest
from msgspec import Raw

from amplifierd.storage import open_storage
from amplifierd.storage.model.records import NewMessage, NewSession

W = "default"
LONG = "x" * (4 * 1024 * 1024)
# Reading a long text takes far more.
MAX_BYTES = 256 * 1024

LOOKUPS = {
    "message": "SELECT token_count FROM session_number CROSS JOIN message ON place = (number << 31) + 1"
    " WHERE session_id = ? AND workspace = 'default'",
    "session_detail": "SELECT error_details FROM session_detail WHERE session_id = ? AND workspace = 'default'",
}


def bytes_read_by(path: Path, statement: str, session_id: str) -> int:
    connection = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)
    before = bytes_read()
    assert len(connection.execute(statement, (session_id,)).fetchall()) == 1
    after = bytes_read()
    connection.close()
    return after - before


def bytes_read() -> int:
    """The number of bytes that the process has read from files and sockets so far (proc(5), io)."""
    name, count = Path("/proc/self/io").read_text().splitlines()[0].split(": ")
    assert name == "rchar"
    return int(count)


@pytest.mark.parametrize("table", LOOKUPS)
async def test_lookup_does_not_read_long_neighbours(tmp_path: Path, table: str) -> None:
    path = tmp_path / "a.db"
    async with open_storage(f"sqlite:///{path}") as storage:
        long_context, short_context = (Raw(b'{"a":"%b"}' % text.encode()) for text in (LONG, "x" * 500))
        ids = []
        for number in range(9):
            is_long = number % 2
            new = NewSession(context=long_context if is_long and table == "session_detail" else short_context)
            ids.append((await storage.create_session(W, new)).id)
            content = LONG if is_long and table == "message" else "x"
            await storage.append_message(W, ids[-1], NewMessage(role="user", content=content))
    assert max(bytes_read_by(path, LOOKUPS[table], session_id) for session_id in ids) < MAX_BYTES
