"""Rebuilds the search index in the background when the rules for words have changed, one session at a time.

Until then a message is found by the words of the old rules.
"""

import asyncio
from collections.abc import Sequence

from ...model.records import Message
from ...operations.background_task import BackgroundTask
from ...search.index_entry import read_record
from ...search.tokenizer import PIPELINE_VERSION
from ...sql.ports import Row
from ..pool import ConnectionRows, Pool
from .statements import ADD_ENTRIES
from .tsvector import Tokenizer, Words, word_columns

# Any number that no other lock uses: "ampw" in ASCII.
LOCK = 0x616D7077
MESSAGES_AT_ONCE = 200
BYTES_AT_ONCE = 1024 * 1024
# Another process may be doing it, or the database may be unavailable.
RETRY_SECONDS = 60

IS_COMPLETE = """
SELECT version >= :version
FROM search_pipeline
"""

# Only one of the processes that share a database rebuilds at a time.
LOCK_REBUILD = f"""
SELECT pg_try_advisory_xact_lock({LOCK})
"""  # a constant

# The lock prevents the deletion of the session; messages can still be appended.
NEXT_SESSION = """
SELECT session.workspace, session.id
FROM search_pipeline
CROSS JOIN LATERAL (
    SELECT workspace, id
    FROM session
    WHERE (workspace, id) > (search_pipeline.workspace, search_pipeline.session_id)
    ORDER BY workspace, id
    LIMIT 1
) AS next
JOIN session
    ON session.workspace = next.workspace
    AND session.id = next.id
FOR KEY SHARE OF session
"""

NEXT_MESSAGES = """
SELECT sequence, convert_to(record, 'UTF8')
FROM (
    SELECT sequence, record, SUM(octet_length(record)) OVER (ORDER BY sequence) - octet_length(record) AS before
    FROM message
    WHERE workspace = :workspace
        AND session_id = :id
        AND sequence > :after
    ORDER BY sequence
    LIMIT :most
) AS next
WHERE before < :bytes
ORDER BY sequence
"""

SET_ENTRIES = f"""{ADD_ENTRIES}ON CONFLICT (workspace, session_id, sequence) DO UPDATE
SET size = EXCLUDED.size,
    words = EXCLUDED.words,
    lexemes = EXCLUDED.lexemes
"""

SET_PROGRESS = """
UPDATE search_pipeline
SET workspace = :workspace,
    session_id = :id
"""

SET_COMPLETE = """
UPDATE search_pipeline
SET version = :version,
    workspace = '',
    session_id = ''
"""


class Rebuild(BackgroundTask):
    """The background task."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._tokenizer = Tokenizer()
        super().__init__("The search index can't be rebuilt")

    async def _work(self) -> bool:
        row = await self._pool.row(IS_COMPLETE, {"version": PIPELINE_VERSION})
        if row is None or row[0]:
            return False
        while await self._rebuild_session():
            continue
        return True

    async def _pause(self) -> None:
        await asyncio.sleep(RETRY_SECONDS)

    async def _rebuild_session(self) -> bool:
        """Rewrite the next session's words. Returns False if there is none, or another process is rebuilding."""
        async with self._pool.connection() as lent, lent.connection.transaction():
            rows = ConnectionRows(lent.connection)
            row = await rows.row(LOCK_REBUILD, {})
            if row is None or not row[0]:
                return False
            session = await rows.row(NEXT_SESSION, {})
            if session is None:
                await rows.row(SET_COMPLETE, {"version": PIPELINE_VERSION})
                return False
            key = {"workspace": session[0], "id": session[1]}
            await self._rebuild(rows, key)
            await rows.row(SET_PROGRESS, key)
            return True

    async def _rebuild(self, rows: ConnectionRows, key: dict[str, str]) -> None:
        after, limits = 0, {"most": MESSAGES_AT_ONCE, "bytes": BYTES_AT_ONCE}
        while found := await rows.all(NEXT_MESSAGES, {**key, "after": after, **limits}):
            after = found[-1][0]
            entries = await asyncio.to_thread(self._entries, found)
            places = {
                "sequences": [sequence for sequence, _, _ in entries],
                "roles": [role for _, role, _ in entries],
            }
            await rows.row(SET_ENTRIES, {**key, **places, **word_columns([words for _, _, words in entries])})

    def _entries(self, found: Sequence[Row]) -> list[tuple[int, str, Words]]:
        """The sequences, roles and words of messages, without damaged ones."""
        entries = ((sequence, read_record(record, self._entry)) for sequence, record in found)
        return [(sequence, *entry) for sequence, entry in entries if entry is not None]

    def _entry(self, message: Message) -> tuple[str, Words]:
        return message.role, self._tokenizer.message(message.content, message.parts)
