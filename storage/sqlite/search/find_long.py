"""Finding long messages: the index has them in pieces, so each group of a query is matched in all pieces of one."""

from collections.abc import Collection, Iterable, Iterator, Sequence
from heapq import merge

import apsw
import msgspec

from ...search import tokenizer
from ...search.query_parser import Group, ParsedQuery, Term
from ...search.results import Filters, score_of
from ...sql.ports import Bindings, Row
from . import match
from . import statements as search_statements

# The place of a candidate's entry in its row (see `hits`): later messages have later entries.
_ENTRY = 4
_HALF = 31
_LOWER = 2**_HALF - 1

_encode = msgspec.json.Encoder().encode
_decode_phrases = msgspec.json.Decoder(list[int]).decode

# How often the exact terms of a group are in each long message that has the group, by the message's number.
Counts = dict[int, int]


class LongMessages:
    """The candidates of one search among the long messages, as rows like those of `hits`."""

    def __init__(self, connection: apsw.Connection, bindings: Bindings, filters: Filters) -> None:
        self._connection = connection
        self._bindings = bindings
        self._filters = filters
        connection.register_fts5_function("places", _places)

    def exist(self) -> bool:
        """Whether the workspace has any."""
        return self._connection.execute(search_statements.HAS_LONG, self._bindings).fetchone() is not None

    def with_words(self, groups: Sequence[Group]) -> list[Row]:
        """Those that have the words of each of these groups, wherever they are; their scores are 0."""
        matched = [self._matched(match.words([_within_a_piece(group)]), []) for group in groups]
        return [(0, *row) for _, *row, _ in self._rows(_in_all(matched))]

    def matching(self, sought: ParsedQuery) -> list[Row]:
        """Those that match a query, as far as the index alone decides."""
        counts = [self._matched(match.group(group), match.exact_phrases([group])[0]) for group in sought.groups]
        excluded = self._matched(match.group(sought.excluded), []) if sought.excluded else {}
        numbers = _in_all(counts) - excluded.keys()
        return [
            (score_of([counted[number] for counted in counts], words), *row)
            for number, *row, words in self._rows(numbers)
        ]

    def _matched(self, query: str, phrases: list[int]) -> Counts:
        """The messages with a piece that matches, and how often they have these phrases of the query."""
        counts: Counts = {}
        bindings = self._bindings | {"words": query, "phrases": _encode(phrases).decode()}
        for number, is_last, places in self._connection.execute(search_statements.pieces(self._filters), bindings):
            counts[number] = counts.get(number, 0) + (places >> _HALF if is_last else places & _LOWER)
        return counts

    def _rows(self, numbers: Collection[int]) -> list[Row]:
        if not numbers:
            return []
        bindings = self._bindings | {"numbers": _encode(sorted(numbers)).decode()}
        return self._connection.execute(search_statements.long_messages(self._filters), bindings).fetchall()


def latest_first(rows: Iterable[Row], long: Iterable[Row]) -> Iterator[Row]:
    """Two lists of candidates, the latest first, as one."""
    return merge(rows, long, key=_age)


def fits_overlap(sought: ParsedQuery) -> bool:
    """Whether each phrase of a query that is in a long message is in one of its pieces."""
    return all(len(term.words) <= tokenizer.OVERLAP for term in (*sought.terms, *sought.excluded))


def _age(row: Row) -> int:
    entry: int = row[_ENTRY]
    return -entry


def _in_all(matched: Sequence[Counts]) -> set[int]:
    numbers = set(matched[0])
    for counts in matched[1:]:
        numbers &= counts.keys()
    return numbers


def _within_a_piece(group: Group) -> Group:
    """A group that a piece of each long message has which has this group."""
    return tuple(
        term if len(term.words) <= tokenizer.OVERLAP else Term(term.words[: tokenizer.OVERLAP]) for term in group
    )


def _places(api: apsw.FTS5ExtensionApi, *arguments: object) -> int:
    """How often phrases are in the words of a piece, in the upper half of the number.

    The lower half are those before its last words, which the next piece repeats.
    """
    phrases: list[int] | None = api.aux_data
    if phrases is None:
        phrases = api.aux_data = _decode_phrases(str(arguments[0]))
    places = [place for phrase in phrases for place in api.phrase_locations(phrase)[0]]
    own = api.column_size(0) - tokenizer.OVERLAP
    return len(places) << _HALF | sum(place < own for place in places)
