"""Statements that find faults in a SQLite file; `sql/statements/integrity.py` has the ones for all databases."""

from ...sql.statements.integrity import strays
from ..statements import LAST_SEQUENCE, PLACES, places_of

# Each session, and the extent of its entries in the search index.
SESSIONS = """
SELECT
    session.workspace, session.id, message_count, token_usage, version, changed_version, changed_sequence,
    COALESCE(session.context, session_detail.context) IS NOT NULL,
    session_number.number, session_number.indexed_sequence, session.revision <= search_progress.revision
FROM session
LEFT JOIN session_detail
    ON session_detail.workspace = session.workspace
    AND session_detail.session_id = session.id
LEFT JOIN session_number
    ON session_number.workspace = session.workspace
    AND session_number.session_id = session.id
LEFT JOIN search_progress
    ON search_progress.workspace = session.workspace
ORDER BY session.workspace, session.id
"""

# The last column has the numbers of words and forms in the index.
MESSAGES = f"""
SELECT message.sequence, role, token_count, message_id, CAST(record AS BLOB), sz
FROM message
LEFT JOIN search_docsize
    ON search_docsize.id = message.place
WHERE message.place {places_of(":number")}
ORDER BY message.place
"""  # noqa: S608  # of the number above

# Sessions that are being removed, including their entries in the index.
FORGOTTEN = """
SELECT number
FROM removal
CROSS JOIN session_number
    ON session_number.workspace = removal.workspace
    AND session_number.session_id = removal.session_id
"""

INDEXED = """
SELECT number, session_number.workspace, session_number.session_id, session.id IS NOT NULL,
    indexed_sequence > message_count
FROM session_number
LEFT JOIN session
    ON session.workspace = session_number.workspace
    AND session.id = session_number.session_id
ORDER BY number
"""

# A temporary table, which only this connection has.
MAKE_WORDS = """
CREATE VIRTUAL TABLE IF NOT EXISTS temp.search_word USING fts5vocab (main, search, instance)
"""

# Each word and form at each of its places, with the number of its session.
WORDS = """
SELECT doc >> 31, CAST(col || ' ' || term || ' ' || doc || ' ' || "offset" AS BLOB)
FROM temp.search_word
"""

AHEAD = """
SELECT search_progress.workspace
FROM search_progress
WHERE search_progress.revision > MAX(
    COALESCE((SELECT MAX(revision) FROM session WHERE session.workspace = search_progress.workspace), 0),
    COALESCE((SELECT MAX(revision) FROM deletion WHERE deletion.workspace = search_progress.workspace), 0)
)
"""

# The session numbers that only messages use. Each step looks up the next number, so that not all messages are read.
_LOST_NUMBERS = """
WITH RECURSIVE used (number) AS (
    SELECT MIN(place) >> 31
    FROM message_row
    UNION ALL
    SELECT (
        SELECT MIN(place) >> 31
        FROM message_row
        WHERE place >= used.number + 1 << 31
    )
    FROM used
    WHERE used.number IS NOT NULL
), lost (number) AS (
    SELECT used.number
    FROM used
    WHERE used.number IS NOT NULL
        AND NOT EXISTS (
            SELECT 1
            FROM session_number
            WHERE session_number.number = used.number
        )
)"""

LOST_NUMBERS = f"""{_LOST_NUMBERS}
SELECT COUNT(*)
FROM lost
"""  # noqa: S608  # of the text above


def _last_of(number: str) -> str:
    """The sequence of the last message under a number, and its record."""
    last = f"(SELECT MAX(place) FROM message_row WHERE place {places_of(number)})"  # noqa: S608  # of a column
    return f"""{last} & {LAST_SEQUENCE}, (
    SELECT CAST(record AS BLOB)
    FROM message
    WHERE message.place = {last}
)"""  # noqa: S608  # of the text above


# Each session, with the last message according to its row, and the last message under its number.
ENDS = f"""
SELECT session.workspace, session.id, message_count, last_message, number, {_last_of("session_number.number")}
FROM session
LEFT JOIN session_number
    ON session_number.workspace = session.workspace
    AND session_number.session_id = session.id
"""  # noqa: S608  # of the text above

END_OF_SESSION = f"""{ENDS}
WHERE session.workspace = :workspace
    AND session.id = :id
"""

# The last message under a number, and the session that has the number.
END_OF_NUMBER = f"""
SELECT {_last_of(":number")}, (
    SELECT workspace
    FROM session_number
    WHERE number = :number
), (
    SELECT session_id
    FROM session_number
    WHERE number = :number
)
"""  # noqa: S608  # of the text above

ENDS_OF_LOST_NUMBERS = f"""{_LOST_NUMBERS}
SELECT number, {_last_of("lost.number")}
FROM lost
"""  # noqa: S608  # of the texts above

FREE_NUMBER = """
DELETE FROM session_number
WHERE number = :number
    OR (workspace = :workspace AND session_id = :id)
"""

GIVE_NUMBER = """
INSERT INTO session_number (number, workspace, session_id, indexed_sequence)
VALUES (:number, :workspace, :id, 0)
"""

# Whether a session may have the number of another one: it has no message, or shows none.
MAY_BE_MISPLACED = f"""
SELECT last_message IS NULL
    OR NOT EXISTS (
        SELECT 1
        FROM message_row
        WHERE place {PLACES}
    )
FROM session
WHERE workspace = :workspace
    AND id = :id
"""  # noqa: S608  # of the text above

# Whether a session has as many messages as it counts.
IS_WHOLE = f"""
SELECT message_count = (SELECT COUNT(*) FROM message_row WHERE place {PLACES})
FROM session
WHERE workspace = :workspace
    AND id = :id
"""  # noqa: S608  # of the text above

# Rows that refer to missing rows, except the parts of sessions (see `parts`).
REFERENCES = """
SELECT "table", parent, COUNT(*)
FROM pragma_foreign_key_check
WHERE "table" <> 'session_detail'
GROUP BY "table", parent
"""

DELETE_STRAY_LABELS = f"""
DELETE FROM session_label
WHERE {strays("session_label", "session_id", "session", "id")}
"""  # noqa: S608  # of names of tables

WORKSPACES = """
SELECT DISTINCT workspace
FROM session
"""
