"""Sums of words at their places, which Python computes from messages and SQLite from the search index.

The summand of a word is the product of three numbers, modulo a prime: the hash of the word, by SipHash (PEP 456), a
number for its message and one for its place there. Sums of different words are equal with a probability of about one in
a billion, by the Schwartz-Zippel lemma.
"""

from array import array
from operator import mul

from ...search.tokenizer import IndexedText

PRIME = 2**31 - 1

# Products of two of these are within 63 bits, as SQLite's integers are.
_FIRST = (1647712783, 1998935573, 1875398923)
_SECOND = (1692655487, 1362275869, 1765623511)
# The numbers of the first places, which most messages have.
_FIRST_PLACES = 1024


def _scrambled_in_sql(number: str) -> str:
    """The SQL expression for what `_scrambled` returns."""
    first, second = (f"{number} % {modulus} * {factor} % {other}" for modulus, factor, other in (_FIRST, _SECOND))
    return f"({first} * ({second}) % {PRIME})"


def _scrambled(number: int) -> int:
    """A number below `PRIME` for another one, such that those of adjacent numbers are not related."""
    first, second = (number % modulus * factor % other for modulus, factor, other in (_FIRST, _SECOND))
    return first * second % PRIME


# Words and forms are at different places.
_PLACE = """("offset" * 2 + (col = 'forms') + 1)"""
# The product of the numbers of a row's message and place.
FACTOR = f"{_scrambled_in_sql('doc')} * {_scrambled_in_sql(_PLACE)} % {PRIME}"


class WordSums:
    """Sums the words and forms of messages: each of them `hash(word)` times the `FACTOR` of its row in the index."""

    def __init__(self) -> None:
        self._of_words = array("I")
        self._of_forms = array("I")

    def of_message(self, place: int, entry: IndexedText) -> int:
        """The sum of a message's entry, by the place of the message."""
        words, forms = entry.words.encode().split(), " ".join(entry.forms).encode().split()
        while len(self._of_words) < max(len(words), len(forms)):
            self._add_places()
        in_words: int = sum(map(mul, map(hash, words), self._of_words))
        in_forms: int = sum(map(mul, map(hash, forms), self._of_forms))
        return (in_words + in_forms) * _scrambled(place)

    def _add_places(self) -> None:
        first = len(self._of_words)
        places = range(first, 2 * first + _FIRST_PLACES)
        self._of_words.extend(_scrambled(2 * place + 1) for place in places)
        self._of_forms.extend(_scrambled(2 * place + 2) for place in places)
