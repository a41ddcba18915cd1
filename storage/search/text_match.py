"""Matches a query against messages without an index."""

import re

from ..model.queries import SearchScope
from ..model.records import Message
from . import results
from .index_entry import EVERYWHERE, entry_within, searched_text, tool_forms_of
from .query_parser import ParsedQuery, Term
from .results import score_of
from .tokenizer import Tokenizer


class TextMatch:
    """Matches one query against messages, within its scope."""

    def __init__(self, sought: ParsedQuery, scope: SearchScope, tokenizer: Tokenizer) -> None:
        self._sought = sought
        self._scope = scope
        self._tokenizer = tokenizer
        self._beginnings = [
            _word_start(group[0].words[0])
            for group in sought.groups
            if len(group) == 1 and group[0].is_short_prefix and len(group[0].words) == 1 and group[0].words[0].isalpha()
        ]

    def has_words(self, message: Message) -> bool:
        """Whether a message has, in any scope, the words or forms that an index would be searched for."""
        entry = entry_within(message, self._tokenizer, EVERYWHERE)
        spaced, forms = f" {entry.words} ", {*entry.forms}
        return all(
            any(_has_each_word(term, spaced) or _has_form(term, spaced, forms) for term in group)
            for group in self._sought.in_index
        )

    def score(self, message: Message) -> float | None:
        """The score of a message; None if it does not match."""
        if self._calls_excluded(message):
            return None
        if self._beginnings:
            text = searched_text(message, self._scope)
            if text.isascii() and not all(beginning.search(text) for beginning in self._beginnings):
                return None
        entry = entry_within(message, self._tokenizer, self._scope)
        spaced, forms = f" {entry.words} ", {*entry.forms}
        counts = [sum(_count(term, spaced) for term in group) for group in self._sought.groups]
        for count, group in zip(counts, self._sought.groups, strict=True):
            if not count and not any(_has_form(term, spaced, forms) for term in group):
                return None
        if self._has_excluded(spaced, forms):
            return None
        return score_of(counts, entry.size)

    def is_excluded(self, message: Message) -> bool:
        """Whether a message has a word, or calls a tool, that the query excludes."""
        if self._calls_excluded(message):
            return True
        if not self._sought.excluded:
            return False
        entry = entry_within(message, self._tokenizer, self._scope)
        return self._has_excluded(f" {entry.words} ", {*entry.forms})

    def _calls_excluded(self, message: Message) -> bool:
        excluded = self._sought.excluded_forms
        return bool(excluded) and not {*excluded}.isdisjoint(tool_forms_of(message))

    def _has_excluded(self, spaced: str, forms: set[str]) -> bool:
        return any(_count(term, spaced) or _has_form(term, spaced, forms) for term in self._sought.excluded)


def _has_each_word(term: Term, spaced: str) -> bool:
    """Whether a message has all words of a term, not necessarily adjacent."""
    *before, last = term.words
    return all(f" {word} " in spaced for word in before) and (f" {last}" if term.prefix else f" {last} ") in spaced


def _count(term: Term, spaced: str) -> int:
    """How often a message has a term exactly, up to `MAX_MATCHES` if it has several words: these may overlap."""
    if len(term.words) == 1:
        return spaced.count(term.pattern)
    count, place = 0, spaced.find(term.pattern)
    while place >= 0 and count < results.MAX_MATCHES:
        count += 1
        place = spaced.find(term.pattern, place + 1)
    return count


def _has_form(term: Term, spaced: str, forms: set[str]) -> bool:
    """Whether a message has a term in another form."""
    if term.prefix and term.is_form and any(form.startswith(term.words[0]) for form in forms):
        return True
    return any(form in forms or f" {form} " in spaced for form in term.forms)


def _word_start(word: str) -> re.Pattern[str]:
    """A pattern that matches an ASCII text if one of its words begins with `word`."""
    return re.compile(f"(?<![0-9a-z]){re.escape(word)}", re.IGNORECASE | re.ASCII)
