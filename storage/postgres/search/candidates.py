"""Selects the messages that may match a search, the latest first.

The word index finds all messages with the words of a query, in no order, and a row is read for each of them: for common
words this is most of the database, but only the latest are needed. In this case the word index is intersected with the
index of places, and rows are read only for recent messages. If nearly all messages have the words, it is cheaper to
read messages in order, until enough have the words. A sample of the latest messages, and planner statistics, decide.
"""

from dataclasses import dataclass
from typing import Literal

# The maximum number of messages in the sample, and of the bytes of their lexemes as they are stored.
SAMPLE = 200
SAMPLE_BYTES = 100_000

# Fewer than a word has in most messages.
_BYTES_OF_A_WORD = 2.5

# Measured times in microseconds: to read an entry of the word index, or of the index of places; to read the row of an
# entry of the word index; to read a row in order, and a byte of its lexemes.
_WORD, _PLACE, _FOUND_ROW, _ROW, _BYTE = 0.05, 0.15, 2, 1.2, 0.003
# If more messages than this have the words, the planner does not use both indexes.
_MAX_SHARE = 0.8

# With a session: those of a session and later ones. Without: the latest messages, by their number.
Range = Literal["all", "recent", "latest"]

_HAS_LEXEMES = "lexemes @@ CAST(:lexemes AS TSQUERY)"

# The number of messages that the planner expects to have the words; its statistics have only the most common words.
EXPECTED = f"""
EXPLAIN (FORMAT JSON)
SELECT
FROM search
WHERE {_HAS_LEXEMES}
"""

# Long messages reach the limit of bytes before the limit of messages: :enough_bytes are in probably this many. Long
# messages more probably have the words, so the mean size of those that have them is weighted by size; but together they
# are not larger than all messages. If 1 of n messages has the words, n messages are read in order for each result, and
# half as many again in case the words are rarer before. The index of words reads 1 of n of all messages, those of other
# workspaces included. Sizes are known without reading the lexemes, and are only summed up if the messages may be read
# in order.
ESTIMATE = f"""
WITH sample AS MATERIALIZED (
    SELECT
        COUNT(*) FILTER (WHERE bytes <= {SAMPLE_BYTES}) AS taken,
        COUNT(*) FILTER (WHERE CASE WHEN bytes <= {SAMPLE_BYTES} THEN {_HAS_LEXEMES} END) AS matches,
        CAST(AVG(size) AS FLOAT) AS mean_size,
        CAST(SUM(size * size) / NULLIF(SUM(size), 0) AS FLOAT) AS weighted_size
    FROM (
        SELECT size, lexemes, SUM(pg_column_size(lexemes)) OVER (ORDER BY session_id DESC, sequence DESC) AS bytes
        FROM search
        WHERE workspace = :workspace
        ORDER BY session_id DESC, sequence DESC
        LIMIT {SAMPLE}
    ) AS latest
), estimate AS MATERIALIZED (
    SELECT looked_at, share, messages * share AS by_words, CAST(looked_at * 1.5 / share AS BIGINT) AS latest
    FROM sample
    CROSS JOIN (
        SELECT CAST(reltuples AS FLOAT) AS messages
        FROM pg_class
        WHERE oid = CAST('search' AS REGCLASS)
    ) AS size
    CROSS JOIN LATERAL (
        SELECT GREATEST(
            CAST(matches AS FLOAT) / NULLIF(taken, 0),
            CAST(:expected AS FLOAT) / NULLIF(messages, 0)
        ) AS share
    ) AS seen
    CROSS JOIN LATERAL (
        SELECT LEAST(
            CAST(:looked_at AS FLOAT),
            CEIL(CAST(:enough_bytes AS FLOAT) / {_BYTES_OF_A_WORD} / size_of_a_match)
        ) AS looked_at
        FROM (
            SELECT NULLIF(LEAST(mean_size / share, weighted_size), 0) AS size_of_a_match
        ) AS expected
    ) AS needed
    WHERE share > 0
        AND messages > 0
), cost AS MATERIALIZED (
    SELECT
        latest,
        looked_at,
        by_words * {_WORD + _FOUND_ROW} AS of_all,
        CASE
            WHEN share <= {_MAX_SHARE}
                THEN by_words * {_WORD} + latest * {_PLACE} + looked_at * 1.5 * {_FOUND_ROW}
            ELSE 'Infinity'
        END AS of_recent,
        latest * {_ROW} AS of_latest
    FROM estimate
)
SELECT
    CASE
        WHEN of_latest + bytes * {_BYTE} < LEAST(of_all, of_recent) THEN 'latest'
        WHEN of_recent < of_all THEN 'recent'
        ELSE 'all'
    END,
    latest,
    (
        SELECT session_id
        FROM search
        WHERE workspace = :workspace
            AND of_recent < of_all
        ORDER BY session_id DESC, sequence DESC
        OFFSET latest
        LIMIT 1
    ),
    CAST(looked_at AS BIGINT)
FROM cost
CROSS JOIN LATERAL (
    SELECT COALESCE(SUM(pg_column_size(lexemes)), 0) AS bytes
    FROM (
        SELECT lexemes
        FROM search
        WHERE workspace = :workspace
        ORDER BY session_id DESC, sequence DESC
        LIMIT CASE WHEN of_latest < LEAST(of_all, of_recent) THEN latest ELSE 0 END
    ) AS candidate
) AS read
"""  # noqa: S608  # of constants

# As a join, it would sort the candidates once more.
_NOT_REMOVED = """
        AND (
            EXISTS (
                SELECT
                FROM removal
                WHERE removal.workspace = :workspace
                    AND removal.session_id = candidate.session_id
            )
        ) IS FALSE"""

# OFFSET and the subquery, whose value is unknown to the planner, prevent it from reading messages in order instead of
# using both indexes: it underestimates the time.
_RECENT = f"""
        SELECT session_id, sequence, role
        FROM search
        WHERE workspace = :workspace
            AND session_id >= (SELECT CAST(:oldest AS TEXT))
            AND {_HAS_LEXEMES}
        OFFSET 0
    ) AS candidate
    WHERE TRUE"""  # noqa: S608  # of constants
_LATEST = f"""
        SELECT session_id, sequence, role, lexemes
        FROM search
        WHERE workspace = :workspace
        ORDER BY session_id DESC, sequence DESC
        LIMIT :latest
    ) AS candidate
    WHERE {_HAS_LEXEMES}"""  # noqa: S608  # of constants


@dataclass(frozen=True, slots=True)
class Estimate:
    """How many messages are probably enough, if they are long: `looked_at`; and a range with that number of them.

    That is all messages, the `latest` ones, or messages of sessions from `oldest` on.
    """

    looked_at: int
    range: Range = "all"
    latest: int = 0
    oldest: str = ""

    @classmethod
    def of(cls, row: tuple[Range, int, str | None, int] | None, most: int) -> "Estimate":
        """The estimate in a row of `ESTIMATE`: all messages if there is no row, or no session before the recent ones.

        There is no row if no message of the sample has the words and the planner expects none either, or if the planner
        does not know the number of messages.
        """
        if row is None:
            return cls(most)
        within, latest, oldest, number = row
        if within == "recent" and oldest is None:
            return cls(number)
        return cls(number, within, latest, oldest or "")


def looked_at(*, in_session: bool, by_words: bool, within: Range = "all") -> str:
    """The common table expressions whose last is `looked_at`: up to :looked_at messages, with places and roles.

    If `by_words` is set, they have all :lexemes; if `in_session` is set, they are in the session :id. If there are too
    few `within` a range, all messages are looked at.
    """
    if by_words and not in_session:
        return _by_words(within)
    of_session = "\n        AND session_id = :id" if in_session else ""
    has_lexemes = f"\n        AND {_HAS_LEXEMES}" if by_words else ""
    return f"""looked_at AS MATERIALIZED (
    SELECT session_id, sequence, role
    FROM {"search" if by_words else "message"} AS candidate
    WHERE workspace = :workspace{of_session}{has_lexemes}{_NOT_REMOVED}
    ORDER BY session_id DESC, sequence DESC
    LIMIT :looked_at
)"""  # noqa: S608  # of the texts above


def _by_words(within: Range) -> str:
    everything = f"""
    SELECT session_id, sequence, role
    FROM (
        SELECT workspace, session_id, sequence, role
        FROM search
        WHERE {_HAS_LEXEMES}
        OFFSET 0
    ) AS candidate
    WHERE workspace = :workspace{_NOT_REMOVED}"""  # noqa: S608  # of the texts above
    if within == "all":
        return f"""looked_at AS MATERIALIZED ({everything}
    ORDER BY session_id DESC, sequence DESC
    LIMIT :looked_at
)"""
    return f"""latest AS MATERIALIZED (
    SELECT session_id, sequence, role
    FROM ({_RECENT if within == "recent" else _LATEST}{_NOT_REMOVED}
    ORDER BY session_id DESC, sequence DESC
    LIMIT :looked_at
), looked_at AS MATERIALIZED (
    SELECT *
    FROM latest
    WHERE (SELECT COUNT(*) FROM latest) >= :looked_at
    UNION ALL{everything}
        AND (SELECT COUNT(*) FROM latest) < :looked_at
    ORDER BY session_id DESC, sequence DESC
    LIMIT :looked_at
)"""  # noqa: S608  # of the texts above
