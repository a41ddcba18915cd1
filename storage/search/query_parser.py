"""What a person types into a search as terms: any text is a query."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import islice

# The first of a query's different terms are looked for.
MAX_TERMS = 16

# A quote that is not closed goes to the end.
_TERM = re.compile(r'"(?P<phrase>[^"]*)(?:"|$)(?P<more>\*?)|(?P<word>[^\s"]+)')


@dataclass(frozen=True, slots=True)
class Term:
    """Words that stand together, the last of them perhaps only the beginning of one."""

    words: tuple[str, ...]
    prefix: bool = False

    @property
    def pattern(self) -> str:
        """The part of a text that it is, if there is a space before and a space after each word of that."""
        text = f" {'  '.join(self.words)} "
        return text.removesuffix(" ") if self.prefix else text

    def places(self, said: Sequence[str], most: int | None = None) -> list[int]:
        """Where it begins in these words; the first `most` places."""
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
    """The different terms of a query that have a word in them, each of which must be found."""
    found = (_term(term, words_of) for term in _TERM.finditer(text.replace("\0", " ")))
    return list(dict.fromkeys(term for term in found if term.words))[:MAX_TERMS]


def _term(term: re.Match[str], words_of: Callable[[str], list[str]]) -> Term:
    if term["word"] is None:
        return Term(tuple(words_of(term["phrase"])), prefix=bool(term["more"]))
    return Term(tuple(words_of(term["word"])), prefix=term["word"].endswith("*"))
