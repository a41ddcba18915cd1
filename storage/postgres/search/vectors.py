"""The vectors of messages in PostgreSQL, which counts different signs with its own operators."""

import asyncio
from collections.abc import Sequence
from functools import cache

import asyncpg

from ...operations.vectors.statements import IS_OF_MODEL
from ...search.results import MAX_LOOKED_AT, Filters, message_clauses, session_clauses
from ...search.vectors import MAX_COMPARED, MAX_NEAR, Near, QueryVector, nearest
from ...sql.ports import Bindings, EmbeddedMessage
from ..pool import Pool

# The lock prevents the deletion of the session, and corrections; messages can still be appended.
LOCK_SESSION_KEY = """
SELECT 1
FROM session
WHERE workspace = :workspace
    AND id = :id
FOR KEY SHARE
"""

# Only for messages that have not changed since their vectors were made.
INSERT_VECTORS = """
INSERT INTO embedding (workspace, session_id, sequence, signs, numbers)
SELECT :workspace, :id, new.sequence, new.signs, new.numbers
FROM unnest(
    CAST(:sequences AS BIGINT[]), CAST(:records AS TEXT[]), CAST(:signs AS BIT VARYING[]), CAST(:numbers AS BYTEA[])
) AS new (sequence, record, signs, numbers)
JOIN message
    ON message.workspace = :workspace
    AND message.session_id = :id
    AND message.sequence = new.sequence
    AND message.record = new.record
ON CONFLICT (workspace, session_id, sequence) DO UPDATE
SET signs = EXCLUDED.signs,
    numbers = EXCLUDED.numbers
RETURNING sequence
"""


def vector_columns(messages: Sequence[EmbeddedMessage]) -> dict[str, object]:
    """The vectors of messages as bindings of the statement: a list for each column."""
    return {
        "sequences": [message.sequence for message in messages],
        "records": [message.record for message in messages],
        "signs": [asyncpg.BitString.frombytes(message.signs) for message in messages],
        "numbers": [message.numbers for message in messages],
    }


async def find_near(
    pool: Pool, workspace: str, sought: QueryVector, filters: Filters, bindings: Bindings
) -> list[Near]:
    """The messages with the most similar vectors that pass the filters, the most similar ones first."""
    limits: dict[str, object] = {
        "model": sought.model,
        "signs": asyncpg.BitString.frombytes(sought.vector.signs),
        "compared": MAX_COMPARED,
        "examined": MAX_LOOKED_AT if filters else MAX_NEAR,
        "near": MAX_NEAR,
    }
    rows = await pool.all(_near(frozenset(filters)), {**bindings, **filters, **limits, "workspace": workspace})
    # Decoding takes longer than the event loop may be blocked.
    return await asyncio.to_thread(lambda: nearest(sought.vector, [Near(*row) for row in rows]))


@cache
def _near(filters: frozenset[str]) -> str:
    """The statement that compares the signs of the latest messages, and selects those that pass filters."""
    place = "\n            AND session_id = :id" if "id" in filters else ""
    about_sessions = session_clauses(filters)
    # OFFSET prevents the planner from reading the whole table instead of a row for each candidate.
    session = """
CROSS JOIN LATERAL (
    SELECT id, profile, amplified_dir, created_at, updated_at
    FROM session
    WHERE workspace = :workspace
        AND id = candidate.session_id
    OFFSET 0
) AS session"""
    conditions = "".join(f"\n    AND {clause}" for clause in message_clauses(filters, "message"))
    return f"""
WITH candidate AS MATERIALIZED (
    SELECT
        session_id, sequence,
        CASE length(signs)
            WHEN length(CAST(:signs AS BIT VARYING)) THEN bit_count(signs # CAST(:signs AS BIT VARYING))
        END AS distance
    FROM (
        SELECT session_id, sequence, signs
        FROM embedding
        WHERE workspace = :workspace{place}
            AND {IS_OF_MODEL}
        ORDER BY session_id DESC, sequence DESC
        LIMIT :compared
    ) AS compared
    ORDER BY distance, session_id DESC, sequence DESC
    LIMIT :examined
)
SELECT candidate.session_id, candidate.sequence, message.role, message.numbers
FROM candidate
CROSS JOIN LATERAL (
    SELECT role, numbers
    FROM message
    JOIN embedding
        USING (workspace, session_id, sequence)
    WHERE message.workspace = :workspace
        AND message.session_id = candidate.session_id
        AND message.sequence = candidate.sequence
    OFFSET 0
) AS message{session if about_sessions else ""}
WHERE distance IS NOT NULL
    AND NOT EXISTS (
        SELECT
        FROM removal
        WHERE removal.workspace = :workspace
            AND removal.session_id = candidate.session_id
    ){conditions}
ORDER BY distance, candidate.session_id DESC, candidate.sequence DESC
LIMIT :near
"""  # noqa: S608  # of the texts above
