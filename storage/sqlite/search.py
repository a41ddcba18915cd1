"""Finding messages by their words."""

import html
import struct
from base64 import urlsafe_b64decode, urlsafe_b64encode

import apsw
import msgspec

from ..records import Listing, SearchHit, SearchQuery
from ..rows import Row
from ..words import Phrase, phrases_of
from . import search_statements as statements
from .score import register_score

MOST_RANKED = 10_000
SNIPPET_WORDS = 24

# A score, a place, and what fills it up to the length that a cursor has.
_CURSOR = struct.Struct(">dq8x")
_LAST_PLACE = 2**63 - 1
_BEST = 2.0

# Characters that no text keeps where it is searched.
_OPEN, _CLOSE = "\x02", "\x03"

_encode = msgspec.json.Encoder().encode


def find(connection: apsw.Connection, workspace: str, query: SearchQuery) -> Listing:
    """The hits of one page."""
    phrases = phrases_of(query.text)
    if not phrases:
        return Listing(b"")
    words = " ".join(_fts5(phrase) for phrase in phrases)
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
        "amplified_dir": query.amplified_dir,
        "id": query.session_id,
    }
    given = {name: value for name, value in filters.items() if value is not None}
    register_score(connection)
    rows: list[Row] = connection.execute(statements.search(given), {**bindings, **given}).fetchall()
    page = rows[: query.limit]
    snippets = _snippets([str(row[-1]) for row in page], words)
    hits = [
        SearchHit(session_id, sequence, role, snippet, score)
        for (score, _, session_id, sequence, role, _), snippet in zip(page, snippets, strict=True)
    ]
    cursor = None if len(rows) == len(page) else _cursor(*page[-1][:2])
    return Listing(b",".join(map(_encode, hits)), next_cursor=cursor)


def _fts5(phrase: Phrase) -> str:
    # In quotes nothing is syntax (https://www.sqlite.org/fts5.html#full_text_query_syntax).
    quoted = phrase.text.replace('"', '""')
    return f'"{quoted}" *' if phrase.prefix else f'"{quoted}"'


def _cursor(score: float, place: int) -> str:
    return urlsafe_b64encode(_CURSOR.pack(score, place)).decode()


def _snippets(contents: list[str], words: str) -> list[str]:
    """The words around the first match in each text, as FTS5 makes them of a table that has the texts."""
    connection = apsw.Connection(":memory:")
    connection.execute(statements.SNIPPETS_TABLE)
    connection.executemany(statements.ADD_SNIPPET, enumerate(map(_unmarked, contents)))
    found = dict(
        connection.execute(statements.SNIPPETS, {"words": words, "open": _OPEN, "close": _CLOSE, "most": SNIPPET_WORDS})
    )
    connection.close()
    return [_marked(str(found[number])) for number in range(len(contents))]


def _unmarked(text: str) -> str:
    return text.replace(_OPEN, " ").replace(_CLOSE, " ").replace("\0", " ")


def _marked(snippet: str) -> str:
    return html.escape(snippet, quote=False).replace(_OPEN, "<mark>").replace(_CLOSE, "</mark>")
