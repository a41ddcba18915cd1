"""The statements that write the index of words, and tell how far it is.

A row's id is the number of a session, shifted by 31 bits, and a sequence; or the number of a long message, and the
place of a piece.
"""

# Messages past that are not found.
LAST_SEQUENCE = 2**31 - 1
# Ids of pieces begin here (see migrations/0020_long_messages.sql).
FIRST_PIECE = 2**62

PROGRESS = """
SELECT
    COALESCE((SELECT revision FROM search_progress WHERE workspace = :workspace), 0),
    COALESCE((SELECT indexed FROM search_progress WHERE workspace = :workspace), 0),
    generation
FROM search_pipeline
"""

HAS_WAITING_LONG = """
SELECT 1
FROM search_long
WHERE workspace = :workspace
    AND words IS NULL
LIMIT 1
"""

# Sessions that were written since, with their last message and the last one that is in the index.
CHANGED_SESSIONS = f"""
SELECT revision, id, MIN(message_count, {LAST_SEQUENCE}), COALESCE(search_session.sequence, 0)
FROM session
LEFT JOIN search_session
    ON search_session.workspace = session.workspace
    AND search_session.session_id = session.id
WHERE session.workspace = :workspace
    AND revision > :seen
ORDER BY revision
LIMIT :most
"""  # noqa: S608  # of the number above

COUNT_WAITING = f"""
SELECT COALESCE(SUM(MAX(0, last - indexed)), 0) + (
    SELECT COUNT(*)
    FROM search_long
    WHERE workspace = :workspace
        AND words IS NULL
)
FROM (
    SELECT MIN(message_count, {LAST_SEQUENCE}) AS last, COALESCE(search_session.sequence, 0) AS indexed
    FROM session
    LEFT JOIN search_session
        ON search_session.workspace = session.workspace
        AND search_session.session_id = session.id
    WHERE session.workspace = :workspace
        AND revision > :seen
    ORDER BY revision
    LIMIT :most
)
"""  # noqa: S608  # of the number above

SESSION_TO_INDEX = """
SELECT version, created_revision, COALESCE(search_session.sequence, 0)
FROM session
LEFT JOIN search_session
    ON search_session.workspace = session.workspace
    AND search_session.session_id = session.id
WHERE session.workspace = :workspace
    AND session.id = :id
"""

# Without the records of long messages.
MESSAGES = """
SELECT sequence, iif(octet_length(record) <= :long, CAST(record AS BLOB), NULL)
FROM message
WHERE workspace = :workspace
    AND session_id = :id
    AND sequence > :after
    AND sequence <= :last
ORDER BY sequence
LIMIT :most
"""

# Whether a session is still the same, and its messages :after up to :last say what they said at this version of it.
IS_UNCHANGED = """
SELECT 1
FROM session
WHERE workspace = :workspace
    AND id = :id
    AND created_revision = :created_revision
    AND NOT EXISTS (
        SELECT 1
        FROM correction
        WHERE correction.workspace = :workspace
            AND correction.session_id = :id
            AND sequence > :after
            AND sequence <= :last
            AND correction.version > :version
    )
"""

ADD_SEARCH_SESSION = """
INSERT OR IGNORE INTO search_session (workspace, session_id, sequence)
VALUES (:workspace, :id, 0)
"""

# If it is the first one that is not in the index.
SET_SEARCH_SESSION = """
UPDATE search_session
SET sequence = :last
WHERE workspace = :workspace
    AND session_id = :id
    AND sequence = :after
RETURNING number
"""

FORGET_SEARCH_SESSION = """
DELETE FROM search_session
WHERE workspace = :workspace
    AND session_id = :id
"""

SET_PROGRESS = """
INSERT INTO search_progress (workspace, revision)
SELECT :workspace, :revision
FROM search_pipeline
WHERE generation = :generation
ON CONFLICT (workspace) DO UPDATE
SET revision = MAX(revision, EXCLUDED.revision)
"""

# A count below 0 is subtracted.
COUNT_INDEXED = """
INSERT INTO search_progress (workspace, revision, indexed)
VALUES (:workspace, 0, MAX(0, :count))
ON CONFLICT (workspace) DO UPDATE
SET indexed = MAX(0, indexed + :count)
"""

# The words of a message, or of a piece, and their forms.
ADD_ENTRY = """
INSERT INTO search (rowid, words, forms)
VALUES (:number << 31 | :place, :words, :forms)
"""

ADD_LONG = """
INSERT INTO search_long (workspace, session_id, sequence, pieces)
VALUES (:workspace, :id, :sequence, 0)
"""

LAST_LONG = """
SELECT COALESCE(MAX(number), 0)
FROM search_long
WHERE workspace = :workspace
    AND words IS NULL
"""

# Not those of sessions that are being removed.
NEXT_LONG = """
SELECT number, session_id, sequence
FROM search_long
WHERE workspace = :workspace
    AND words IS NULL
    AND number > :after
    AND number <= :last
    AND EXISTS (
        SELECT 1
        FROM session
        WHERE session.workspace = search_long.workspace
            AND session.id = search_long.session_id
    )
ORDER BY number
LIMIT 1
"""

LONG_RECORD = """
SELECT CAST(record AS BLOB)
FROM search_long
CROSS JOIN message
    ON message.workspace = search_long.workspace
    AND message.session_id = search_long.session_id
    AND message.sequence = search_long.sequence
WHERE number = :number
    AND words IS NULL
"""

# The pieces that are in the index of a message that is not whole.
PIECES = """
SELECT pieces
FROM search_long
WHERE number = :number
    AND words IS NULL
"""

SET_PIECES = """
UPDATE search_long
SET pieces = :pieces,
    words = :total
WHERE number = :number
"""

# Of the messages of a session from :first up to :last.
LONG_MESSAGES = """
SELECT number, pieces, words IS NOT NULL
FROM search_long
WHERE workspace = :workspace
    AND session_id = :id
    AND sequence BETWEEN :first AND :last
"""

REMOVE_PIECES = """
DELETE FROM search
WHERE rowid BETWEEN :number << 31 AND (:number << 31) + :pieces - 1
"""

FORGET_LONG = """
DELETE FROM search_long
WHERE number = :number
"""

# The number of a session whose message :sequence is in the index.
NUMBER_OF_INDEXED = """
SELECT number
FROM search_session
WHERE workspace = :workspace
    AND session_id = :id
    AND sequence >= :sequence
"""

REMOVE_ENTRY = """
DELETE FROM search
WHERE rowid = :number << 31 | :sequence
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
        SELECT number << 31 | MIN(:last, sequence)
        FROM search_session
        WHERE workspace = :workspace
            AND session_id = :id
    )
"""

# The messages up to :last that are in the index, or wait to be there in pieces.
INDEXED_MESSAGES = """
SELECT COUNT(*)
FROM message
WHERE workspace = :workspace
    AND session_id = :id
    AND sequence <= MIN(:last, COALESCE((
        SELECT sequence
        FROM search_session
        WHERE workspace = :workspace
            AND session_id = :id
    ), 0))
"""

PIPELINE = """
SELECT version
FROM search_pipeline
"""

SET_PIPELINE = """
UPDATE search_pipeline
SET version = :version,
    generation = generation + 1
"""

SEARCH_TABLE = """
SELECT sql
FROM sqlite_schema
WHERE name = 'search'
"""

# See migrations/0020_long_messages.sql.
SET_MERGES = """
INSERT INTO search (search, rank)
VALUES ('automerge', 0), ('crisismerge', 1000)
"""

# Every session is to be indexed from its first message on.
FORGET_SEARCH = """
DROP TABLE search;
DELETE FROM search_session;
DELETE FROM search_long;
DELETE FROM search_progress;
INSERT INTO search_progress (workspace, revision)
SELECT DISTINCT workspace, 0
FROM session
"""
