"""Finding messages by their words."""

import struct
from base64 import urlsafe_b64decode, urlsafe_b64encode

import apsw
import msgspec

from ..directory_path import spelt
from ..records import Listing, SearchHit, SearchQuery
from ..rows import Row
from ..snippets import fts5, snippets
from ..words import phrases_of
from . import search_statements as statements
from .score import register_score

MOST_RANKED = 10_000

# A score, a place, and what fills it up to the length that a cursor has.
_CURSOR = struct.Struct(">dq8x")
_LAST_PLACE = 2**63 - 1
_BEST = 2.0

_encode = msgspec.json.Encoder().encode


def find(connection: apsw.Connection, workspace: str, query: SearchQuery) -> Listing:
    """The hits of one page."""
    phrases = phrases_of(query.text)
    if not phrases:
        return Listing(b"")
    words = fts5(phrases)
    score, place = (_BEST, _LAST_PLACE) if query.cursor is None else _CURSOR.unpack(urlsafe_b64decode(query.cursor))
    bindings: dict[str, str | int | float] = {
        "workspace": workspace,
        "words": words,
        "score": score,
        "place": place,
        "ranked": MOST_RANKED,
        "limit": query.limit + 1,
    }
    filters: dict[str, str | None] = {
        "role": query.role,
        "profile": query.profile,
        "amplified_dir": query.amplified_dir and spelt(query.amplified_dir),
        "id": query.session_id,
    }
    given = {name: value for name, value in filters.items() if value is not None}
    register_score(connection)
    rows: list[Row] = connection.execute(statements.search(given), {**bindings, **given}).fetchall()
    page = rows[: query.limit]
    texts = snippets([str(row[-1]) for row in page], words)
    hits = [
        SearchHit(session_id, sequence, role, snippet, score)
        for (score, _, session_id, sequence, role, _), snippet in zip(page, texts, strict=True)
    ]
    cursor = None if len(rows) == len(page) else _cursor(*page[-1][:2])
    return Listing(b",".join(map(_encode, hits)), next_cursor=cursor)


def _cursor(score: float, place: int) -> str:
    return urlsafe_b64encode(_CURSOR.pack(score, place)).decode()
