"""Makes snippets: the words around matches in a text, as HTML."""

import html
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from functools import cache, cached_property
from itertools import pairwise

from .characters import FIRST_UNSPACED, fold
from .query_parser import Group, Term
from .tokenizer import Form, Tokenizer

SNIPPET_WORDS = 24
SNIPPET_CHARACTERS = 1_000
LEAD_CHARACTERS = 300
# Most texts match at their beginning. The others are examined further, up to this limit for all of them.
FIRST_CHARACTERS = 2_000
MAX_CHARACTERS = 32_768
MAX_CHARACTERS_OF_ALL = 512 * 1024
# Words that a pattern can find are searched for first, within this number of characters of each other.
NEAR_CHARACTERS = 600
# The characters before them that are split into words, and twice that after them: the first number usually suffices.
AROUND_CHARACTERS = (100, 160, 600)
MAX_NEAR_CHARACTERS = 1024 * 1024
# The first words of a phrase that a pattern has: a text of one word is compared with all of them at each place.
MAX_WORDS_OF_PATTERN = 8
# The maximum number of places of a group that are used.
MAX_PLACES = 100

_PLAIN = re.compile("[0-9a-z]+")
_PAIR = 2
# Accents that follow their letter, as in a text in NFD: a letter with one is a single character in NFC.
_ACCENTS = "\u0300-\u036f"
_ACCENT = re.compile(f"[{_ACCENTS}]")
_SPACES = dict.fromkeys((0, 2, 3), " ")

# The first word of a match, and the word after its last.
Match = tuple[int, int]


class Snippets:
    """The snippets of one page. Unless groups are `all_required`, texts may contain none of them."""

    def __init__(self, groups: Sequence[Group], *, all_required: bool = True) -> None:
        self._groups = groups
        self._all_required = all_required
        self._tokenizer = Tokenizer()
        self._left = MAX_CHARACTERS_OF_ALL
        self._patterns = [_pattern(group) for group in groups]

    def of(self, text: str) -> str | None:
        """The words around the first matches in a text, or its first words if the matches are far.

        None if a group is missing in a text that was examined as a whole, and required.
        """
        if (found := self._near_snippet(text)) is not None:
            return found
        snippet, complete = self._snippet(text, FIRST_CHARACTERS)
        if complete or len(text) <= FIRST_CHARACTERS or self._left <= 0:
            return snippet
        size = min(MAX_CHARACTERS, self._left)
        self._left -= min(size, len(text))
        return self._snippet(text, size)[0]

    def _snippet(self, text: str, size: int) -> tuple[str | None, bool]:
        """The snippet of the text's beginning, and whether all terms are in it."""
        window = _Window(text[:size], self._tokenizer, whole=len(text) <= size)
        found = [window.matches(group) for group in self._groups]
        complete = all(found)
        if window.whole and not complete and self._all_required:
            return None, False
        return window.snippet(found), complete

    def _near_snippet(self, text: str) -> str | None:
        """The snippet around the first places of all groups, without splitting the words before; None if they are far.

        Splitting 32,768 characters takes a hundred times as long.
        """
        if len(text) <= NEAR_CHARACTERS or not self._patterns:
            return None
        # The only capital that becomes two characters: places in the lowered text are those in the text.
        lowered = text[:MAX_NEAR_CHARACTERS].replace("İ", "i").lower()
        starts = self._places(lowered)
        if len(starts) < len(self._patterns) and not lowered.isascii():
            lowered = lowered.translate(_without_accents())
            starts = self._places(lowered)
            if len(starts) < len(self._patterns) and _ACCENT.search(lowered):
                starts = self._places(lowered, with_accents=True)
        if len(starts) < len(self._patterns) or max(starts) - min(starts) > NEAR_CHARACTERS:
            return None
        for around in AROUND_CHARACTERS:
            window = self._around(text, min(starts), max(starts), around)
            found = [window.matches(group, exactly=True) for group in self._groups]
            if all(found) and (around == AROUND_CHARACTERS[-1] or window.is_enough(found)):
                return window.snippet(found)
        return None

    def _places(self, lowered: str, *, with_accents: bool = False) -> list[int]:
        patterns = self._patterns_with_accents if with_accents else self._patterns
        return [place for pattern in patterns if (place := _place(pattern, lowered)) is not None]

    @cached_property
    def _patterns_with_accents(self) -> list[re.Pattern[str] | None]:
        return [_pattern(group, after_letter=f"[{_ACCENTS}]*+") for group in self._groups]

    def _around(self, text: str, first: int, last: int, around: int) -> "_Window":
        start = max(0, first - around)
        if start:
            # After a word that may be cut, if there are spaces.
            start = text.find(" ", start, first) + 1 or start
        end = last + 2 * around
        return _Window(text[start:end], self._tokenizer, whole=end >= len(text), first=start == 0)


class _Window:
    """A part of a text, split into words: `first` if it is the beginning, `whole` if it reaches the end."""

    def __init__(self, text: str, tokenizer: Tokenizer, *, whole: bool, first: bool = True) -> None:
        self.whole = whole
        self._first = first
        self._text = text.translate(_SPACES)
        self._tokenizer = tokenizer
        self._words, self._ranges = tokenizer.places(self._text)
        # The last word may be cut.
        if not whole and self._ranges and self._ranges[-1][1] == len(self._text):
            self._words.pop()
            self._ranges.pop()

    def matches(self, group: Group, *, exactly: bool = False) -> list[Match]:
        """The first exact matches of a group, or if it has none, the matches of other forms."""
        exact = {match for term in group for match in self._exact_matches(term)}
        if exactly:
            return sorted(exact)[:MAX_PLACES]
        found = exact or {match for term in group for match in self._other_matches(term)}
        return sorted(found)[:MAX_PLACES]

    def _exact_matches(self, term: Term) -> Iterator[Match]:
        return ((place, place + len(term.words)) for place in term.places(self._words, MAX_PLACES))

    def _other_matches(self, term: Term) -> Iterator[Match]:
        if not term.forms:
            return
        others = term.other_forms
        yield from ((place, place + 1) for place, word in enumerate(self._words) if word in others)
        for form in self._forms:
            if form.last <= len(self._words) and _is_form(form.text, term):
                yield form.first, form.last

    @cached_property
    def _forms(self) -> list[Form]:
        return self._tokenizer.forms(self._text)

    def is_enough(self, found: list[list[Match]]) -> bool:
        """Whether a snippet contains a match of each group, and needs no words outside of this part of the text."""
        first, last = min(matches[0] for matches in found), max(matches[0] for matches in found)
        has_all_after = len(self._words) - last[1] >= SNIPPET_WORDS
        before = SNIPPET_WORDS // 2 if has_all_after else SNIPPET_WORDS
        return (
            last[1] - first[0] <= SNIPPET_WORDS
            and (self._first or first[0] >= before)
            and (self.whole or has_all_after)
        )

    def snippet(self, found: list[list[Match]]) -> str:
        """The range of words with the most groups, with each match marked."""
        matches = sorted((match, term) for term, matches in enumerate(found) for match in matches)
        best = _densest(matches)
        lead = max(0, SNIPPET_WORDS - (best[1] - best[0])) // 2
        first = max(0, min(best[0] - lead, len(self._words) - SNIPPET_WORDS))
        last = min(first + SNIPPET_WORDS, len(self._words))
        start = self._ranges[first][0] if first else 0
        if matches:
            start = max(start, self._ranges[best[0]][0] - LEAD_CHARACTERS)
        at_end = self.whole and last == len(self._words)
        end = len(self._text) if at_end else self._ranges[last - 1][1] if last else 0
        cut = min(end, start + SNIPPET_CHARACTERS)
        places = [
            (self._ranges[each[0]][0], self._ranges[each[1] - 1][1])
            for each in _merge_overlapping(each for each, _ in matches)
        ]
        marked = "".join(_mark(self._text, start, cut, places)).strip()
        return ("…" if start or not self._first else "") + marked + ("" if at_end and cut == end else "…")


@cache
def _without_accents() -> dict[int, str]:
    """The accented Latin letters that are folded to a single letter."""
    letters = {code: fold(chr(code)) for code in (*range(0xC0, 0x250), *range(0x1E00, 0x1F00))}
    return {code: letter for code, letter in letters.items() if len(letter) == 1 and letter.isascii()}


def _pattern(group: Group, after_letter: str = "") -> re.Pattern[str] | None:
    """A pattern for the first exact match of a group in most texts; None if its words may look different there.

    `after_letter` is a pattern for what may follow each letter of Latin.
    """
    terms = [_pattern_of(term, after_letter) for term in group]
    return re.compile("|".join(map(str, terms))) if all(terms) else None


def _pattern_of(term: Term, after_letter: str) -> str | None:
    words = term.words
    if _PLAIN.fullmatch("".join(words)):
        spelled = ["".join(letter + after_letter for letter in word) for word in words[:MAX_WORDS_OF_PATTERN]]
        may_continue = term.prefix and len(words) <= MAX_WORDS_OF_PATTERN
        return r"[^0-9a-z]{1,4}".join(spelled) + ("" if may_continue else f"(?![0-9a-z{_ACCENTS}])")
    # Pairs of characters, each with one of the next.
    are_pairs = all(len(word) == _PAIR and word[0] >= FIRST_UNSPACED for word in words)
    if are_pairs and all(word[1] == following[0] for word, following in pairwise(words)):
        return re.escape(words[0] + "".join([word[1] for word in words[1:]]))
    return None


def _place(pattern: re.Pattern[str] | None, lowered: str) -> int | None:
    """The first place where a pattern matches, except within a word."""
    # A lookbehind in the pattern would take ten times as long.
    places = (match.start() for match in pattern.finditer(lowered)) if pattern is not None else ()
    return next((place for place in places if not (place and _continues(lowered[place - 1], lowered[place]))), None)


def _continues(before: str, first: str) -> bool:
    """Whether a character that follows another one is not the first of a word."""
    return first < FIRST_UNSPACED and before < FIRST_UNSPACED and (before.isalnum() or bool(_ACCENT.match(before)))


def _is_form(form: str, term: Term) -> bool:
    return form in term.forms or (term.prefix and term.is_form and form.startswith(term.words[0]))


def _densest(matches: list[tuple[Match, int]]) -> Match:
    """The range of words with the most groups, of the length of a snippet; the first of several."""
    best, most, last = (0, 0), 0, 0
    terms: Counter[int] = Counter()
    for first, ((start, _), term) in enumerate(matches):
        while last < len(matches) and (last <= first or matches[last][0][1] <= start + SNIPPET_WORDS):
            terms[matches[last][1]] += 1
            last += 1
        if len(+terms) > most:
            best, most = (start, matches[last - 1][0][1]), len(+terms)
        terms[term] -= 1
    return best


def _merge_overlapping(matches: Iterable[Match]) -> Iterator[Match]:
    """Matches in their order, overlapping ones joined."""
    current: Match | None = None
    for first, last in matches:
        if current is not None and first < current[1]:
            current = current[0], max(current[1], last)
            continue
        if current is not None:
            yield current
        current = first, last
    if current is not None:
        yield current


def _mark(text: str, start: int, end: int, places: Iterable[Match]) -> Iterator[str]:
    position = start
    for first, last in places:
        if start <= first < end:
            yield _escape(text[position:first])
            yield f"<mark>{_escape(text[first : min(last, end)])}</mark>"
            position = min(last, end)
    yield _escape(text[position:end])


def _escape(text: str) -> str:
    return html.escape(text, quote=False)
