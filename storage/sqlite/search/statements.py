"""The statements that find messages by the index of words (see `index_statements` for the ids of its rows)."""

from collections.abc import Collection

from ...search.results import session_clauses
from .index_statements import FIRST_PIECE, LAST_SEQUENCE

# Later than every entry.
NONE = 2**63 - 1

_OF_SESSION = """BETWEEN (
        SELECT number << 31
        FROM search_session
        WHERE workspace = :workspace
            AND session_id = :id
    )
    AND (
        SELECT (number + 1 << 31) - 1
        FROM search_session
        WHERE workspace = :workspace
            AND session_id = :id
    )
"""

HAS_LONG = """
SELECT 1
FROM search_long
WHERE workspace = :workspace
LIMIT 1
"""

# Messages of sessions that are being written or removed are not found.
_NOT_REMOVED = """
        AND NOT EXISTS (
            SELECT 1
            FROM removal
            WHERE removal.workspace = :workspace
                AND removal.session_id = message.session_id
        )"""


def hits(filters: Collection[str], *, scored: bool) -> str:
    """The statement that finds messages by their words: of the latest :looked_at those that pass filters.

    None is before the entry :oldest. Their score is 0 unless they are `scored`.
    """
    score = "score(search, :phrases)" if scored else "0"
    place = f"\n        AND search.rowid {_OF_SESSION}" if "id" in filters else ""
    return _filtered(
        f"""
    SELECT
        {score} AS score, message.session_id, message.sequence, message.role, search.rowid AS entry,
        octet_length(message.record) AS bytes
    FROM search
    CROSS JOIN search_session
        ON search_session.number = search.rowid >> 31
    CROSS JOIN message
        ON message.workspace = search_session.workspace
        AND message.session_id = search_session.session_id
        AND message.sequence = search.rowid & {LAST_SEQUENCE}
    WHERE search MATCH :words
        AND search.rowid BETWEEN :oldest AND {FIRST_PIECE - 1}
        AND search_session.workspace = :workspace{place}{_NOT_REMOVED}
    ORDER BY search.rowid DESC
    LIMIT :looked_at""",  # noqa: S608  # of the texts above
        filters,
    )


def pieces(filters: Collection[str]) -> str:
    """The statement that finds the pieces of long messages by their words: the latest :looked_at of whole messages.

    A row is the number of a message, whether the piece is its last, and the places of :phrases in it.
    """
    place = "\n    AND search_long.session_id = :id" if "id" in filters else ""
    return f"""
SELECT number, search.rowid & {LAST_SEQUENCE} = pieces - 1, places(search, :phrases)
FROM search
CROSS JOIN search_long
    ON search_long.number = search.rowid >> 31
WHERE search MATCH :words
    AND search.rowid >= {FIRST_PIECE}
    AND search_long.words IS NOT NULL
    AND search_long.workspace = :workspace{place}
ORDER BY search.rowid DESC
LIMIT :looked_at
"""  # noqa: S608  # of the texts above


def long_messages(filters: Collection[str]) -> str:
    """The statement that finds those of the long messages :numbers, a JSON array, that pass filters, the latest first.

    A row is the number of a message, then that of `hits` without the score, then how many words the message has.
    """
    return _filtered(
        f"""
    SELECT
        search_long.number AS score, message.session_id, message.sequence, message.role,
        search_session.number << 31 | message.sequence AS entry, octet_length(message.record) AS bytes,
        search_long.words
    FROM json_each(:numbers) AS long
    CROSS JOIN search_long
        ON search_long.number = long.value
    CROSS JOIN search_session
        ON search_session.workspace = search_long.workspace
        AND search_session.session_id = search_long.session_id
    CROSS JOIN message
        ON message.workspace = search_long.workspace
        AND message.session_id = search_long.session_id
        AND message.sequence = search_long.sequence
    WHERE TRUE{_NOT_REMOVED}
    ORDER BY entry DESC""",  # noqa: S608  # of the texts above
        filters,
        ", words",
    )


def latest(filters: Collection[str]) -> str:
    """The statement that finds messages with any text: among the latest :looked_at, those that match filters."""
    place = "\n        AND session_id = :id" if "id" in filters else ""
    return _filtered(
        f"""
    SELECT 0 AS score, session_id, sequence, role, 0 AS entry, octet_length(record) AS bytes
    FROM message
    WHERE workspace = :workspace{place}{_NOT_REMOVED}
    ORDER BY session_id DESC, sequence DESC
    LIMIT :looked_at""",  # noqa: S608  # of the text above
        filters,
    )


def _filtered(candidates: str, filters: Collection[str], columns: str = "") -> str:
    session = """
CROSS JOIN session
    ON session.workspace = :workspace
    AND session.id = looked_at.session_id"""
    about_sessions = session_clauses(filters)
    of_role = ["looked_at.role = :role"] if "role" in filters else []
    conditions = " AND ".join([*of_role, *about_sessions])
    return f"""
SELECT score, looked_at.session_id, sequence, looked_at.role, entry, bytes{columns}
FROM ({candidates}
) AS looked_at{session if about_sessions else ""}
WHERE {conditions or "TRUE"}
LIMIT :ranked
"""  # noqa: S608  # of the texts above
