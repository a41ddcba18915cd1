"""The words around what was found in a text, as HTML."""

import html
from collections.abc import Iterable

import apsw

from .words import Phrase

SNIPPET_WORDS = 24

# Characters that no text keeps where it is searched.
_OPEN, _CLOSE = "\x02", "\x03"

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

_SNIPPETS = """
SELECT rowid, snippet(hit, 0, :open, :close, '…', :most)
FROM hit
WHERE hit MATCH :words
"""


def fts5(phrases: Iterable[Phrase]) -> str:
    """Phrases in FTS5's language, all of which must be found."""
    return " ".join(map(_fts5, phrases))


def snippets(contents: list[str], words: str) -> list[str | None]:
    """The words around the first match of `words` in each text, as FTS5 makes them of a table that has the texts.

    None for a text that has no match.
    """
    connection = apsw.Connection(":memory:")
    connection.execute(_TABLE)
    connection.executemany(_ADD, enumerate(map(_unmarked, contents)))
    bindings = {"words": words, "open": _OPEN, "close": _CLOSE, "most": SNIPPET_WORDS}
    found = {number: _marked(str(snippet)) for number, snippet in connection.execute(_SNIPPETS, bindings)}
    connection.close()
    return [found.get(number) for number in range(len(contents))]


def _fts5(phrase: Phrase) -> str:
    # In quotes nothing is syntax (https://www.sqlite.org/fts5.html#full_text_query_syntax).
    quoted = phrase.text.replace('"', '""')
    return f'"{quoted}" *' if phrase.prefix else f'"{quoted}"'


def _unmarked(text: str) -> str:
    return text.replace(_OPEN, " ").replace(_CLOSE, " ").replace("\0", " ")


def _marked(snippet: str) -> str:
    return html.escape(snippet, quote=False).replace(_OPEN, "<mark>").replace(_CLOSE, "</mark>")
