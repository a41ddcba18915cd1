"""Finding messages by their words: the index finds them, texts tell of beginnings that too many words have."""

from collections.abc import Iterator, Sequence

import apsw
import msgspec

from ..hits import MAX_PAGE_BYTES, MAX_WORDS, Bindings, Filters, Found, best, bindings_of, listing, score_of
from ..records import Listing, Message, SearchQuery
from ..rows import Row
from ..tokens import tokenizer
from ..words import Term, terms_of
from . import search_statements, statements
from .score import register_counts
from .vocabulary import Vocabulary

# So many of the latest messages are looked at for a beginning that too many words have.
MAX_READ = 1_000

_decode_message = msgspec.json.Decoder(Message).decode


def find(connection: apsw.Connection, workspace: str, query: SearchQuery) -> Listing:
    """The hits of one page."""
    terms = terms_of(query.text, tokenizer())
    bindings, filters = bindings_of(workspace, query)
    vocabulary = Vocabulary(connection)
    # The longest beginnings have the fewest words.
    phrases = [_phrases(vocabulary, term) for term in sorted(terms, key=lambda it: len(it.words[-1]), reverse=True)]
    if not all(it is None or it for it in phrases) or not terms:
        return Listing(b"")
    known = " AND ".join(f"({' OR '.join(it)})" for it in phrases if it is not None)
    if None in phrases:
        bindings["ranked"] = MAX_READ
        hits = _in_texts(connection, _candidates(connection, known, bindings, filters), workspace, terms)
    else:
        hits = _in_index(_candidates(connection, known, bindings, filters))
    found = best(hits, query)
    contents = [content for _, content in _read(connection, workspace, found[: query.limit])]
    return listing(found, query, contents, terms)


def _phrases(vocabulary: Vocabulary, term: Term) -> list[str] | None:
    """What a term stands for in FTS5's language; None for a beginning that too many words have."""
    if not term.prefix:
        return [_phrase(term.words)]
    *before, beginning = term.words
    words = vocabulary.words(beginning)
    if words is None:
        return None
    return [f"{_phrase(before)} + {word}" if before else word for word in words]


def _phrase(words: Sequence[str]) -> str:
    # In quotes nothing is syntax (https://www.sqlite.org/fts5.html#full_text_query_syntax).
    return f'"{" ".join(words)}"'


def _candidates(connection: apsw.Connection, words: str, bindings: Bindings, filters: Filters) -> Iterator[Row]:
    """Messages that have these words, all where there are none, the latest first, as they are asked for."""
    register_counts(connection)
    statement = search_statements.hits(filters) if words else search_statements.latest(filters)
    return iter(connection.execute(statement, bindings | filters | ({"words": words} if words else {})))


def _in_index(candidates: Iterator[Row]) -> Iterator[Found]:
    looked_at = 0
    for matches, size, session_id, sequence, role in candidates:
        yield score_of(matches, size), session_id, sequence, role
        looked_at += size
        if looked_at > MAX_WORDS:
            return


def _in_texts(
    connection: apsw.Connection, candidates: Iterator[Row], workspace: str, terms: Sequence[Term]
) -> Iterator[Found]:
    words_of = tokenizer()
    found: list[Found] = [(0.0, *row[2:]) for row in candidates]
    for (_, session_id, sequence, role), content in _read(connection, workspace, found):
        said = words_of(content)
        matches = [len(term.places(said)) for term in terms]
        if all(matches):
            yield score_of(sum(matches), len(said)), session_id, sequence, role


def _read(connection: apsw.Connection, workspace: str, found: Sequence[Found]) -> Iterator[tuple[Found, str]]:
    """What the first of these messages say, as far as that is not too much."""
    size = 0
    for hit in found:
        bindings = {"workspace": workspace, "id": hit[1], "sequence": hit[2]}
        row = connection.execute(statements.MESSAGE, bindings).fetchone()
        # It may have been deleted meanwhile.
        yield hit, "" if row is None else _decode_message(row[0]).content
        size += 0 if row is None else len(row[0])
        if size > MAX_PAGE_BYTES:
            return
