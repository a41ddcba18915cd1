"""Splits texts into the words that every storage searches, and derives other forms of these words.

Forms are the stem of an English word, another spelling, the parts of an identifier, and parts written together. The
contract describes the rules (`GET /search`).
"""

import re
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, repeat
from typing import NamedTuple, Self

from .characters import FIRST_UNSPACED, fold, normalize
from .query_spellings import MONTHS, SHORT_MONTH, other_phrases, other_words
from .segmentation import (
    MAX_CHUNK,
    MAX_WORD,
    Compound,
    PlacedWords,
    Segments,
    is_hash,
    is_plain,
    plain_words,
    segment,
    words_of,
)
from .stemming import Stems, spelled_out

# The version of the rules. Increment it with each change of them: indexes of other versions are rebuilt.
PIPELINE_VERSION = 4

# A compound of more atoms has no forms of several parts.
MAX_ATOMS = 6
# A compound of more atoms has no forms at all.
MAX_COUNTED_ATOMS = 32
HASH_PREFIX = 7
MIN_PHONE_NUMBER = 7
# Longer chunks rarely occur twice. The others are cached, up to this number in each of two generations.
CACHED_LENGTH = 64
CACHED_CHUNKS = 32_768
# The prefix of a form in a list with words and forms: no word contains it.
FORM_MARK = "~"
# Only the first chunks of a message have forms.
MAX_CHUNKS_WITH_FORMS = 50_000
# The maximum size of an entry: the bytes of its different words and forms in UTF-8. The rest of the message is not
# indexed: PostgreSQL's limit for lexemes is a megabyte (https://www.postgresql.org/docs/current/textsearch-limits.html),
# and SQLite writes an entry in one step, during which other writes wait.
MAX_INDEXED_BYTES = 900_000
# The number of characters that are split at a time, in about a millisecond.
_PART_CHARACTERS = 4 * 1024

# No word or compound contains one of these characters, or ends in one of the others. A single pattern for both took
# time quadratic in the length of a line of hyphens.
_SEPARATORS = r"""\s!?()\[\]{}*`<>=|/\\:;&%$^~\uff0c\u3002\u3001\uff01\uff1f\uff1a\uff1b\uff08\uff09\u300c\u300d"""
_RUN = re.compile(f"[^{_SEPARATORS}]+")
_SEPARATOR = re.compile(f"[{_SEPARATORS}]")
_SPACED = bytes(ord(" ") if _SEPARATOR.match(chr(byte)) else byte for byte in range(256))
_ENDS = """.,'"_-"""
# 2026-11-28, also within the name of a file, or 28.11.2026.
_DATE = re.compile(
    r"(?<![0-9])(?:1[0-9]|20)[0-9]{2}-(?P<month>0[1-9]|1[0-2])-(?P<day>0[1-9]|[12][0-9]|3[01])(?![0-9])"
    r"|^(?P<first_day>0?[1-9]|[12][0-9]|3[01])\.(?P<second_month>0?[1-9]|1[0-2])\.(?:1[0-9]|20)[0-9]{2}$"
)
# A version keeps its dots.
_KEPT = (".", "-")


class Form(NamedTuple):
    """A form in a text, and its range of words."""

    text: str
    first: int
    last: int


@dataclass(frozen=True, slots=True)
class IndexedText:
    """The entry of a text in an index: its words with two spaces between, their number, each of its forms once."""

    words: str
    size: int
    forms: list[str]

    def different_words(self) -> dict[str, None]:
        """Its words in the order of their first places, each once."""
        # In parts: all words of 8 MiB as objects would take 250 MiB.
        return dict.fromkeys(chain.from_iterable(map(str.split, _parts(self.words))))


class Sought(NamedTuple):
    """The adjacent words that match a part of a query, or one of the forms, or one of the other phrases.

    The last word may be in a script without spaces, or a single character of one, `alone` between others.
    """

    words: tuple[str, ...]
    forms: tuple[str, ...]
    unspaced: bool = False
    alone: bool = False
    phrases: tuple[tuple[str, ...], ...] = ()


# The words of a chunk with two spaces between, and its forms.
_Chunk = tuple[str, tuple[str, ...]]


class _Part(NamedTuple):
    """The words of a part of a text with two spaces between, and each of its forms once."""

    words: str
    forms: dict[str, None]

    @classmethod
    def of(cls, found: Sequence[_Chunk]) -> Self:
        """The words and forms of chunks."""
        words, forms = zip(*found, strict=True) if found else ((), ())
        return cls("  ".join(filter(None, words)), dict.fromkeys(chain.from_iterable(forms)))


class IndexLimit:
    """The rest of a message's limits: chunks with forms, and bytes of different words and forms."""

    def __init__(self, pause: Callable[[], None]) -> None:
        self._pause = pause
        self._chunks_with_forms = MAX_CHUNKS_WITH_FORMS
        self._bytes = MAX_INDEXED_BYTES
        self._words: set[str] = set()
        self._forms: set[str] = set()
        # Nothing is counted before all words and forms, however often they occur, have more bytes.
        self._uncounted: list[_Part] = []
        self._uncounted_bytes = 0

    @property
    def is_reached(self) -> bool:
        """Whether the limit is reached, so that nothing more is indexed."""
        return self._bytes < 0

    def split(self, chunks: list[str]) -> tuple[list[str], list[str]]:
        """The chunks that have forms, and the others."""
        remaining = self._chunks_with_forms
        self._chunks_with_forms = max(0, remaining - len(chunks))
        return chunks[:remaining], chunks[remaining:]

    def take(self, found: list[_Chunk]) -> _Part:
        """The words and forms of chunks, up to the limit."""
        part = _Part.of(found)
        self._uncounted_bytes += len(part.words.encode()) + _bytes_of(part.forms, len(FORM_MARK))
        if self._uncounted_bytes <= MAX_INDEXED_BYTES:
            self._uncounted.append(part)
            return part
        for earlier in self._uncounted:
            self._count(earlier)
            self._pause()
        self._uncounted = []
        return part if self._count(part) else _Part.of([*self._first(found)])

    def _count(self, part: _Part) -> bool:
        """Count words and forms, if all of them are indexed."""
        words = {*part.words.split()} - self._words
        forms = part.forms.keys() - self._forms
        size = _bytes_of(words) + _bytes_of(forms, len(FORM_MARK))
        if size <= self._bytes:
            self._bytes -= size
            self._words |= words
            self._forms |= forms
            return True
        return False

    def _first(self, found: list[_Chunk]) -> Iterator[_Chunk]:
        for text, of_chunk in found:
            words = [*self._take_within_limit(text.split(), self._words, 0)]
            forms = [*self._take_within_limit(of_chunk, self._forms, len(FORM_MARK))]
            yield "  ".join(words), tuple(forms)
            if self.is_reached:
                return

    def _take_within_limit(self, terms: Sequence[str], counted: set[str], mark: int) -> Iterator[str]:
        for term in terms:
            if term not in counted:
                counted.add(term)
                self._bytes -= len(term.encode()) + mark
            if self.is_reached:
                return
            yield term


def never_pause() -> None:
    """Do not pause while a text is split."""


class Tokenizer(dict[str, _Chunk]):
    """Splits texts into words. It is for one thread at a time, and caches chunks."""

    def __init__(self) -> None:
        super().__init__()
        self._stems = Stems()
        self._earlier: dict[str, _Chunk] = {}

    def __missing__(self, chunk: str) -> _Chunk:
        found = self._earlier.pop(chunk, None) or self._analyze(chunk)
        if len(chunk) <= CACHED_LENGTH:
            if len(self) >= CACHED_CHUNKS:
                self._earlier = dict(self)
                self.clear()
            self[chunk] = found
        return found

    def _analyze(self, chunk: str) -> _Chunk:
        if is_plain(chunk):
            # The same text for both takes less memory, and is found faster.
            word = chunk if chunk.islower() else chunk.lower()
            return word, tuple([stem for stem in self._stems.of(word) if stem != word])
        if len(chunk) > MAX_CHUNK:
            return "  ".join(words_of(chunk)), ()
        segments = segment(chunk)
        words = "  ".join([word for _, _, word in segments.words])
        return words, tuple(dict.fromkeys([form for form, _, _ in self._forms(segments)]))

    def indexed(self, text: str, pause: Callable[[], None] = never_pause) -> IndexedText:
        """The entry of a text in an index; calls `pause` every few milliseconds."""
        [entry] = self.indexed_texts([text], pause)
        return entry

    def indexed_texts(self, texts: Sequence[str], pause: Callable[[], None] = never_pause) -> list[IndexedText]:
        """The entries of the texts of one message, which share the limits."""
        if sum(map(len, texts)) <= _PART_CHARACTERS:
            # They reach no limit.
            return [self._indexed_whole(text) for text in texts]
        limit = IndexLimit(pause)
        return [self._indexed(text, limit, pause) for text in texts]

    def _indexed_whole(self, text: str) -> IndexedText:
        words, forms = _Part.of([*map(self.__getitem__, _chunks(text))])
        return IndexedText(words, _count_words(words), [*forms])

    def _indexed(self, text: str, limit: IndexLimit, pause: Callable[[], None]) -> IndexedText:
        words: list[str] = []
        forms: dict[str, None] = {}
        for part in _parts(text):
            if limit.is_reached:
                break
            with_forms, others = limit.split(_chunks(part))
            found = [*map(self.__getitem__, with_forms), *[("  ".join(words_of(chunk)), ()) for chunk in others]]
            indexed = limit.take(found)
            # One text for each part: all words of 8 MiB as objects would take 250 MiB.
            words += [indexed.words] if indexed.words else []
            forms.update(indexed.forms)
            pause()
        joined = "  ".join(words)
        return IndexedText(joined, _count_words(joined), [*forms])

    def places(self, text: str) -> PlacedWords:
        """The words of a text, with their places."""
        if (found := plain_words(text)) is not None:
            return found
        words: list[str] = []
        ranges: list[tuple[int, int]] = []
        for run in _RUN.finditer(text):
            begin, chunk = run.start(), run[0].rstrip(_ENDS)
            is_word = is_plain(chunk)
            of_chunk = [(0, len(chunk), chunk.lower())] if is_word else segment(chunk, with_compounds=False).words
            for start, end, word in of_chunk:
                words.append(word)
                ranges.append((begin + start, begin + end))
        return PlacedWords(words, ranges)

    def forms(self, text: str) -> list[Form]:
        """The forms in a text, with the places of their words among those of the text."""
        forms: list[Form] = []
        first = 0
        seen: dict[str, tuple[int, list[Form]]] = {}
        for chunk in _chunks(text):
            known = seen.get(chunk)
            if known is None:
                segments = segment(chunk)
                known = seen[chunk] = len(segments.words), [*self._forms(segments)]
            forms += [Form(form, start + first, end + first) for form, start, end in known[1]]
            first += known[0]
        return forms

    def sought(self, chunk: str) -> Sought:
        """The words and forms that match a chunk of a query."""
        segments = segment(chunk)
        words = tuple([word.text for word in segments.words])
        in_compound = bool(segments.compounds) and segments.compounds[-1].last == len(words)
        unspaced = bool(words) and not in_compound and words[-1][0] >= FIRST_UNSPACED and words[-1][0].isalpha()
        alone = unspaced and not any(place == len(words) - 1 for _, place in segments.units)
        phrases = tuple(dict.fromkeys(other_phrases(normalize(chunk), words)))
        return Sought(words, tuple(dict.fromkeys(self._sought_forms(segments))), unspaced, alone, phrases)

    def _forms(self, segments: Segments) -> Iterator[Form]:
        for compound in segments.compounds:
            yield from self._forms_of_words(segments, compound)
            if len(compound.atoms) > 1:
                yield from self._forms_of_atoms(segments, compound)
            yield from (Form(form, compound.first, compound.last) for form in _dates(compound))
            if not compound.text.isascii():
                yield from (Form(form, compound.first, compound.last) for form in _spellings(compound))
        yield from (Form(unit, place, place + 1) for unit, place in segments.units)

    def _forms_of_words(self, segments: Segments, compound: Compound) -> Iterator[Form]:
        for place in range(compound.first, compound.last):
            word = segments.words[place].text
            stems = (stem for stem in (*self._stems.of(word), *self._stems.of_text(word)) if stem != word)
            yield from (Form(stem, place, place + 1) for stem in stems)
            if len(word) > HASH_PREFIX and is_hash(word):
                yield Form(word[:HASH_PREFIX], place, place + 1)

    def _forms_of_atoms(self, segments: Segments, compound: Compound) -> Iterator[Form]:
        existing = {word.text for word in segments.words[compound.first : compound.last]}
        atoms, words = compound.atoms, compound.words
        if len(atoms) > MAX_COUNTED_ATOMS:
            return
        for number, atom in enumerate(atoms):
            if atom not in existing:
                yield from (Form(form, words[number], words[number] + 1) for form in (atom, *self._stems.of(atom)))
        if len(atoms) > MAX_ATOMS or any(map(is_hash, existing)):
            return
        for number in range(len(atoms) - 1):
            for last in range(number + 2, len(atoms) + 1):
                joined = _join_atoms(compound, number, last)
                if joined not in existing:
                    yield Form(joined, words[number], words[last - 1] + 1)
        yield from (Form(digits, compound.first, compound.last) for digits in _digits(compound))
        whole = _join_atoms(compound, 0, len(atoms))
        yield from (Form(stem, compound.first, compound.last) for stem in self._stems.of(whole) if stem != whole)

    def _sought_forms(self, segments: Segments) -> Iterator[str]:
        if len(segments.words) == 1:
            word = segments.words[0].text
            yield from (word, *self._stems.of(word), *other_words(word, self._stems.english(word)))
            if len(word) > HASH_PREFIX and is_hash(word):
                yield word[:HASH_PREFIX]
        for compound in segments.compounds:
            if (compound.first, compound.last) != (0, len(segments.words)):
                return
            if len(segments.words) > 1 and len(compound.atoms) <= MAX_ATOMS:
                joined = _join_atoms(compound, 0, len(compound.atoms))
                yield from (joined, *self._stems.of(joined), *_digits(compound))
            if not compound.text.isascii():
                yield from _spellings(compound)


def _count_words(words: str) -> int:
    """The number of words in a text with two spaces between them."""
    return words.count("  ") + 1 if words else 0


def _bytes_of(terms: Collection[str], mark: int = 0) -> int:
    return len("".join(terms).encode()) + mark * len(terms)


def _chunks(text: str) -> list[str]:
    return [*filter(None, map(str.rstrip, _runs(text), repeat(_ENDS)))]


def _runs(text: str) -> list[str]:
    # The pattern takes five times as long.
    return text.encode().translate(_SPACED).decode().split() if text.isascii() else _RUN.findall(text)


def _parts(text: str) -> Iterator[str]:
    """A text in parts of at least `_PART_CHARACTERS`, between its chunks."""
    start = 0
    while start < len(text):
        separator = _SEPARATOR.search(text, start + _PART_CHARACTERS)
        end = len(text) if separator is None else separator.end()
        yield text[start:end]
        start = end


def _join_atoms(compound: Compound, first: int, last: int) -> str:
    """The atoms from `first` to before `last` as one word: a dot or a hyphen stays between digits."""
    joined = compound.atoms[first]
    for atom, separator in zip(compound.atoms[first + 1 : last], compound.separators[first : last - 1], strict=True):
        joined += f"{separator if joined[-1].isdigit() and atom[0].isdigit() and separator in _KEPT else ''}{atom}"
    return joined[:MAX_WORD]


def _digits(compound: Compound) -> Iterator[str]:
    """The digits of a phone number that is written with hyphens."""
    if compound.atoms[0].isdigit() and {*compound.separators} == {"-"}:
        digits = "".join(compound.atoms)
        if len(digits) >= MIN_PHONE_NUMBER and digits.isdigit():
            yield digits


def _dates(compound: Compound) -> Iterator[str]:
    """The months and the days of dates in numbers, as people name them."""
    for date in _DATE.finditer(compound.text):
        month = MONTHS[int(date["month"] or date["second_month"]) - 1]
        yield from (month, month[:SHORT_MONTH], str(int(date["day"] or date["first_day"])))


def _spellings(compound: Compound) -> Iterator[str]:
    spelled = spelled_out(compound.text.lower())
    if spelled != compound.text.lower() and spelled.isalpha():
        yield fold(spelled)[:MAX_WORD]
