"""Finds messages by their words: the index finds whole words; prefixes are matched in the texts."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import islice

import apsw
import msgspec

from ...model.queries import SearchQuery
from ...model.records import Listing
from ...search import results
from ...search.index_entry import EVERYWHERE, found_text, read_record
from ...search.query_parser import ParsedQuery, parse_query
from ...search.results import Filters, Found, Result, best, bindings_of, listing, score_of
from ...search.suggestions import MAX_COUNTED
from ...search.text_match import TextMatch
from ...search.tokenizer import Tokenizer
from ...search.vectors import Near, QueryVector, fuse_ranks, has_conditions, with_conditions
from ...sql.ports import Bindings, Row
from ..statements import SQLiteStatements
from . import match
from . import statements as search_statements
from .vectors import find_near

# FTS5 compares each word of a phrase with each place of this word, also if it is repeated. The limit of comparisons:
MAX_COMPARED = 16 * 1024 * 1024
# Phrases of so few words together take no longer than to count the places.
MAX_WORDS_NOT_COUNTED = 4
# The maximum number of words of a message whose matches are listed: a match takes 40 bytes in a list, and 12 in FTS5.
MAX_LISTED_WORDS = 64 * 1024

_decode_phrases = msgspec.json.Decoder(list[list[int]]).decode


def find(connection: apsw.Connection, workspace: str, query: SearchQuery, vector: QueryVector | None = None) -> Listing:
    """One page of hits: by words, and with a `vector` by meaning as well."""
    tokenizer = Tokenizer()
    parsed = parse_query(query, tokenizer.sought)
    if parsed is None:
        return Listing(b"")
    sought, query = parsed
    match = TextMatch(sought, query.scope, tokenizer)
    bindings, filters = bindings_of(workspace, query)
    search = _Search(connection, sought, bindings, filters)
    hits: Iterator[Found]
    if query.scope != EVERYWHERE or not sought.is_in_index:
        hits = islice(_in_texts(connection, search.candidates(), workspace, match), results.MAX_RANKED)
    else:
        hits = search.in_index()
    if vector is not None:
        near = find_near(connection, workspace, vector, filters, bindings)
        if has_conditions(sought):
            near = with_conditions(near, _records(connection, workspace, near), sought, match)
        hits = fuse_ranks(hits, near)
    found = best(hits, query)
    records = _records(connection, workspace, found[: query.limit])
    # Each is read into the memory of the one before it.
    contents = (found_text(record, query.scope) for record in records)
    return listing(found, query, contents, sought)


def count_words(
    connection: apsw.Connection, workspace: str, words: Sequence[str], *, with_forms: bool
) -> Mapping[str, int]:
    """The number of messages with each word, or form, up to `MAX_COUNTED`."""
    columns = "" if with_forms else "words : "
    counts = {}
    for word in words:
        bindings = {"workspace": workspace, "word": f'{columns}"{word}"', "most": MAX_COUNTED}
        [(counts[word],)] = connection.execute(search_statements.COUNT_MESSAGES, bindings)
    return counts


class _Search:
    """The candidates of one search."""

    def __init__(self, connection: apsw.Connection, sought: ParsedQuery, bindings: Bindings, filters: Filters) -> None:
        self._connection = connection
        self._sought = sought
        self._bindings = bindings | filters | {"oldest": 0}
        self._filters = filters
        register_functions(connection)

    def candidates(self) -> Iterator[Row]:
        """The messages with all words of the groups that the index can match, the latest first, up to a size limit."""
        words = match.words(self._sought)
        bindings = self._bindings | {"ranked": results.MAX_LOOKED_AT}
        if not words:
            return self._rows(search_statements.latest(self._filters), bindings)
        return self._rows(search_statements.hits(self._filters, scored=False), bindings | {"words": words})

    def in_index(self) -> Iterator[Found]:
        """The candidates that match the query, if the index alone can decide that."""
        sought, bindings = self._sought, self._bindings
        phrases = match.phrases(sought)
        if phrases or sought.excluded or sought.excluded_forms:
            # Without a limit, FTS5 reads all messages with the words of a phrase before it finds that none has it.
            oldest = min((entry for *_, entry in self.candidates()), default=search_statements.NONE)
            bindings = bindings | {"oldest": oldest}
            if sum(len(term.words) for term in phrases) > MAX_WORDS_NOT_COUNTED:
                sought = match.shortened(sought, max(1, MAX_COMPARED // self._places(oldest) // len(phrases)))
        numbers = msgspec.json.encode(match.exact_phrases(sought.groups)).decode()
        bindings = bindings | {"words": match.query(sought), "phrases": numbers}
        for score, *place, entry in self._rows(search_statements.hits(self._filters, scored=True), bindings):
            yield (score if score >= 0 else self._score_of_long(sought, entry, words=-round(score))), *place

    def _places(self, oldest: int) -> int:
        """The number of places of the words of phrases in the entries that FTS5 reads, at least 1.

        The last place that is counted is one of the first message with which there are more than MAX_COMPARED.
        """
        statement = search_statements.matches(self._filters)
        bindings = self._bindings | {"words": match.words_of_phrases(self._sought), "oldest": oldest}
        places = 1
        for (matches,) in self._connection.execute(statement, bindings):
            places += matches
            if places > MAX_COMPARED:
                break
        return places

    def _score_of_long(self, sought: ParsedQuery, entry: int, words: int) -> float:
        """The score of a message with this number of words."""
        groups = [match.counted(group) for group in sought.groups]
        counts = {term: self._matches(term, entry) for group in groups for term in group}
        return score_of([sum([counts[term] for term in group]) for group in groups], words)

    def _matches(self, term: str, entry: int) -> int:
        bindings = {"term": term, "entry": entry}
        row = self._connection.execute(search_statements.MATCHES_OF_MESSAGE, bindings).fetchone()
        return 0 if row is None else row[0]

    def _rows(self, statement: str, bindings: Bindings) -> Iterator[Row]:
        size = 0
        for *row, length in self._connection.execute(statement, bindings):
            yield tuple(row)
            size += length
            if size > results.MAX_BYTES:
                return


def _in_texts(
    connection: apsw.Connection, candidates: Iterator[Row], workspace: str, sought: TextMatch
) -> Iterator[Found]:
    # Read all rows first, so that the statement is finished before the next one.
    for _, session_id, sequence, role, _ in [*candidates]:
        score = read_record(_record(connection, workspace, session_id, sequence), sought.score)
        if score is not None:
            yield score, session_id, sequence, role


def _records(connection: apsw.Connection, workspace: str, found: Sequence[Result] | Sequence[Near]) -> Iterator[bytes]:
    """The records of the first of these messages, up to the size limit of a page."""
    size = 0
    for hit in found:
        record = _record(connection, workspace, hit.session_id, hit.sequence)
        yield record
        size += len(record)
        if size > results.MAX_PAGE_BYTES:
            return


def _record(connection: apsw.Connection, workspace: str, session_id: str, sequence: int) -> bytes:
    """The record of a message; empty if it was deleted meanwhile."""
    bindings = {"workspace": workspace, "id": session_id, "sequence": sequence}
    row = connection.execute(SQLiteStatements.MESSAGE, bindings).fetchone()
    return b"" if row is None else row[0]


def register_functions(connection: apsw.Connection) -> None:
    """Register the SQL functions about a message and a query.

    `score(search, :phrases)` is how well it matches, or less than 0 for a long message: then it is its number of words,
    negated. `matches(search)` is how often it has the phrases of the query; for a long message with a phrase that is in
    the query twice, the number of words instead.
    """
    connection.register_fts5_function("score", _score)
    connection.register_fts5_function("matches", _matches)


def _score(api: apsw.FTS5ExtensionApi, *arguments: object) -> float:
    words = api.column_size(0)
    if words > MAX_LISTED_WORDS:
        return -float(words)
    groups: list[list[int]] | None = api.aux_data
    if groups is None:
        [phrases] = arguments
        groups = api.aux_data = _decode_phrases(str(phrases))
    counts = [sum([len(api.phrase_locations(phrase)[0]) for phrase in group]) for group in groups]
    return score_of(counts, words)


def _matches(api: apsw.FTS5ExtensionApi, *_arguments: object) -> int:
    if api.aux_data is None:
        api.aux_data = len({*api.phrases}) < api.phrase_count
    # FTS5 makes a list of all matches, and a word that is several times in the query would be in it several times.
    if api.aux_data and (words := api.column_size(0)) > MAX_LISTED_WORDS:
        return words
    return api.inst_count
