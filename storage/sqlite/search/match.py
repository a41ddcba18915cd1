"""Converts queries to FTS5's syntax (https://www.sqlite.org/fts5.html#full_text_query_syntax)."""

from collections.abc import Sequence
from dataclasses import replace

from ...search.query_parser import Group, ParsedQuery, Term


def query(sought: ParsedQuery) -> str:
    """The FTS5 query for messages that match."""
    groups = ["(" + " OR ".join(map(_term, group)) + ")" for group in sought.groups]
    found = _all([*groups, *map(_quote, sought.required)])
    terms = (_term(term) for term in sought.excluded if not term.is_short_prefix)
    excluded = " OR ".join([*terms, *map(_quote, sought.excluded_forms)])
    return f"({found}) NOT ({excluded})" if excluded else found


def words(sought: ParsedQuery) -> str:
    """The FTS5 query for messages with all words of the groups in the index, anywhere; empty without such groups."""
    groups = (part for group in sought.in_index for part in _words_of_group(group))
    # FTS5 reads a word as often as it is in the query.
    return _all([*dict.fromkeys(groups), *map(_quote, sought.required)])


def words_of_phrases(sought: ParsedQuery) -> str:
    """The same query, which also matches the words of excluded phrases in messages that have all of these words."""
    found = words(sought)
    excluded = dict.fromkeys(_words(term) for term in sought.excluded if len(term.words) > 1)
    return f"({found}) AND ({' OR '.join([f'({found})', *excluded])})" if excluded else found


def phrases(sought: ParsedQuery) -> list[Term]:
    """The terms of several words, with the excluded ones."""
    return [term for term in (*sought.terms, *sought.excluded) if len(term.words) > 1]


def shortened(sought: ParsedQuery, most: int) -> ParsedQuery:
    """The query with at most the first `most` words of each term, as whole words if there are more."""
    groups = (tuple(dict.fromkeys(_shortened(term, most) for term in group)) for group in sought.groups)
    excluded = (_shortened(term, most) for term in sought.excluded)
    return replace(sought, groups=tuple(dict.fromkeys(groups)), excluded=tuple(dict.fromkeys(excluded)))


def counted(group: Group) -> list[str]:
    """The FTS5 queries for the exact matches of each term of a group."""
    return [_in_words(term) for term in group]


def exact_phrases(groups: Sequence[Group]) -> list[list[int]]:
    """For each group, the numbers of the phrases in `query` that are exact terms."""
    number = 0
    phrases = []
    for group in groups:
        places = []
        for term in group:
            places.append(number)
            number += 1 + len(term.other_forms)
        phrases.append(places)
    return phrases


def _all(parts: list[str]) -> str:
    return " AND ".join(parts)


def _term(term: Term) -> str:
    return " OR ".join([_exactly(term), *map(_quote, term.other_forms)])


def _words_of_group(group: Group) -> Sequence[str]:
    """The FTS5 queries that all match a message with the words of one of the terms."""
    [term, *others] = group
    if not others and not term.other_forms:
        return _each_word(term)
    return ["(" + " OR ".join(dict.fromkeys(map(_words, group))) + ")"]


def _words(term: Term) -> str:
    each = _each_word(term)
    return " OR ".join([f"({_all(each)})" if len(each) > 1 else each[0], *map(_quote, term.other_forms)])


def _each_word(term: Term) -> list[str]:
    *before, last = term.words
    if not before:
        return [_exactly(term)]
    return [*dict.fromkeys([*(_exactly(Term((word,))) for word in before), _exactly(Term((last,), term.prefix))])]


def _exactly(term: Term) -> str:
    # Forms have no order, so a quoted phrase only matches in the column of words.
    return _phrase(term) if term.is_form else _in_words(term)


def _in_words(term: Term) -> str:
    return f"words : {_phrase(term)}"


def _phrase(term: Term) -> str:
    return _quote(" ".join(term.words)) + (" *" if term.prefix else "")


def _shortened(term: Term, most: int) -> Term:
    return term if len(term.words) <= most else replace(term, words=term.words[:most], prefix=False)


def _quote(words: str) -> str:
    # Quotes disable FTS5's syntax.
    return f'"{words}"'
