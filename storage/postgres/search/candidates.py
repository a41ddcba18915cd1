"""The part of a search's statement that selects the messages that may match, the latest first.

The index of words finds all messages with the words of a query, in no order: with common words these are most of the
database, and only the latest are needed. Then it is cheaper to read messages in order, until enough have the words. A
sample of the latest messages decides.
"""

# The maximum number of messages in the sample, and of the bytes of their lexemes as they are stored.
SAMPLE = 200
SAMPLE_BYTES = 100_000
# Messages that the index of words finds in the time in which one is read in order; measured.
COST = 6
# The bytes of lexemes that are read in the time in which the index of words finds a message; measured.
BYTES_PER_COST = 1_000

# As a subquery it is parsed once: a scan would parse it for each row.
_HAS_LEXEMES = "lexemes @@ (SELECT CAST(CAST(:lexemes AS TEXT) AS TSQUERY))"

_NOT_REMOVED = """
        AND NOT EXISTS (
            SELECT
            FROM removal
            WHERE removal.workspace = :workspace
                AND removal.session_id = candidate.session_id
        )"""

# If 1 of n messages has the words, n messages are read in order for each result, and half as many again in case the
# words are rarer before. The index of words reads 1 of n of all messages, those of other workspaces included. Long
# lexemes are not read for this: their sizes, known without reading them, tell how long that would take. OFFSET keeps
# the planner from reading all messages in order in place of the index of words.
_BY_WORDS = f"""sample AS MATERIALIZED (
    SELECT COUNT(*) AS taken, COUNT(*) FILTER (WHERE {_HAS_LEXEMES}) AS matches
    FROM (
        SELECT lexemes, SUM(pg_column_size(lexemes)) OVER (ORDER BY session_id DESC, sequence DESC) AS bytes
        FROM search
        WHERE workspace = :workspace
        ORDER BY session_id DESC, sequence DESC
        LIMIT {SAMPLE}
    ) AS latest
    WHERE bytes <= {SAMPLE_BYTES}
), estimate AS MATERIALIZED (
    SELECT
        matches * messages / GREATEST(taken, 1) AS by_words,
        CASE
            WHEN matches * matches * messages > CAST(:looked_at AS BIGINT) * {COST} * taken * taken
                THEN CAST(:looked_at AS BIGINT) * taken * 3 / (matches * 2)
            ELSE 0
        END AS in_order
    FROM sample
    CROSS JOIN (
        SELECT CAST(reltuples AS BIGINT) AS messages
        FROM pg_class
        WHERE oid = CAST('search' AS REGCLASS)
    ) AS size
), read_in_order AS MATERIALIZED (
    SELECT CASE WHEN bytes <= by_words * {BYTES_PER_COST} THEN in_order ELSE 0 END AS count
    FROM estimate
    CROSS JOIN (
        SELECT SUM(pg_column_size(lexemes)) AS bytes
        FROM (
            SELECT lexemes
            FROM search
            WHERE workspace = :workspace
            ORDER BY session_id DESC, sequence DESC
            LIMIT (SELECT in_order FROM estimate)
        ) AS candidate
    ) AS read
), latest AS MATERIALIZED (
    SELECT session_id, sequence, role
    FROM (
        SELECT session_id, sequence, role, lexemes
        FROM search
        WHERE workspace = :workspace
        ORDER BY session_id DESC, sequence DESC
        LIMIT (SELECT count FROM read_in_order)
    ) AS candidate
    WHERE {_HAS_LEXEMES}{_NOT_REMOVED}
    ORDER BY session_id DESC, sequence DESC
    LIMIT :looked_at
), looked_at AS MATERIALIZED (
    SELECT *
    FROM latest
    WHERE (SELECT COUNT(*) FROM latest) >= :looked_at
    UNION ALL
    SELECT session_id, sequence, role
    FROM (
        SELECT workspace, session_id, sequence, role
        FROM search
        WHERE {_HAS_LEXEMES}
        OFFSET 0
    ) AS candidate
    WHERE (SELECT COUNT(*) FROM latest) < :looked_at
        AND workspace = :workspace{_NOT_REMOVED}
    ORDER BY session_id DESC, sequence DESC
    LIMIT :looked_at
)"""  # noqa: S608  # of constants


def looked_at(*, in_session: bool, by_words: bool) -> str:
    """The common table expressions whose last is `looked_at`: up to :looked_at messages, with places and roles.

    They have all :lexemes if it is `by_words`, and are those of the session :id if it is `in_session`.
    """
    if by_words and not in_session:
        return _BY_WORDS
    of_session = "\n        AND session_id = :id" if in_session else ""
    has_lexemes = f"\n        AND {_HAS_LEXEMES}" if by_words else ""
    return f"""looked_at AS MATERIALIZED (
    SELECT session_id, sequence, role
    FROM {"search" if by_words else "message"} AS candidate
    WHERE workspace = :workspace{of_session}{has_lexemes}{_NOT_REMOVED}
    ORDER BY session_id DESC, sequence DESC
    LIMIT :looked_at
)"""  # noqa: S608  # of the texts above
