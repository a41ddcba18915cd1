"""Finding messages by their words: lexemes find those that may have them, their words in order tell which do."""

from collections.abc import Collection

import msgspec

from ..hits import bindings_of, listing
from ..records import Listing, Message, SearchQuery
from ..snippets import fts5
from ..words import phrases_of
from .lexemes import Tokenizer
from .pool import Pool

# So many words more weigh as much as one match less.
WORDS_OF_A_MATCH = 50

_FILTERS = {
    "role": "search.role = :role",
    "profile": "session.profile = :profile",
    "amplified_dir": "session.amplified_dir = :amplified_dir",
    "id": "search.session_id = :id",
}

_decode_message = msgspec.json.Decoder(Message).decode


async def find(pool: Pool, tokenizer: Tokenizer, workspace: str, query: SearchQuery) -> Listing:
    """The hits of one page."""
    phrases = phrases_of(query.text)
    patterns = [pattern for pattern in map(tokenizer.pattern, phrases) if pattern is not None]
    if not patterns:
        return Listing(b"")
    bindings, filters = bindings_of(workspace, query)
    words: dict[str, object] = {
        "patterns": [pattern for pattern, _ in patterns],
        "repeating": [_overlaps(pattern) for pattern, _ in patterns],
        "lexemes": " & ".join(lexemes for _, lexemes in patterns),
    }
    rows = await pool.all(search(filters), bindings | filters | words)
    messages = [(row[0], row[1], _decode_message(row[-1])) for row in rows]
    found = [(score, session_id, it.sequence, it.role, it.content) for score, session_id, it in messages]
    return listing(found, query, fts5(phrases))


def _overlaps(pattern: str) -> bool:
    """May it be found again in its own midst, as twice the same word is in three of them."""
    return any(pattern.endswith(pattern[:length]) for length in range(2, len(pattern)))


def search(filters: Collection[str]) -> str:
    """The statement that finds messages which pass filters: the latest are ranked, the best come first.

    The score is as `sqlite/score.py` has it.
    """
    conditions = "".join(f"\n            AND {_FILTERS[name]}" for name in sorted(filters))
    sessions = ""
    if set(filters) & {"profile", "amplified_dir"}:
        sessions = """
        JOIN session
            ON session.workspace = search.workspace
            AND session.id = search.session_id"""
    return f"""
SELECT score, ranked.session_id, ranked.sequence, convert_to(record, 'UTF8')
FROM (
    SELECT CAST(matches / (matches + 1 + size / {WORDS_OF_A_MATCH}.0) AS REAL) AS score, session_id, sequence
    FROM (
        SELECT search.session_id, search.sequence, size, (
            SELECT SUM(
                CASE
                    WHEN repeating THEN (SELECT COUNT(*) FROM regexp_matches(words, '(?=' || pattern || ')', 'g'))
                    ELSE (length(words) - length(replace(words, pattern, ''))) / length(pattern)
                END
            )
            FROM unnest(CAST(:patterns AS TEXT[]), CAST(:repeating AS BOOLEAN[])) AS sought (pattern, repeating)
        ) AS matches
        FROM search{sessions}
        WHERE search.workspace = :workspace
            AND lexemes @@ CAST(CAST(:lexemes AS TEXT) AS TSQUERY){conditions}
            AND NOT EXISTS (
                SELECT
                FROM unnest(CAST(:patterns AS TEXT[])) AS pattern
                WHERE strpos(words, pattern) = 0
            )
        ORDER BY search.session_id DESC, search.sequence DESC
        LIMIT :ranked
    ) AS latest
) AS ranked
JOIN message
    ON message.workspace = :workspace
    AND message.session_id = ranked.session_id
    AND message.sequence = ranked.sequence
WHERE (score, ranked.session_id, ranked.sequence) < (CAST(:score AS REAL), :after_id, :after_sequence)
ORDER BY score DESC, ranked.session_id DESC, ranked.sequence DESC
LIMIT :limit
"""  # noqa: S608  # of the texts above
