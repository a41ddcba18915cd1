"""The fastest possible Python on uvicorn: a bare ASGI function, routes by hand, SQLite, and no validation.

Responses are stored encoded; SQLite joins rows into JSON. One thread writes, and commits in groups.
"""

import asyncio
import os
import threading
from collections import deque
from datetime import UTC, datetime
from typing import Any

import apsw
import msgspec
import uuid_utils

PREFIX = len("/api/v1/sessions/")
ID = slice(PREFIX, PREFIX + 36)
TAIL = slice(PREFIX + 36, None)
CHECKPOINT_PAGES = 4_000
MAX_LOG_PAGES = 48_000
GATHERING_SECONDS = 0.001

SCHEMA = """
CREATE TABLE IF NOT EXISTS session (
    id TEXT PRIMARY KEY, head TEXT, context TEXT, status TEXT, updated_at TEXT, started TEXT, message_count INTEGER,
    version INTEGER
) STRICT, WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS session_by_update ON session (updated_at, id DESC);
CREATE TABLE IF NOT EXISTS message (
    session_id TEXT, sequence INTEGER, body TEXT, PRIMARY KEY (session_id, sequence)
) STRICT, WITHOUT ROWID;
"""
SUMMARY = """head || ',"status":"' || status || '","updatedAt":"' || updated_at || started || '","messageCount":'
    || message_count || ',"tokenUsage":0,"version":' || version"""
SESSION = f"""SELECT CAST({SUMMARY} || ',"context":' || context || '}}' AS BLOB) FROM session WHERE id = ?"""  # noqa: S608  # of constants
SESSIONS = f"""
SELECT CAST('[' || coalesce(group_concat(summary), '') || ']' AS BLOB) FROM (
    SELECT {SUMMARY} || '}}' AS summary FROM session ORDER BY updated_at DESC, id LIMIT ?
)"""  # noqa: S608
MESSAGES = """
SELECT CAST('{"sessionId":"' || id || '","messages":[' || coalesce((
    SELECT group_concat(body) FROM (SELECT body FROM message WHERE session_id = ?1 ORDER BY sequence)
), '') || ']}' AS BLOB) FROM session WHERE id = ?1"""
INSERT_SESSION = "INSERT INTO session VALUES (?, ?, ?, 'created', ?, '', 0, 1)"
COUNT = """UPDATE session
SET message_count = message_count + 1, version = version + 1, updated_at = ?1, status = 'active',
    started = iif(started = '', '","startedAt":"' || ?1, started)
WHERE id = ?2
RETURNING message_count"""
INSERT_MESSAGE = "INSERT INTO message VALUES (?, ?, ?)"


class NewSession(msgspec.Struct):
    profile: str = "default"
    context: msgspec.Raw = msgspec.Raw(b"{}")
    amplified_dir: str = "."


class NewMessage(msgspec.Struct):
    content: str = ""
    parts: msgspec.Raw = msgspec.Raw(b"")
    role: str = "user"
    metadata: msgspec.Raw = msgspec.Raw(b"{}")


encode = msgspec.json.Encoder().encode
decode_session = msgspec.json.Decoder(NewSession).decode
decode_message = msgspec.json.Decoder(NewMessage).decode


def now() -> str:
    return datetime.now(UTC).isoformat(timespec="microseconds")[:26] + "Z"


def connect() -> apsw.Connection:
    connection = apsw.Connection(os.environ["BENCH_DATABASE"])
    connection.set_busy_timeout(5_000)
    # A cached statement is not prepared again for new values.
    connection.config(apsw.SQLITE_DBCONFIG_ENABLE_QPSG, 1)
    connection.execute("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL")
    return connection


class Writer:
    """One thread that commits all waiting writes in groups; the future of `add` is done when the write is on disk."""

    def __init__(self) -> None:
        self._connection = connect()
        self._connection.execute(SCHEMA)
        self._connection.set_wal_hook(self._committed)
        self._checkpoints = connect()
        self._loop = asyncio.get_running_loop()
        self._waiting: deque[tuple[asyncio.Future[Any], Any, tuple[Any, ...]]] = deque()
        self._wanted = 1
        self._moved = 0
        self._called, self._long_log = threading.Event(), threading.Event()
        for run in (self._write, self._checkpoint):
            threading.Thread(target=run, daemon=True).start()

    def add(self, work: Any, *values: Any) -> asyncio.Future[Any]:
        future = self._loop.create_future()
        self._waiting.append((future, work, values))
        if len(self._waiting) >= self._wanted:
            self._called.set()
        return future

    def _write(self) -> None:
        while True:
            # Clients send their next request after a response: wait for all, if that takes no longer than a commit.
            self._called.wait(GATHERING_SECONDS if self._wanted > 1 else None)
            self._called.clear()
            self._wanted = 1
            group = [self._waiting.popleft() for _ in range(len(self._waiting))]
            if not group:
                continue
            execute = self._connection.execute
            execute("BEGIN IMMEDIATE")
            # Only this thread uses the file, so only the machine can fail here.
            results = [(future, work(execute, *values)) for future, work, values in group]
            execute("COMMIT")
            self._loop.call_soon_threadsafe(settle, results)
            self._wanted = len(group) + len(self._waiting)

    def _committed(self, connection: Any, _name: str, pages: int) -> int:
        if pages < self._moved:
            self._moved = 0
        if pages >= MAX_LOG_PAGES:
            self._move(connection)
        elif pages >= self._moved + CHECKPOINT_PAGES:
            self._long_log.set()
        return apsw.SQLITE_OK

    def _checkpoint(self) -> None:
        while True:
            self._long_log.wait()
            self._move(self._checkpoints)
            self._long_log.clear()

    def _move(self, connection: Any) -> None:
        busy, _, moved = connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
        self._moved = self._moved if busy else moved


def settle(results: list[tuple[asyncio.Future[Any], Any]]) -> None:
    for future, result in results:
        if not future.done():
            future.set_result(result)


def insert_session(execute: Any, *values: Any) -> None:
    execute(INSERT_SESSION, values)


def append(execute: Any, session_id: str, head: str, tail: str) -> bytes | None:
    moment = now()
    for (sequence,) in execute(COUNT, (moment, session_id)):
        body = f'{head},"timestamp":"{moment}{tail}{sequence}}}'
        execute(INSERT_MESSAGE, (session_id, sequence, body))
        return body.encode()
    return None


class Limit:
    """The routes, and their statements on SQLite."""

    writer: Writer
    reader: apsw.Connection

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            await self.live(receive, send)
            return
        if scope["method"] == "GET":
            status, response = 200, await self.read(scope)
        else:
            status, body = 201, await whole(receive)
            path = scope["path"]
            response = await (self.create(body) if len(path) < PREFIX else self.append(path[ID], body))
        if response is None:
            status, response = 404, b'{"detail":"Session not found"}'
        headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(response))]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": response})

    async def live(self, receive: Any, send: Any) -> None:
        await receive()
        await self.start()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await send({"type": "lifespan.shutdown.complete"})

    async def start(self) -> None:
        self.writer, self.reader = Writer(), connect()

    async def read(self, scope: Any) -> bytes | None:
        path = scope["path"]
        if len(path) < PREFIX:
            limit = scope["query_string"].removeprefix(b"limit=")
            rows = self.reader.execute(SESSIONS, (int(limit or -1),))
        elif path[TAIL]:
            rows = self.reader.execute(MESSAGES, (path[ID],))
        else:
            rows = self.reader.execute(SESSION, (path[ID],))
        response: bytes | None = rows.get
        return response

    async def create(self, body: bytes) -> bytes:
        new, session_id, moment = decode_session(body), str(uuid_utils.uuid7()), now()
        directory, profile = encode(new.amplified_dir).decode(), encode(new.profile).decode()
        head = f'{{"id":"{session_id}","profile":{profile},"amplifiedDir":{directory},"createdAt":"{moment}"'
        context = bytes(new.context).decode()
        await self.insert(session_id, head, context, moment)
        counts = '"messageCount":0,"tokenUsage":0,"version":1'
        return f'{head},"status":"created","updatedAt":"{moment}",{counts},"context":{context}}}'.encode()

    async def insert(self, session_id: str, head: str, context: str, moment: str) -> None:
        await self.writer.add(insert_session, session_id, head, context, moment)

    async def append(self, session_id: str, body: bytes) -> bytes | None:
        new = decode_message(body)
        parts = f',"parts":{bytes(new.parts).decode()}' if bytes(new.parts) else ""
        head = f'{{"role":"{new.role}","content":{encode(new.content).decode()}{parts}'
        tail = f'","metadata":{bytes(new.metadata).decode()},"sequence":'
        response: bytes | None = await self.writer.add(append, session_id, head, tail)
        return response


async def whole(receive: Any) -> bytes:
    parts: list[bytes] = []
    while True:
        message = await receive()
        parts.append(message["body"])
        if not message["more_body"]:
            return b"".join(parts)


app = Limit()
