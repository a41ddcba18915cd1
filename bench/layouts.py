"""`python -m bench.layouts`: measures layouts of an SQLite table of messages, in bytes for each byte of text.

Each has the same messages: sessions of 50 messages, appended to 16 sessions in turn.

- `today`: the storage's layout: with a rowid and an index of an integer of session and sequence; the record has only
  the parts that SQL cannot restore, with the content escaped as in JSON;
- `place`: with that integer as the rowid, and content without escapes;
- `key`: with a rowid, whole records, and an index of workspace, session and sequence, as until schema 23;
- `no rowid`: in the tree of that key;
- `number`: with a rowid, whole records, and an index of an integer and the sequence.
"""

import json
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import apsw

from amplifierd.storage.values.uuid7 import derived_session_id

from .corpus import TOOL_OUTPUT_BYTES, texts, texts_of
from .fill import moment_of
from .report import log, table

_MESSAGES = 10_000
_LONGEST, _LONG_MESSAGES = 20_000, 1_000
_LENGTHS = (80, 325, 900, 2_000, _LONGEST)
_OF_A_SESSION = 50
_SESSIONS_AT_ONCE = 16
_PAGES = (4_096, 8_192, 16_384)
_MOMENT = "2025-11-21T19:33:19.192107Z"

_COLUMNS = "role TEXT, token_count INTEGER, usage TEXT, message_id TEXT, record TEXT"
_KEY = f"CREATE TABLE x (workspace TEXT, id TEXT, n INTEGER, {_COLUMNS}, PRIMARY KEY (workspace, id, n)) STRICT"
_NUMBERED = f"CREATE TABLE x (number INTEGER, n INTEGER, {_COLUMNS}, PRIMARY KEY (number, n)) STRICT"
_BARE = "role INTEGER, message_id TEXT, timestamp TEXT, rest TEXT, content TEXT"
_PLACED = f"CREATE TABLE x (place INTEGER PRIMARY KEY, {_BARE}) STRICT"
_INDEXED = f"CREATE TABLE x (place INTEGER UNIQUE, {_BARE}) STRICT"

_Values = tuple[object, ...]


def _by_key(number: int, sequence: int, text: str) -> _Values:
    return (
        "default",
        derived_session_id(moment_of(number), number),
        sequence,
        "user",
        0,
        None,
        None,
        _record(sequence, text),
    )


def _by_number(number: int, sequence: int, text: str) -> _Values:
    return number, sequence, "user", 0, None, None, _record(sequence, text)


def _placed(number: int, sequence: int, text: str) -> _Values:
    return number << 31 | sequence, 0, None, _MOMENT[2:-1], None, text


def _escaped(number: int, sequence: int, text: str) -> _Values:
    return _placed(number, sequence, json.dumps(text, ensure_ascii=False)[1:-1])


def _record(sequence: int, text: str) -> str:
    message = {"role": "user", "content": text, "timestamp": _MOMENT, "metadata": {}, "sequence": sequence}
    return json.dumps(message, ensure_ascii=False, separators=(",", ":"))


_LAYOUTS: dict[str, tuple[str, Callable[[int, int, str], _Values]]] = {
    "today": (_INDEXED, _escaped),
    "place": (_PLACED, _placed),
    "key": (_KEY, _by_key),
    "no rowid": (f"{_KEY}, WITHOUT ROWID", _by_key),
    "number": (_NUMBERED, _by_number),
}


def main() -> int:
    """Measure and print."""
    rows = []
    for name, texts_of_set in _sets():
        log(name)
        size = sum(len(text.encode()) for text in texts_of_set)
        for page in _PAGES:
            shares = [f"{_bytes(layout, page, texts_of_set) / size:.2f}" for layout in _LAYOUTS]
            rows.append((name, f"{size / len(texts_of_set):,.0f}", f"{page:,}", *shares))
    sys.stdout.write(f"{table(('characters', 'mean bytes', 'bytes of a page', *_LAYOUTS), rows)}\n")
    return 0


def _sets() -> Iterator[tuple[str, Sequence[str]]]:
    for length in _LENGTHS:
        yield str(length), texts_of(length, _LONG_MESSAGES if length == _LONGEST else _MESSAGES)
    corpus = texts(_MESSAGES)
    yield "talk", [text for text in corpus if len(text.encode()) < TOOL_OUTPUT_BYTES]
    yield "corpus", corpus


def _bytes(layout: str, page: int, contents: Sequence[str]) -> int:
    """The bytes of a table and its indexes."""
    schema, values = _LAYOUTS[layout]
    with tempfile.TemporaryDirectory() as folder:
        connection = apsw.Connection(str(Path(folder) / "a.db"))
        connection.pragma("page_size", page)
        connection.pragma("auto_vacuum", "incremental")
        connection.pragma("journal_mode", "off")
        connection.execute(f"{schema}; BEGIN")
        for (number, sequence), text in zip(_places(len(contents)), contents, strict=True):
            row = values(number, sequence, text)
            connection.execute(f"INSERT INTO x VALUES ({', '.join('?' * len(row))})", row)  # noqa: S608
        connection.execute("COMMIT")
        [(size,)] = connection.execute("SELECT SUM(pgsize) FROM dbstat WHERE name <> 'sqlite_schema'")
        connection.close()
    return int(size)


def _places(number: int) -> Iterator[tuple[int, int]]:
    """A number of pairs of a session's number and a sequence."""
    at_once = _OF_A_SESSION * _SESSIONS_AT_ONCE
    for place in range(number):
        group, turn = divmod(place, at_once)
        sequence, session = divmod(turn, _SESSIONS_AT_ONCE)
        yield group * _SESSIONS_AT_ONCE + session, sequence + 1


if __name__ == "__main__":
    sys.exit(main())
