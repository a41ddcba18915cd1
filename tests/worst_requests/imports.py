"""The most expensive files to import."""

import io
import json
import sqlite3
import tempfile
import zipfile
from contextlib import closing
from pathlib import Path
from typing import Any

from worst_requests.clients import KIB, MIB, NDJSON, OCTETS, Ask
from worst_requests.data import Data


def lines_without_end(_data: Data) -> list[Ask]:
    beginning = b'{"header":{"format":"amplifierd-export","version":1}}\n{"message":"'
    body = [beginning, *[b"x" * (64 * KIB)] * 256]
    return [Ask("POST", "/import", body, NDJSON, reads=False, repeats=False) for _ in range(100)]


def empty_lines(_data: Data) -> Ask:
    return Ask("POST", "/import", b"\n" * (8 * MIB), NDJSON)


def file_without_end(_data: Data) -> list[Ask]:
    file = {"id": "0" * 64, "media": "text/plain", "size": 2**53 - 1}
    lines = [{"header": {"format": "amplifierd-export", "version": 2}}, {"file": file}]
    beginning = "".join(json.dumps(line) + "\n" for line in lines).encode()
    body = [beginning, *[b'{"chunk":{"data":"' + b"A" * 87_384 + b'"}}\n'] * 200]
    return [Ask("POST", "/import", body, NDJSON, reads=False, repeats=False) for _ in range(32)]


def bomb(_data: Data) -> Ask:
    """An archive of 255 MiB of brackets, in 256 KiB."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive, archive.open("a.json", "w") as file:
        for _ in range(255):
            file.write(b"[" * MIB)
    return Ask("POST", "/import?format=chatgpt", packed.getvalue(), OCTETS)


def history_in_one_line(_data: Data) -> Ask:
    body = [b'{"messages":[{"role":"user","content":"', *[b"x" * (64 * KIB)] * (43 * 16), b'"}]}']
    return Ask("POST", "/import?format=auto", body, OCTETS)


def history_of_small_values(_data: Data) -> Ask:
    """Values that take about a hundred times their length in memory."""
    return Ask("POST", "/import?format=auto", b'{"messages":[' + b"[[]]," * (6 * MIB) + b"0]}", OCTETS)


def history_of_branches(_data: Data) -> Ask:
    """A conversation of 900 branches that share 900 messages, which is a million lines of an export."""
    lines = [_code_line(f"a{number}", f"a{number - 1}" if number else None) for number in range(900)]
    lines += [_code_line(f"b{number}", "a899") for number in range(900)]
    return Ask("POST", "/import?format=auto", "\n".join(map(json.dumps, lines)).encode(), OCTETS)


def history_of_open_elements(_data: Data) -> Ask:
    """Prompts of Codex that begin an element, as those do that a program wrote, and never end it."""
    prompt = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "<" + "a" * MIB}]}
    lines = [{"type": "session_meta", "payload": {"id": "5c2f6a54-3333-4000-8000-000000000001"}}]
    lines += [{"type": "response_item", "payload": prompt}] * 8
    body = "\n".join(json.dumps({"timestamp": "2026-03-01T10:00:00.000Z", **line}) for line in lines)
    return Ask("POST", "/import?format=codex", body.encode(), OCTETS)


def _code_line(uuid: str, parent: str | None) -> dict[str, Any]:
    message = {"role": "user", "content": "x"}
    return {"type": "user", "uuid": uuid, "parentUuid": parent, "sessionId": "s", "message": message}


def hostile_database(_data: Data) -> Ask:
    """A log of llm with rows of 60 MB, which SQLite computes and sorts."""
    with tempfile.TemporaryDirectory() as folder, closing(sqlite3.connect(f"{folder}/a.db")) as database:
        database.executescript(
            """
            CREATE TABLE conversations (id TEXT, name TEXT, model TEXT);
            CREATE TABLE responses (id, conversation_id, datetime_utc, response TEXT AS (hex(zeroblob(30000000))));
            WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 1000)
            INSERT INTO responses (id) SELECT i FROM n;
            """
        )
        database.commit()
        return Ask("POST", "/import?format=auto", Path(folder, "a.db").read_bytes(), OCTETS)
