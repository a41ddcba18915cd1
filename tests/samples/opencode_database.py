"""Small samples of opencode's database, and of the files that it wrote before version 1.2."""

import json
import sqlite3
from contextlib import closing
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

Object = dict[str, Any]

TIME = 1_780_000_000_000
_SCHEMA = """
    CREATE TABLE `project` (`id` text PRIMARY KEY, `worktree` text NOT NULL);
    CREATE TABLE `session` (`id` text PRIMARY KEY, `project_id` text NOT NULL, `parent_id` text, `slug` text NOT NULL,
        `directory` text NOT NULL, `title` text NOT NULL, `version` text NOT NULL, `revert` text,
        `time_created` integer NOT NULL, `time_updated` integer NOT NULL, `time_archived` integer);
    CREATE TABLE `message` (`id` text PRIMARY KEY, `session_id` text NOT NULL, `time_created` integer NOT NULL,
        `time_updated` integer NOT NULL, `data` text NOT NULL);
    CREATE TABLE `part` (`id` text PRIMARY KEY, `message_id` text NOT NULL, `session_id` text NOT NULL,
        `time_created` integer NOT NULL, `time_updated` integer NOT NULL, `data` text NOT NULL);
"""
_TOKENS = {"input": 20, "output": 10, "reasoning": 4, "cache": {"read": 100, "write": 30}}
ANSWER: Object = {
    "role": "assistant",
    "parentID": "msg_1",
    "modelID": "claude-sonnet-4-5",
    "providerID": "anthropic",
    "path": {"cwd": "/home/ada/atlas", "root": "/home/ada/atlas"},
    "cost": 0.01,
    "tokens": _TOKENS,
    "time": {"created": TIME + 1_000, "completed": TIME + 9_000},
}
READ: Object = {
    "type": "tool",
    "callID": "call_1",
    "tool": "read",
    "state": {
        "status": "completed",
        "input": {"filePath": "a.txt"},
        "output": "one",
        "title": "a.txt",
        "metadata": {"lines": 1},
        "time": {"start": TIME + 2_000, "end": TIME + 3_000},
        "attachments": [{"type": "file", "mime": "image/png", "url": "data:image/png;base64,iVBORw=="}],
    },
}


def add_message(
    database: sqlite3.Connection, number: int, data: Object, *parts: Object, session: str = "ses_1"
) -> None:
    """Add a message with its parts to a session."""
    times = (TIME + number, TIME + number)
    database.execute("INSERT INTO message VALUES (?, ?, ?, ?, ?)", (f"msg_{number}", session, *times, json.dumps(data)))
    for place, part in enumerate(parts):
        row = (f"prt_{number}_{place}", f"msg_{number}", session, *times, json.dumps(part))
        database.execute("INSERT INTO part VALUES (?, ?, ?, ?, ?, ?)", row)


def fill_opencode(path: Path, *, journal: str = "delete") -> sqlite3.Connection:
    """Write the database to a path. Returns the open connection."""
    database = sqlite3.connect(path, isolation_level=None)
    database.execute(f"PRAGMA journal_mode = {journal}")
    database.executescript(_SCHEMA)
    for key, parent, archived in (("ses_1", None, None), ("ses_2", "ses_1", TIME)):
        values = ("4f2a", parent, "slug", "/home/ada/atlas", f"Files of {key}", "1.2.0", None, TIME, TIME, archived)
        database.execute("INSERT INTO session VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", (key, *values))
    question = {"role": "user", "time": {"created": TIME}, "agent": "build"}
    add_message(database, 1, question, {"type": "text", "text": "What is in a.txt?"})
    parts = [{"type": "step-start"}, {"type": "reasoning", "text": "Read it."}, READ, {"type": "text", "text": "One."}]
    add_message(database, 2, ANSWER, *parts)
    add_message(database, 3, question, {"type": "text", "text": "Look."}, session="ses_2")
    return database


@cache
def opencode_database() -> bytes:
    """The database."""
    with TemporaryDirectory() as folder:
        path = Path(folder, "opencode.db")
        with closing(fill_opencode(path)):
            pass
        return path.read_bytes()


def opencode_files() -> dict[str, Object | list[Object]]:
    """The same sessions as files below `storage`, by path, and two sessions that only the files have."""
    files: dict[str, Object | list[Object]] = {}
    for key, more in (("ses_1", {}), ("ses_2", {"parentID": "ses_1"})):
        times = {"created": TIME, "updated": TIME, **({"archived": TIME} if more else {})}
        about = {"id": key, "version": "1.0.141", "projectID": "4f2a", "directory": "/home/ada/atlas", **more}
        files[f"session/4f2a/{key}.json"] = {**about, "title": f"Files of {key}", "time": times}
    question: Object = {"role": "user", "time": {"created": TIME}, "agent": "build"}
    parts: list[Object] = [{"type": "step-start"}, {"type": "reasoning", "text": "Read it."}, READ]
    _add_files(files, "ses_1", "msg_1", question, [{"type": "text", "text": "What is in a.txt?"}])
    _add_files(files, "ses_1", "msg_2", ANSWER, [*parts, {"type": "text", "text": "One."}])
    _add_files(files, "ses_2", "msg_3", question, [{"type": "text", "text": "Look."}])
    files["todo/ses_1.json"] = [{"id": "1", "content": "Read a.txt", "status": "completed", "priority": "high"}]
    files["session_diff/ses_1.json"] = [{"file": "a.txt", "before": "", "after": "one", "additions": 1, "deletions": 0}]
    return files


def _add_files(
    files: dict[str, Object | list[Object]], session: str, key: str, message: Object, parts: list[Object]
) -> None:
    files[f"message/{session}/{key}.json"] = {"id": key, "sessionID": session, **message}
    for place, part in enumerate(parts):
        part_key = f"prt_{key.removeprefix('msg_')}_{place}"
        files[f"part/{key}/{part_key}.json"] = {"id": part_key, "messageID": key, "sessionID": session, **part}


def write_files(folder: Path, files: dict[str, Any]) -> None:
    """Write files below a folder, as opencode does."""
    for path, value in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(json.dumps(value, indent=2))
