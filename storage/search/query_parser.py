"""The terms of a query as a person types it: any text is valid."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import islice

# As many of a query's different terms are used, the first ones.
MAX_TERMS = 16

# An unclosed quote extends to the end.
_TERM = re.compile(r'"(?P<phrase>[^"]*)(?:"|$)(?P<more>\*?)|(?P<word>[^\s"]+)')


@dataclass(frozen=True, slots=True)
class Term:
    """Adjacent words; the last of them may be only the beginning of a word."""

    words: tuple[str, ...]
    prefix: bool = False

    @property
    def pattern(self) -> str:
        """The term as a part of a text that has a space before and after each word."""
        text = f" {'  '.join(self.words)} "
        return text.removesuffix(" ") if self.prefix else text

    def places(self, said: Sequence[str], most: int | None = None) -> list[int]:
        """The first `most` places where the term begins in these words."""
        *before, last = self.words
        if self.prefix:
            ends = (place for place, word in enumerate(said) if word.startswith(last))
        else:
            ends = (place for place, word in enumerate(said) if word == last)
        if before:
            starts = (end - len(before) for end in ends if end >= len(before))
            ends = (start for start in starts if [*said[start : start + len(before)]] == before)
        return [*islice(ends, most)]


def terms_of(text: str, words_of: Callable[[str], list[str]]) -> list[Term]:
    """The different terms of a query that contain a word, all of which must match."""
    found = (_term(term, words_of) for term in _TERM.finditer(text.replace("\0", " ")))
    return list(dict.fromkeys(term for term in found if term.words))[:MAX_TERMS]


def _term(term: re.Match[str], words_of: Callable[[str], list[str]]) -> Term:
    if term["word"] is None:
        return Term(tuple(words_of(term["phrase"])), prefix=bool(term["more"]))
    return Term(tuple(words_of(term["word"])), prefix=term["word"].endswith("*"))
