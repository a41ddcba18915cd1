"""The statements of the index of words. A row's id is the number of a session, shifted by 31 bits, and a sequence."""

from collections.abc import Collection

# Messages past that are not found.
LAST_SEQUENCE = 2**31 - 1

# Those that were deleted count as seen: what the index has of them goes with their messages.
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

INDEXED_WORKSPACES = """
SELECT workspace
FROM search_progress
"""

ADD_SEARCH_SESSION = """
INSERT OR IGNORE INTO search_session (workspace, session_id, sequence)
VALUES (:workspace, :id, 0)
"""

SET_SEARCH_SESSION = """
UPDATE search_session
SET sequence = :last
WHERE number = :number
"""

FORGET_SEARCH_SESSION = """
DELETE FROM search_session
WHERE workspace = :workspace
    AND session_id = :id
"""

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

# Up to a sequence.
REMOVE_ENTRIES = """
DELETE FROM search
WHERE rowid BETWEEN (
        SELECT number << 31
        FROM search_session
        WHERE workspace = :workspace
            AND session_id = :id
    )
    AND (
        SELECT number << 31 | :last
        FROM search_session
        WHERE workspace = :workspace
            AND session_id = :id
    )
"""

# As many as there may be at once, one at least.
NEXT_ENTRIES = """
SELECT number, sequence + 1, (
    SELECT COALESCE(MAX(place) FILTER (WHERE size <= :bytes), MIN(place))
    FROM (
        SELECT message.sequence AS place, SUM(octet_length(record)) OVER (ORDER BY message.sequence) AS size
        FROM message
        WHERE message.workspace = :workspace
            AND message.session_id = :id
            AND message.sequence > search_session.sequence
        ORDER BY message.sequence
        LIMIT :most
    )
)
FROM search_session
WHERE workspace = :workspace
    AND session_id = :id
"""

# A record that was damaged says nothing; the others are found all the same.
ADD_ENTRIES = """
INSERT INTO search (rowid, content)
SELECT :number << 31 | sequence, iif(json_valid(record), record ->> '$.content', '')
FROM message
WHERE workspace = :workspace
    AND session_id = :id
    AND sequence BETWEEN :first AND :last
"""

_FILTERS = {
    "role": "message.role = :role",
    "profile": "session.profile = :profile",
    "amplified_dir": "session.amplified_dir = :amplified_dir",
    "id": "message.session_id = :id",
}

_SESSION = """
CROSS JOIN session
    ON session.workspace = message.workspace
    AND session.id = message.session_id"""


def hits(filters: Collection[str]) -> str:
    """The statement that finds messages which pass filters by their words, the latest first."""
    sessions, conditions = _filtered(filters)
    place = f"\n    AND search.rowid {_OF_SESSION}" if "id" in filters else ""
    return f"""
SELECT matches(search), size(search), message.session_id, message.sequence, message.role
FROM search
CROSS JOIN search_session
    ON search_session.number = search.rowid >> 31
CROSS JOIN message
    ON message.workspace = search_session.workspace
    AND message.session_id = search_session.session_id
    AND message.sequence = search.rowid & {LAST_SEQUENCE}{sessions}
WHERE search MATCH :words
    AND search_session.workspace = :workspace{conditions}{place}
ORDER BY search.rowid DESC
LIMIT :ranked
"""  # noqa: S608  # of the texts above


def latest(filters: Collection[str]) -> str:
    """The statement that finds messages which pass filters whatever they say, the latest first."""
    sessions, conditions = _filtered(filters)
    return f"""
SELECT 0, 0, message.session_id, message.sequence, message.role
FROM message{sessions}
WHERE message.workspace = :workspace{conditions}
ORDER BY message.session_id DESC, message.sequence DESC
LIMIT :ranked
"""  # noqa: S608  # of the texts above


def _filtered(filters: Collection[str]) -> tuple[str, str]:
    conditions = "".join(f"\n    AND {_FILTERS[name]}" for name in sorted(filters))
    return _SESSION if {"profile", "amplified_dir"} & set(filters) else "", conditions


# The first word of the index from one on. It may end in the middle of a letter.
NEXT_WORD = """
SELECT CAST(term AS BLOB)
FROM temp.search_word
WHERE term >= :word
LIMIT 1
"""
