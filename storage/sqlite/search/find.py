"""Finding messages by their words: the index finds whole words, texts tell which have the beginnings of words."""

import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice

import apsw
import msgspec

from ...model.records import Listing, Message, SearchQuery, SearchScope
from ...search import results
from ...search.query_parser import Term, terms_of
from ...search.results import Filters, Found, best, bindings_of, listing, score_of
from ...search.searched_text import EVERYWHERE, searched_text
from ...search.tokenizer import tokenizer
from ...sql.ports import Bindings, Row
from ..statements import SQLiteStatements
from . import statements as search_statements

# A text is cut into words in pieces of as many characters, for other threads to go on in between.
PIECE_CHARACTERS = 64 * 1024

_decode_message = msgspec.json.Decoder(Message).decode

# Each is between two words, whatever is beside it.
_SEPARATORS = re.compile("[ -/\t-\r]")


def find(connection: apsw.Connection, workspace: str, query: SearchQuery) -> Listing:
    """The hits of one page."""
    terms = terms_of(query.text, tokenizer())
    if not terms:
        return Listing(b"")
    search = _Search(connection, *bindings_of(workspace, query))
    whole = [term for term in terms if not term.prefix]
    if len(whole) < len(terms) or query.scope != EVERYWHERE:
        texts = _in_texts(connection, search.candidates(whole), workspace, terms, query.scope)
        found = best(islice(texts, results.MAX_RANKED), query)
    else:
        found = best(search.in_index(whole), query)
    contents = [*_contents(connection, workspace, found[: query.limit], query.scope)]
    return listing(found, query, contents, terms)


class _Search:
    """The candidates of one search."""

    def __init__(self, connection: apsw.Connection, bindings: Bindings, filters: Filters) -> None:
        self._connection = connection
        self._bindings = bindings | filters | {"oldest": 0}
        self._filters = filters
        register_counts(connection)

    def candidates(self, terms: Sequence[Term]) -> Iterator[Row]:
        """Messages that have all words of these terms, the latest first, up to a number of bytes."""
        words = _matching((word,) for term in terms for word in term.words)
        bindings = self._bindings | {"ranked": results.MAX_LOOKED_AT}
        if not words:
            return self._rows(search_statements.latest(self._filters), bindings)
        return self._rows(search_statements.hits(self._filters, counted=False), bindings | {"words": words})

    def in_index(self, terms: Sequence[Term]) -> Iterator[Found]:
        """Messages among the candidates that have these terms, of which none is a beginning."""
        bindings = self._bindings | {"words": _matching(term.words for term in terms)}
        if any(len(term.words) > 1 for term in terms):
            # FTS5 looks through all messages that have the words of a phrase before it finds that none has it.
            bindings["oldest"] = min((entry for *_, entry in self.candidates(terms)), default=search_statements.NONE)
        for matches, size, *place, _ in self._rows(search_statements.hits(self._filters, counted=True), bindings):
            yield score_of(matches, size), *place

    def _rows(self, statement: str, bindings: Bindings) -> Iterator[Row]:
        size = 0
        for *row, length in self._connection.execute(statement, bindings):
            yield tuple(row)
            size += length
            if size > results.MAX_BYTES:
                return


def _matching(phrases: Iterable[Sequence[str]]) -> str:
    # In quotes nothing is syntax (https://www.sqlite.org/fts5.html#full_text_query_syntax).
    return " AND ".join(f'"{" ".join(words)}"' for words in phrases)


def _in_texts(
    connection: apsw.Connection,
    candidates: Iterator[Row],
    workspace: str,
    terms: Sequence[Term],
    scope: SearchScope,
) -> Iterator[Found]:
    words_of = tokenizer()
    beginnings = [_beginning(term) for term in terms]
    # All of them first: what follows must not hold on to the statement.
    for _, _, session_id, sequence, role, _ in [*candidates]:
        content = _content_of(_record(connection, workspace, session_id, sequence), scope)
        if content.isascii() and not all(it.search(content) for it in beginnings):
            continue
        said = [word for piece in pieces(content) for word in words_of(piece)]
        spaced = f" {'  '.join(said)} "
        if all(term.pattern in spaced for term in terms):
            matches = [_count(term, said, spaced) for term in terms]
            yield score_of(sum(matches), len(said)), session_id, sequence, role


def _count(term: Term, said: Sequence[str], spaced: str) -> int:
    """How often a message has a term, up to `MAX_MATCHES` if it has several words: these may overlap."""
    return spaced.count(term.pattern) if len(term.words) == 1 else len(term.places(said, results.MAX_MATCHES))


def _beginning(term: Term) -> re.Pattern[str]:
    """What a text in ASCII has if it has the last word of a term."""
    return re.compile(f"(?<![0-9a-z]){re.escape(term.words[-1])}", re.IGNORECASE | re.ASCII)


def pieces(text: str) -> Iterator[str]:
    """A text cut between words, after each `PIECE_CHARACTERS` or at the next place that there is."""
    start = 0
    while separator := _SEPARATORS.search(text, start + PIECE_CHARACTERS):
        yield text[start : separator.start()]
        start = separator.start()
    yield text[start:]


def _contents(connection: apsw.Connection, workspace: str, found: Sequence[Found], scope: SearchScope) -> Iterator[str]:
    """What the first of these messages say, up to the bytes of a page."""
    size = 0
    for _, session_id, sequence, _ in found:
        record = _record(connection, workspace, session_id, sequence)
        yield _content_of(record, scope)
        size += len(record)
        if size > results.MAX_PAGE_BYTES:
            return


def _record(connection: apsw.Connection, workspace: str, session_id: str, sequence: int) -> bytes:
    """The record of a message; empty if it was deleted meanwhile."""
    bindings = {"workspace": workspace, "id": session_id, "sequence": sequence}
    row = connection.execute(SQLiteStatements.MESSAGE, bindings).fetchone()
    return b"" if row is None else row[0]


def _content_of(record: bytes, scope: SearchScope) -> str:
    return searched_text(_decode_message(record), scope) if record else ""


def register_counts(connection: apsw.Connection) -> None:
    """Let the connection count by `matches(search)` and `size(search)`."""
    connection.register_fts5_function("matches", _matches)
    connection.register_fts5_function("size", _size)


def _matches(api: apsw.FTS5ExtensionApi, *_arguments: object) -> int:
    return api.inst_count


def _size(api: apsw.FTS5ExtensionApi, *_arguments: object) -> int:
    return api.column_size(-1)
