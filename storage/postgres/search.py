"""Finding messages by their words: lexemes find those that may have them, their words in order tell which do."""

import struct
from base64 import urlsafe_b64decode, urlsafe_b64encode
from uuid import UUID

import msgspec

from ..directory_path import spelt
from ..records import Listing, Message, SearchHit, SearchQuery
from ..snippets import fts5, snippets
from ..words import phrases_of
from .lexemes import Tokenizer
from .pool import Pool

MOST_RANKED = 10_000
# So many words more weigh as much as one match less.
WORDS_OF_A_MATCH = 50

# A score, a session's id and a sequence.
_CURSOR = struct.Struct(">f16sI")
_FIRST = (2.0, "g", 0)

_FILTERS = {
    "role": "search.role = :role",
    "profile": "session.profile = :profile",
    "amplified_dir": "session.amplified_dir = :amplified_dir",
    "id": "search.session_id = :id",
}

_encode = msgspec.json.Encoder().encode
_decode_message = msgspec.json.Decoder(Message).decode


async def find(pool: Pool, tokenizer: Tokenizer, workspace: str, query: SearchQuery) -> Listing:
    """The hits of one page."""
    phrases = phrases_of(query.text)
    patterns = [pattern for pattern in map(tokenizer.pattern, phrases) if pattern is not None]
    if not patterns:
        return Listing(b"")
    score, session_id, sequence = _FIRST if query.cursor is None else _position(query.cursor)
    filters: dict[str, object] = {
        "role": query.role,
        "profile": query.profile,
        "amplified_dir": query.amplified_dir and spelt(query.amplified_dir),
        "id": query.session_id,
    }
    given = {name: value for name, value in filters.items() if value is not None}
    bindings: dict[str, object] = {
        "workspace": workspace,
        "patterns": [pattern for pattern, _ in patterns],
        "lexemes": " & ".join(lexemes for _, lexemes in patterns),
        "score": score,
        "after_id": session_id,
        "after_sequence": sequence,
        "ranked": MOST_RANKED,
        "limit": query.limit + 1,
    }
    rows = await pool.all(search(given), bindings | given)
    page = rows[: query.limit]
    messages = [_decode_message(row[-1]) for row in page]
    texts = snippets([message.content for message in messages], fts5(phrases))
    hits = [
        SearchHit(session_id, message.sequence, message.role, snippet, score)
        for (score, session_id, *_), message, snippet in zip(page, messages, texts, strict=True)
    ]
    cursor = None if len(rows) == len(page) else _cursor(*page[-1][:3])
    return Listing(b",".join(map(_encode, hits)), next_cursor=cursor)


def search(filters: dict[str, object]) -> str:
    """The statement that finds messages which pass filters: the latest are ranked, the best come first.

    The score is as `sqlite/score.py` has it.
    """
    conditions = "".join(f"\n            AND {_FILTERS[name]}" for name in sorted(filters))
    sessions = ""
    if filters.keys() & {"profile", "amplified_dir"}:
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
            SELECT SUM((length(words) - length(replace(words, pattern, ''))) / length(pattern))
            FROM unnest(CAST(:patterns AS TEXT[])) AS pattern
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


def _position(cursor: str) -> tuple[float, str, int]:
    score, identity, sequence = _CURSOR.unpack(urlsafe_b64decode(cursor))
    return score, str(UUID(bytes=identity)), sequence


def _cursor(score: float, session_id: str, sequence: int) -> str:
    return urlsafe_b64encode(_CURSOR.pack(score, UUID(session_id).bytes, sequence)).decode()
