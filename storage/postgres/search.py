"""Finding messages by their words: lexemes find those that may have them, their words in order tell which do."""

import asyncio
from collections.abc import Collection, Sequence

import msgspec

from ..hits import MAX_PAGE_BYTES, MAX_WORDS, Found, best, bindings_of, listing, score_of
from ..records import Listing, Message, SearchQuery
from ..words import terms_of
from .lexemes import Tokenizer, pattern_of
from .pool import Pool

_FILTERS = {
    "role": "search.role = :role",
    "profile": "session.profile = :profile",
    "amplified_dir": "session.amplified_dir = :amplified_dir",
    "id": "search.session_id = :id",
}

_decode_message = msgspec.json.Decoder(Message).decode


async def find(pool: Pool, tokenizer: Tokenizer, workspace: str, query: SearchQuery) -> Listing:
    """The hits of one page."""
    terms = terms_of(query.text, tokenizer.tokens)
    if not terms:
        return Listing(b"")
    bindings, filters = bindings_of(workspace, query)
    patterns = [pattern_of(term) for term in terms]
    words: dict[str, object] = {
        "patterns": [pattern for pattern, _ in patterns],
        "repeating": [_overlaps(pattern) for pattern, _ in patterns],
        "lexemes": " & ".join(lexemes for _, lexemes in patterns),
        "words": MAX_WORDS,
    }
    rows = await pool.all(search(filters), bindings | filters | words)
    found = best(((score_of(row[0], row[1]), *row[2:]) for row in rows), query)
    contents = await _contents(pool, workspace, found[: query.limit])
    return await asyncio.to_thread(listing, found, query, contents, terms)


async def _contents(pool: Pool, workspace: str, found: Sequence[Found]) -> list[str]:
    """What the first of these messages say, as far as that is not too much."""
    bindings: dict[str, object] = {
        "workspace": workspace,
        "ids": [session_id for _, session_id, *_ in found],
        "sequences": [hit[2] for hit in found],
        "bytes": MAX_PAGE_BYTES,
    }
    # It may have been deleted meanwhile.
    rows = await pool.all(RECORDS, bindings)
    return ["" if record is None else _decode_message(record).content for (record,) in rows]


RECORDS = """
SELECT convert_to(record, 'UTF8')
FROM (
    SELECT place, record, COALESCE(SUM(octet_length(record)) OVER before, 0) AS size
    FROM unnest(CAST(:ids AS TEXT[]), CAST(:sequences AS BIGINT[])) WITH ORDINALITY AS hit (id, sequence, place)
    LEFT JOIN message
        ON message.workspace = :workspace
        AND message.session_id = hit.id
        AND message.sequence = hit.sequence
    WINDOW before AS (ORDER BY place ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING)
) AS said
WHERE size <= :bytes
ORDER BY place
"""


def _overlaps(pattern: str) -> bool:
    """May it be found again in its own midst, as twice the same word is in three of them."""
    return any(pattern.endswith(pattern[:length]) for length in range(2, len(pattern)))


def search(filters: Collection[str]) -> str:
    """The statement that finds messages which pass filters, the latest first: matches, words, session and sequence."""
    conditions = "".join(f"\n        AND {_FILTERS[name]}" for name in sorted(filters))
    sessions = ""
    if set(filters) & {"profile", "amplified_dir"}:
        sessions = """
    JOIN session
        ON session.workspace = search.workspace
        AND session.id = search.session_id"""
    return f"""
SELECT (
    SELECT CAST(SUM(
        CASE
            WHEN repeating THEN (SELECT COUNT(*) FROM regexp_matches(words, '(?=' || pattern || ')', 'g'))
            ELSE (length(words) - length(replace(words, pattern, ''))) / length(pattern)
        END
    ) AS BIGINT)
    FROM unnest(CAST(:patterns AS TEXT[]), CAST(:repeating AS BOOLEAN[])) AS sought (pattern, repeating)
), size, session_id, sequence, role
FROM (
    SELECT found.*, COALESCE(SUM(size) OVER before, 0) AS words_before
    FROM (
        SELECT search.session_id, search.sequence, search.role, search.size, search.words
        FROM search{sessions}
        WHERE search.workspace = :workspace
            AND NOT EXISTS (
                SELECT
                FROM removal
                WHERE removal.workspace = search.workspace
                    AND removal.session_id = search.session_id
            )
            AND lexemes @@ CAST(CAST(:lexemes AS TEXT) AS TSQUERY){conditions}
            AND NOT EXISTS (
                SELECT
                FROM unnest(CAST(:patterns AS TEXT[])) AS pattern
                WHERE strpos(words, pattern) = 0
            )
        ORDER BY search.session_id DESC, search.sequence DESC
        LIMIT :ranked
    ) AS found
    WINDOW before AS (
        ORDER BY session_id DESC, sequence DESC ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
    )
) AS latest
WHERE words_before <= :words
ORDER BY session_id DESC, sequence DESC
"""  # noqa: S608  # of the texts above
