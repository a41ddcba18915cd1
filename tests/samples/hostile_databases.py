"""SQLite databases that take far more time or memory than their size suggests."""

import json
import struct
from contextlib import closing
from pathlib import Path

from samples.opencode_database import add_message, fill_opencode

_PAGE = 4096
_CELLS = 40
_DEPTH = 11


def with_endless_index(path: Path, padding: int = 0, name: str = "shortest") -> Path:
    """A database of opencode with an index that SQLite prefers, each of whose pages refers to the next page 41 times.

    `padding` zero bytes follow.
    """
    with closing(fill_opencode(path)) as database:
        database.execute(f"CREATE INDEX {name} ON message (session_id)")
        database.execute("ANALYZE")
        database.execute("DELETE FROM sqlite_stat1")
        database.execute("INSERT INTO sqlite_stat1 VALUES ('message', ?, '1000000 1')", (name,))
        database.execute("CREATE TABLE padding (bytes)")
        database.execute("INSERT INTO padding VALUES (zeroblob(?))", (2 * _DEPTH * _PAGE,))
        for _ in range(padding // 2**20):
            database.execute("INSERT INTO padding VALUES (zeroblob(1048576))")
        root = database.execute("SELECT rootpage FROM sqlite_schema WHERE name = ?", (name,)).fetchone()[0]
    pages = path.stat().st_size // _PAGE
    chain = [root, *range(pages - _DEPTH + 1, pages + 1)]
    with path.open("r+b") as file:
        for place, page in enumerate(chain):
            file.seek((page - 1) * _PAGE)
            file.write(_index_page(chain[place + 1] if place + 1 < len(chain) else None))
    return path


def _index_page(child: int | None) -> bytes:
    """An index page whose entries are all the first row of `ses_1`, and all have the same child."""
    key = b"ses_1"
    # A header of three bytes: for a text and for the integer 1.
    record = bytes([3, 13 + 2 * len(key), 9]) + key
    leads = b"" if child is None else struct.pack(">I", child)
    cell = leads + bytes([len(record)]) + record
    places = [_PAGE - len(cell) * (number + 1) for number in range(_CELLS)]
    head = struct.pack(">BHHHB", 10 if child is None else 2, 0, _CELLS, places[-1], 0) + leads
    head += b"".join(struct.pack(">H", place) for place in places)
    return head.ljust(places[-1], b"\0") + cell * _CELLS


def with_long_default(path: Path, messages: int = 1_500, size: int = 600_000) -> Path:
    """A database of opencode whose parts lack a column that has a long default."""
    with closing(fill_opencode(path)) as database:
        database.execute("BEGIN")
        for number in range(10, messages):
            add_message(database, number, {"role": "user"})
        database.execute("DROP TABLE part")
        database.execute("CREATE TABLE part (id TEXT, message_id TEXT)")
        database.execute("INSERT INTO part SELECT id, id FROM message")
        text = json.dumps({"type": "text", "text": "x" * size})
        database.execute(f"ALTER TABLE part ADD COLUMN data TEXT DEFAULT '{text}'")
        database.execute("COMMIT")
    return path
