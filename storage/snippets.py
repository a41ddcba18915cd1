"""The words around what was found in a text, as HTML."""

import html
import re
from collections.abc import Iterator, Sequence
from contextlib import closing

import apsw

from .words import Phrase

SNIPPET_WORDS = 24
# FTS5 takes a time for a snippet that grows with the square of the matches in the text: a long one is looked into piece
# by piece, each beginning with the end of the one before, so that what stands on their border is whole in one of them.
PIECE_CHARACTERS = 2_000
OVERLAP_CHARACTERS = 200
# So much text is tokenized at once, unless one has more.
GROUP_CHARACTERS = 1024 * 1024

# Characters that no text keeps where it is searched.
_OPEN, _CLOSE = "\x02", "\x03"
_MARKS = {"open": _OPEN, "close": _CLOSE, "most": SNIPPET_WORDS}

_TABLE = """
CREATE VIRTUAL TABLE hit USING fts5 (
    content,
    tokenize = 'unicode61 remove_diacritics 2'
)
"""

_ADD = """
INSERT INTO hit (rowid, content)
VALUES (?, ?)
"""

_FIND = """
SELECT rowid, snippet(hit, 0, :open, :close, '…', :most)
FROM hit
WHERE hit MATCH :words
    AND rowid BETWEEN :first AND :last
ORDER BY rowid
LIMIT 1
"""

Place = tuple[int, str]

# Longer than that are no words, but texts of a script without spaces.
_FIRST_WORD = re.compile(r"^\w{1,50}(?!\w)")
_LAST_WORD = re.compile(r"(?<!\w)\w{1,50}$")


def fts5(phrases: Sequence[Phrase]) -> list[str]:
    """Phrases in FTS5's language."""
    return [_fts5(phrase) for phrase in phrases]


def snippets(contents: list[str], phrases: Sequence[str]) -> list[str | None]:
    """The words around the first match in each text, as FTS5 makes them; phrases are in its language.

    None for a text that has not all of them.
    """
    found: list[str | None] = []
    for group in _groups(contents):
        found += _snippets([_pieces(text) for text in group], phrases)
    return [
        _whole(text, phrases) if snippet is None and len(text) > PIECE_CHARACTERS else snippet
        for text, snippet in zip(contents, found, strict=True)
    ]


def _groups(contents: list[str]) -> Iterator[list[str]]:
    group: list[str] = []
    size = 0
    for content in contents:
        group.append(content)
        size += len(content)
        if size >= GROUP_CHARACTERS:
            yield group
            group, size = [], 0
    if group:
        yield group


def _pieces(text: str) -> list[str]:
    step = PIECE_CHARACTERS - OVERLAP_CHARACTERS
    return [_piece(text, start) for start in range(0, max(len(text) - OVERLAP_CHARACTERS, 1), step)]


def _piece(text: str, start: int) -> str:
    """What is there, without a word that was cut: that is whole in the piece before, or after."""
    end = start + PIECE_CHARACTERS
    piece = text[start:end]
    if start > 0:
        piece = _FIRST_WORD.sub("", piece)
    return _LAST_WORD.sub("", piece) if end < len(text) else piece


def _whole(text: str, phrases: Sequence[str]) -> str | None:
    """The same for a text of which no piece has a phrase: its words stand far from each other."""
    [snippet] = _snippets([[text]], phrases)
    return snippet


def _snippets(texts: list[list[str]], phrases: Sequence[str]) -> list[str | None]:
    """A snippet of each of these texts, which come in pieces."""
    with closing(apsw.Connection(":memory:")) as connection:
        connection.execute(_TABLE)
        connection.executemany(_ADD, enumerate(_unmarked(piece) for pieces in texts for piece in pieces))
        found: list[str | None] = []
        first = 0
        for pieces in texts:
            last = first + len(pieces) - 1
            place = _place(connection, phrases, first, last)
            found.append(None if place is None else _cut(*place, first, last))
            first = last + 1
        return found


def _place(connection: apsw.Connection, phrases: Sequence[str], first: int, last: int) -> Place | None:
    """The first piece that has all phrases, else the first that has one where each is in some; and its snippet."""
    together = _find(connection, " ".join(phrases), first, last)
    if together is not None or first == last:
        return together
    apart = [_find(connection, phrase, first, last) for phrase in phrases]
    return None if None in apart else _find(connection, " OR ".join(phrases), first, last)


def _find(connection: apsw.Connection, words: str, first: int, last: int) -> Place | None:
    found = connection.execute(_FIND, _MARKS | {"words": words, "first": first, "last": last}).fetchone()
    return None if found is None else (found[0], str(found[1]))


def _cut(number: int, snippet: str, first: int, last: int) -> str:
    """A piece's snippet as that of its text."""
    before = "…" if number > first and not snippet.startswith("…") else ""
    after = "…" if number < last and not snippet.endswith("…") else ""
    return before + _marked(snippet) + after


def _fts5(phrase: Phrase) -> str:
    # In quotes nothing is syntax (https://www.sqlite.org/fts5.html#full_text_query_syntax).
    quoted = phrase.text.replace('"', '""')
    return f'"{quoted}" *' if phrase.prefix else f'"{quoted}"'


def _unmarked(text: str) -> str:
    return text.replace(_OPEN, " ").replace(_CLOSE, " ").replace("\0", " ")


def _marked(snippet: str) -> str:
    return html.escape(snippet, quote=False).replace(_OPEN, "<mark>").replace(_CLOSE, "</mark>")
