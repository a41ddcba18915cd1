"""The statements of the search index. A row's id is a session's number, shifted by 31 bits, plus a sequence."""

from collections.abc import Collection

from ...search.results import role_clauses, session_clauses
from ...sql.statements.integrity import strays
from ..statements import HAS_MESSAGES, LAST_SEQUENCE, MESSAGES, PLACES, PLACES_UP_TO_LAST, places_of

# Later than every entry.
NONE = 2**63 - 1

# Deleted sessions count as indexed: their entries are removed with their messages.
CHANGED_SESSIONS = """
SELECT revision, id, FALSE
FROM session
WHERE workspace = :workspace
    AND revision > :seen
UNION ALL
SELECT revision, session_id, TRUE
FROM deletion
WHERE workspace = :workspace
    AND revision > :seen
ORDER BY revision
LIMIT :most
"""

SEARCH_PROGRESS = """
SELECT revision
FROM search_progress
WHERE workspace = :workspace
"""

SET_SEARCH_PROGRESS = """
INSERT OR REPLACE INTO search_progress (workspace, revision)
VALUES (:workspace, :revision)
"""

# For the sessions that were written after the progress: the last message of each, and the last indexed one.
_CHANGED = f"""
SELECT session.id, session.revision, MIN(message_count, {LAST_SEQUENCE}) AS last,
    COALESCE(indexed_sequence, 0) AS indexed
FROM session
LEFT JOIN session_number
    ON session_number.workspace = session.workspace
    AND session_number.session_id = session.id
WHERE session.workspace = :workspace
    AND session.revision > COALESCE((SELECT revision FROM search_progress WHERE workspace = :workspace), 0)"""  # noqa: S608  # of the number above

# Sessions with messages that are not in the index, in the order in which they were written.
WAITING_SESSIONS = f"""
SELECT id, last, indexed
FROM ({_CHANGED}
)
WHERE last > indexed
ORDER BY revision
LIMIT :most
"""  # noqa: S608  # of the text above

COUNT_WAITING = f"""
SELECT COALESCE(SUM(MAX(0, last - indexed)), 0)
FROM ({_CHANGED}
    ORDER BY session.revision
    LIMIT :most
)
"""  # noqa: S608  # of the text above

# Only if each session that was written up to :revision is in the index.
SET_PROGRESS_IF_INDEXED = f"""
INSERT INTO search_progress (workspace, revision)
SELECT :workspace, :revision
WHERE NOT EXISTS (
    SELECT 1
    FROM ({_CHANGED}
        AND session.revision <= :revision
    )
    WHERE last > indexed
)
ON CONFLICT (workspace) DO UPDATE
SET revision = MAX(revision, EXCLUDED.revision)
"""  # noqa: S608  # of the text above

WAITING_BYTES = f"""
SELECT COALESCE(SUM(message.size), 0)
FROM {MESSAGES.source}
WHERE {MESSAGES.after(":after", ":last")}
"""  # noqa: S608  # of the texts above

SESSION_TO_INDEX = f"""
SELECT MIN(message_count, {LAST_SEQUENCE}), number, COALESCE(indexed_sequence, 0)
FROM session
LEFT JOIN session_number
    ON session_number.workspace = session.workspace
    AND session_number.session_id = session.id
WHERE session.workspace = :workspace
    AND session.id = :id
"""  # noqa: S608  # of the number above

SET_INDEXED = """
UPDATE session_number
SET indexed_sequence = :last
WHERE number = :number
"""

# Up to a sequence.
REMOVE_ENTRIES = f"""
DELETE FROM search
WHERE rowid {PLACES_UP_TO_LAST}
"""  # noqa: S608  # of the text above

# The number of a session whose message :sequence is in the index.
NUMBER_OF_INDEXED = """
SELECT number
FROM session_number
WHERE workspace = :workspace
    AND session_id = :id
    AND indexed_sequence >= :sequence
"""

REMOVE_ENTRY = """
DELETE FROM search
WHERE rowid = :number << 31 | :sequence
"""

# Without the records of long messages.
MESSAGES_TO_INDEX = f"""
SELECT message.sequence, iif(message.size <= :long, CAST(record AS BLOB), NULL)
FROM {MESSAGES.source}
WHERE {MESSAGES.after(":after", ":last")}
ORDER BY message.place
"""  # noqa: S608  # of the texts above

RECORD = f"""
SELECT CAST(record AS BLOB)
FROM {MESSAGES.source}
WHERE {MESSAGES.at(":sequence")}
"""  # noqa: S608  # of the texts above

# The words of a message, and their forms.
ADD_ENTRY = """
INSERT INTO search (rowid, words, forms)
VALUES (:number << 31 | :sequence, :words, :forms)
"""

PIPELINE = """
SELECT version
FROM search_pipeline
"""

SET_PIPELINE = """
UPDATE search_pipeline
SET version = :version
"""

SEARCH_TABLE = """
SELECT sql
FROM sqlite_schema
WHERE name = 'search'
"""

# See migrations/0020_search_merges.sql.
SET_MERGES = """
INSERT INTO search (search, rank)
VALUES ('automerge', 0), ('crisismerge', 1000)
"""

# Every session is indexed from its first message on; entries without a message are deleted.
FORGET_SEARCH = f"""
DROP TABLE search;
DELETE FROM session_number
WHERE {strays("session_number", "session_id", "session", "id")}
    AND NOT {HAS_MESSAGES};
UPDATE session_number
SET indexed_sequence = 0;
DELETE FROM search_progress;
INSERT INTO search_progress (workspace, revision)
SELECT DISTINCT workspace, 0
FROM session
"""  # noqa: S608  # of the texts above


# Messages of sessions that are being written or removed are not found.
_NOT_REMOVED = """
        AND NOT EXISTS (
            SELECT 1
            FROM removal
            WHERE removal.workspace = :workspace
                AND removal.session_id = session_number.session_id
        )"""


# How many messages have a word.
COUNT_MESSAGES = """
SELECT COUNT(*)
FROM (
    SELECT 1
    FROM search
    CROSS JOIN session_number
        ON session_number.number = search.rowid >> 31
    WHERE search MATCH :word
        AND session_number.workspace = :workspace
        AND NOT EXISTS (
            SELECT 1
            FROM removal
            WHERE removal.workspace = session_number.workspace
                AND removal.session_id = session_number.session_id
        )
    LIMIT :most
)
"""


# How often a message has a term; no row if it has none.
MATCHES_OF_MESSAGE = """
SELECT matches(search)
FROM search
WHERE search MATCH :term
    AND rowid = :entry
"""


def matches(filters: Collection[str]) -> str:
    """The statement for how often each message has some words, from the latest one back to the entry :oldest.

    Of all workspaces, because FTS5 reads them all.
    """
    place = f"\n    AND rowid {PLACES}" if "id" in filters else ""
    return f"""
SELECT matches(search)
FROM search
WHERE search MATCH :words
    AND rowid >= :oldest{place}
ORDER BY rowid DESC
"""  # noqa: S608  # of the text above


def hits(filters: Collection[str], *, scored: bool) -> str:
    """The statement that finds messages by their words: among the latest :looked_at, those that pass the filters.

    It finds none before the entry :oldest. The score is 0 unless `scored` is set.
    """
    score = "score(search, :phrases)" if scored else "0"
    place = f"\n        AND search.rowid {PLACES}" if "id" in filters else ""
    return _with_score(f"""
    SELECT
        {_filtered_score(score, filters)} AS score, session_number.session_id, message.sequence, message.role,
        search.rowid AS entry, message.size AS bytes
    FROM search
    CROSS JOIN session_number
        ON session_number.number = search.rowid >> 31
    CROSS JOIN message
        ON message.place = search.rowid
    WHERE search MATCH :words
        AND search.rowid >= :oldest
        AND session_number.workspace = :workspace{place}{_NOT_REMOVED}
    ORDER BY search.rowid DESC
    LIMIT :looked_at""")  # noqa: S608  # of the texts above


def latest(filters: Collection[str]) -> str:
    """The statement that finds messages with any text: among the latest :looked_at, those that pass the filters."""
    place = "\n        AND session_id = :id" if "id" in filters else ""
    return _with_score(f"""
    SELECT
        {_filtered_score("0", filters)} AS score, session_id, message.sequence, role, 0 AS entry, message.size AS bytes
    FROM {MESSAGES.source}
    WHERE session_number.workspace = :workspace
        AND message.place {places_of("number")}{place}{_NOT_REMOVED}
    ORDER BY session_id DESC, message.place DESC
    LIMIT :looked_at""")  # noqa: S608  # of the texts above


def _filtered_score(score: str, filters: Collection[str]) -> str:
    """The expression for a score that is computed only for messages that pass the filters, and is NULL for others."""
    clauses = role_clauses(filters, "message.role")
    if about_sessions := session_clauses(filters):
        conditions = "\n                AND ".join(about_sessions)
        clauses.append(f"""EXISTS (
            SELECT 1
            FROM session
            WHERE session.workspace = :workspace
                AND session.id = session_number.session_id
                AND {conditions}
        )""")  # noqa: S608  # of clauses of this program
    return f"CASE WHEN {' AND '.join(clauses)} THEN {score} END" if clauses else score


def _with_score(candidates: str) -> str:
    return f"""
SELECT score, session_id, sequence, role, entry, bytes
FROM ({candidates}
)
WHERE score IS NOT NULL
LIMIT :ranked
"""  # noqa: S608  # of the texts above
