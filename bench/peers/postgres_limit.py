"""The fastest possible Python on uvicorn and PostgreSQL: a bare ASGI function on asyncpg, one statement a request.

PostgreSQL builds the JSON of the responses; nothing is validated.
"""

import os
from typing import Any

import asyncpg

from .limit import ID, PREFIX, SUMMARY, TAIL, Limit, decode_message, encode, now

# With one connection for each of 16 clients, PostgreSQL's processes would compete for the two cores.
CONNECTIONS = 10

SCHEMA = """
CREATE SCHEMA IF NOT EXISTS peer;
CREATE TABLE IF NOT EXISTS peer.session (
    id TEXT COLLATE "C" PRIMARY KEY, head TEXT, context TEXT, status TEXT, updated_at TEXT COLLATE "C", started TEXT,
    message_count BIGINT, version BIGINT
);
CREATE INDEX IF NOT EXISTS session_by_update ON peer.session (updated_at DESC, id);
CREATE TABLE IF NOT EXISTS peer.message (
    session_id TEXT COLLATE "C", sequence BIGINT, body TEXT, PRIMARY KEY (session_id, sequence)
);
"""
SESSION = f"SELECT convert_to({SUMMARY} || ',\"context\":' || context || '}}', 'UTF8') FROM session WHERE id = $1"  # noqa: S608  # of constants
SESSIONS = f"""
SELECT convert_to('[' || coalesce(string_agg(summary, ','), '') || ']', 'UTF8') FROM (
    SELECT {SUMMARY} || '}}' AS summary FROM session ORDER BY updated_at DESC, id LIMIT $1
) AS listed"""  # noqa: S608
MESSAGES = """
SELECT convert_to('{"sessionId":"' || id || '","messages":[' || coalesce((
    SELECT string_agg(body, ',') FROM (SELECT body FROM message WHERE session_id = $1 ORDER BY sequence) AS said
), '') || ']}', 'UTF8') FROM session WHERE id = $1"""
INSERT_SESSION = "INSERT INTO session VALUES ($1, $2, $3, 'created', $4, '', 0, 1)"
APPEND = """
WITH counted AS (
    UPDATE session
    SET message_count = message_count + 1, version = version + 1, updated_at = $2, status = 'active',
        started = CASE started WHEN '' THEN '","startedAt":"' || $2 ELSE started END
    WHERE id = $1
    RETURNING message_count
)
INSERT INTO message
SELECT $1, message_count, $3 || message_count || '}'
FROM counted
RETURNING convert_to(body, 'UTF8')"""


class PostgresLimit(Limit):
    """The routes, and their statements on PostgreSQL."""

    pool: asyncpg.Pool

    async def start(self) -> None:
        # asyncpg would reset a connection with a round trip each time that it is given back.
        self.pool = await asyncpg.create_pool(
            os.environ["BENCH_DATABASE"],
            min_size=CONNECTIONS,
            max_size=CONNECTIONS,
            server_settings={"search_path": "peer"},
            reset=_leave,
        )
        await self.pool.execute(SCHEMA)

    async def read(self, scope: Any) -> bytes | None:
        path = scope["path"]
        if len(path) < PREFIX:
            limit = scope["query_string"].removeprefix(b"limit=")
            return await self.value(SESSIONS, int(limit) if limit else None)
        return await self.value(MESSAGES if path[TAIL] else SESSION, path[ID])

    async def value(self, statement: str, *values: Any) -> bytes | None:
        found: bytes | None = await self.pool.fetchval(statement, *values)
        return found

    async def insert(self, session_id: str, head: str, context: str, moment: str) -> None:
        await self.pool.execute(INSERT_SESSION, session_id, head, context, moment)

    async def append(self, session_id: str, body: bytes) -> bytes | None:
        new, moment = decode_message(body), now()
        parts = f',"parts":{bytes(new.parts).decode()}' if bytes(new.parts) else ""
        head = f'{{"role":"{new.role}","content":{encode(new.content).decode()}{parts},"timestamp":"{moment}"'
        return await self.value(
            APPEND, session_id, moment, f'{head},"metadata":{bytes(new.metadata).decode()},"sequence":'
        )


async def _leave(_connection: Any) -> None:
    return


app = PostgresLimit()
