"""Corrects queries: replaces mistyped words by words of messages that are one or two edits away.

An edit inserts, deletes or replaces a letter, or swaps two adjacent ones: most typing errors are one of these
(F. J. Damerau, "A technique for computer detection and correction of spelling errors", 1964). For long words, two
edits that need no new letters are also tried; with all edits, too many words would have to be looked up.
"""

import asyncio
from collections.abc import Awaitable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, islice, product
from typing import Protocol

import msgspec

from ..model.queries import MAX_QUERY, Replacement, SearchSuggestion
from ..model.records import Listing
from .characters import FIRST_UNSPACED, fold
from .query_parser import plain_words
from .segmentation import segment
from .tokenizer import Tokenizer

# Shorter words have too many neighbors, and longer ones are rarely typed.
MIN_LETTERS = 3
MAX_LETTERS = 32
# The length of words that may have two errors.
LONG = range(8, 21)
# The limit of mistyped words that are replaced.
MAX_MISTYPED = 3
# The limit of words that are looked up for a query.
MAX_EDITS = 6_000
# The limit up to which the messages with a word are counted.
MAX_COUNTED = 1_000

# A word with letters of more scripts is not looked up: the letters of each script could be inserted.
_MAX_BLOCKS = 2
# Scripts have blocks of at least this number of characters (https://www.unicode.org/Public/UNIDATA/Blocks.txt).
_BLOCK = 128

_encode = msgspec.json.Encoder().encode


class Counts(Protocol):
    """Counts the messages with each of some words, or with each word or form, up to `MAX_COUNTED`."""

    def __call__(self, words: Sequence[str], *, with_forms: bool) -> Awaitable[Mapping[str, int]]: ...


@dataclass(frozen=True, slots=True)
class _QueryWord:
    """A word of a query: its range of characters, the normalized word, and the forms by which it is found."""

    start: int
    end: int
    text: str
    forms: tuple[str, ...]


async def suggest(text: str, limit: int, count: Counts) -> Listing:
    """List `SearchSuggestion` records for a query, the words of the most messages first.

    The list is empty if each word of the query is found, if a mistyped word has no neighbor, or if too many words are
    mistyped.
    """
    # Splitting as many words as a query may have takes longer than the event loop may be blocked.
    typed = await asyncio.to_thread(lambda: [*_query_words(text)])
    known = await count([*dict.fromkeys(form for each in typed for form in each.forms)], with_forms=True)
    mistyped = [each for each in typed if not any(known[form] for form in each.forms)][: MAX_MISTYPED + 1]
    if not mistyped or len(mistyped) > MAX_MISTYPED:
        return Listing(b"")
    neighbors = [edits(each.text) for each in mistyped]
    if sum(map(len, neighbors)) > MAX_EDITS:
        return Listing(b"")
    choices = await _choices(neighbors, count)
    distant = [[] if found else edits_twice(each.text) for found, each in zip(choices, mistyped, strict=True)]
    if any(distant) and sum(map(len, [*neighbors, *distant])) <= MAX_EDITS:
        choices = [near or far for near, far in zip(choices, await _choices(distant, count), strict=True)]
    choices = [words[:limit] for words in choices]
    made = (_suggestion(text, mistyped, choice) for choice in product(*choices))
    return Listing(
        b",".join(
            _encode(each)
            for each in islice((suggestion for suggestion in made if len(suggestion.q) <= MAX_QUERY), limit)
        )
    )


def edits(word: str) -> list[str]:
    """The texts that are one edit from a word, each once, in letters of its script."""
    cuts = [(word[:place], word[place:]) for place in range(len(word) + 1)]
    letters = _letters(word)
    edited = chain(
        (before + after[1:] for before, after in cuts if after),
        (before + after[1] + after[0] + after[2:] for before, after in cuts if len(after) > 1),
        (before + letter + after[1:] for before, after in cuts if after for letter in letters),
        (before + letter + after for before, after in cuts for letter in letters),
    )
    return [each for each in dict.fromkeys(edited) if each != word]


def edits_twice(word: str) -> list[str]:
    """The texts that are two edits from a long word, each once: letters are omitted, doubled or swapped."""
    if len(word) not in LONG:
        return []
    edited = chain.from_iterable(map(_edits_of_own_letters, _edits_of_own_letters(word)))
    return [each for each in dict.fromkeys(edited) if each != word]


def _edits_of_own_letters(word: str) -> Iterator[str]:
    for place in range(len(word)):
        before, letter, after = word[:place], word[place], word[place + 1 :]
        yield before + after
        yield f"{before}{letter}{letter}{after}"
        if after:
            yield f"{before}{after[0]}{letter}{after[1:]}"


def _letters(word: str) -> list[str]:
    """The letters of the scripts that a word is in, as they are compared."""
    letters = (chr(block * _BLOCK + place) for block in _blocks(word) for place in range(_BLOCK))
    return [letter for letter in letters if letter.isalpha() and fold(letter) == letter]


def _blocks(word: str) -> list[int]:
    return list(dict.fromkeys(ord(letter) // _BLOCK for letter in word))


def _query_words(text: str) -> Iterator[_QueryWord]:
    tokenizer = Tokenizer()
    for start, chunk in plain_words(text):
        # The words of "don't" are found as one word, too.
        together = tokenizer.sought(chunk).forms
        for word in segment(chunk).words:
            if _can_be_mistyped(word.text):
                forms = (*tokenizer.sought(chunk[word.start : word.end]).forms, *together)
                yield _QueryWord(start + word.start, start + word.end, word.text, forms)


def _can_be_mistyped(word: str) -> bool:
    is_word = MIN_LETTERS <= len(word) <= MAX_LETTERS and word.isalpha() and max(word) < FIRST_UNSPACED
    return is_word and len(_blocks(word)) <= _MAX_BLOCKS


async def _choices(neighbors: Sequence[Sequence[str]], count: Counts) -> list[list[str]]:
    """For each word, the neighbors that messages contain, the most frequent first."""
    counts = await count([*chain.from_iterable(neighbors)], with_forms=False)
    return [_most_frequent(words, counts) for words in neighbors]


def _most_frequent(words: Sequence[str], counts: Mapping[str, int]) -> list[str]:
    return sorted((word for word in words if counts[word]), key=lambda word: (-counts[word], word))


def _suggestion(text: str, mistyped: Sequence[_QueryWord], words: Sequence[str]) -> SearchSuggestion:
    replacements = []
    position, pieces = 0, []
    for typed, word in zip(mistyped, words, strict=True):
        pieces += [text[position : typed.start], word]
        replacements.append(Replacement(text[typed.start : typed.end], word))
        position = typed.end
    return SearchSuggestion("".join([*pieces, text[position:]]), replacements)
