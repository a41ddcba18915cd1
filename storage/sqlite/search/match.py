"""Converts queries to FTS5's syntax (https://www.sqlite.org/fts5.html#full_text_query_syntax)."""

from collections.abc import Sequence

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
    groups = ["(" + " OR ".join(map(_words, group)) + ")" for group in sought.in_index]
    return _all([*groups, *map(_quote, sought.required)])


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


def _words(term: Term) -> str:
    *before, last = term.words
    if not before:
        return _term(term)
    each = dict.fromkeys([*(_exactly(Term((word,))) for word in before), _exactly(Term((last,), term.prefix))])
    return " OR ".join(["(" + _all([*each]) + ")", *map(_quote, term.other_forms)])


def _exactly(term: Term) -> str:
    beginning = " *" if term.prefix else ""
    # Forms have no order, so a quoted phrase only matches in the column of words.
    return f"{'' if term.is_form else 'words : '}{_quote(' '.join(term.words))}{beginning}"


def _quote(words: str) -> str:
    # Quotes disable FTS5's syntax.
    return f'"{words}"'
