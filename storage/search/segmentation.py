"""Cuts chunks of a text into words; words that are written together are compounds, which consist of atoms.

A chunk contains no space. Words are those of UAX #29 (https://www.unicode.org/reports/tr29/), except that a hyphen, a
dot, an apostrophe, an underscore, and the T after a date end a word, and that "10am" and "00Z" are two words. In
scripts without spaces, each pair of adjacent characters is a word.
"""

import re
from collections.abc import Iterator
from operator import add
from typing import NamedTuple

from .characters import (
    EMOJI,
    FLAG_LETTERS,
    INVISIBLE,
    JOINER,
    MARKS,
    SKIN_TONES,
    UNSPACED,
    UNSPACED_MARKS,
    fold,
    following_characters,
    normalize,
)

# The number of characters of a word that are significant.
MAX_WORD = 128
# The number of different pieces of a chunk whose words are cached: a long chunk often repeats them.
MAX_KNOWN = 4_096
# A longer chunk has no compounds.
MAX_CHUNK = 1_000

# A joiner before a letter of Persian ends a part of a word.
_FOLLOWING = f"[{MARKS}{INVISIBLE.replace(JOINER, '')}]|{JOINER}(?![\u0620-\u06ff])"
_WORD = rf"(?:(?![{UNSPACED}])[^\W_](?:{_FOLLOWING})*)+"
# 1,299 and 1,29,999, and 1.299 before a comma and decimals.
_NUMBER = (
    r"[0-9]{1,3}(?:(?:,[0-9]{3})+(?![0-9,])|(?:,[0-9]{2})+,[0-9]{3}(?![0-9,])|(?:\.[0-9]{3})+(?=,[0-9]{1,2}(?![0-9,])))"
)
# The digits of "10am", and of the seconds in "10:00:00.123Z".
_CLOCK_DIGITS = r"[0-9]{1,9}(?=(?:[AaPp][Mm]|[Zz])(?![0-9A-Za-z\u00c0-\u024f]))"
_PICTOGRAM = rf"[{EMOJI}][\ufe0f{SKIN_TONES}]*"
_PIECE = re.compile(
    rf"""
    (?P<number>(?<![0-9A-Za-z_.,\u00c0-\u024f]){_NUMBER})
    |(?P<language>(?<!\w)[A-Za-z](?:\+\+|\#)(?![^\W0-9]|[+\#]))
    |(?P<unspaced>[{UNSPACED}]+)
    |(?P<emoji>[{FLAG_LETTERS}]{{2}}|[0-9\#]\ufe0f?\u20e3|{_PICTOGRAM}(?:\u200d{_PICTOGRAM})*)
    |(?P<word>{_CLOCK_DIGITS}|{_WORD})
    """,
    re.VERBOSE,
)
# The same pattern for a chunk in ASCII.
_ASCII_PIECE = re.compile(
    rf"""
    (?P<number>(?<![\w.,]){_NUMBER})
    |(?P<language>(?<!\w)[A-Za-z](?:\+\+|\#)(?![A-Za-z_+\#]))
    |(?P<word>{_CLOCK_DIGITS}|[0-9A-Za-z]+)
    """,
    re.VERBOSE,
)
# In a text in ASCII, these are the words unless it has a sign of a number such as 1,299 or a language such as C++.
_PLAIN_WORD = re.compile(f"({_CLOCK_DIGITS})|([0-9a-z]{{1,{MAX_WORD}}})[0-9a-z]*")
_SIGN = re.compile("[+#]|[0-9][,.][0-9]")
_UNIT = re.compile(rf"[{UNSPACED}][{UNSPACED_MARKS}]*")
_HAS_MARK = re.compile(f"[{UNSPACED_MARKS}]")
_EMOJI_STYLE = re.compile(f"[\ufe0f{SKIN_TONES}]")
_CLUSTER = re.compile(rf"(?s).[{following_characters()}]*")

# The text between two words of a compound; there is none between a number and its unit.
_CONNECTOR = re.compile(rf"""[-.'"\u2019\u2010\u05be\u05f3\u05f4{JOINER}]?|_+""")
# The T between the date and the time of 2026-04-01T10:00:00Z.
_AFTER_DATE = re.compile(r"(-(?<=[0-9]{4}-)(?:0[1-9]|1[0-2])-[0-9]{2})[Tt](?![^\W\d_])")
_TIMES_SIGN = "\u00d7"
_TIMES = re.compile(f"(?<=[0-9]){_TIMES_SIGN}(?=[0-9])")

# Of "parseJSONResponse2" these are "parse", "JSON", "Response", "2".
_ATOM = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+")
_LETTERS_OR_DIGITS = re.compile(r"\d+|\D+")
_HASH = re.compile(r"(?=.{0,62}[0-9])(?=.{0,62}[a-f])[0-9a-f]{7,64}")


class Word(NamedTuple):
    """A normalized word, and its range of characters."""

    start: int
    end: int
    text: str


class PlacedWords(NamedTuple):
    """The words of a text, and the range of characters of each."""

    words: list[str]
    ranges: list[tuple[int, int]]


class Compound(NamedTuple):
    """Words of a chunk that are written together: the first, the one after the last, and their atoms.

    An atom is a word, or a part of one that is delimited by capitals or digits. `words` has the number of the word for
    each atom, `separators` the text before each atom except the first.
    """

    first: int
    last: int
    atoms: list[str]
    words: list[int]
    separators: list[str]
    text: str


class Segments(NamedTuple):
    """The words and compounds of a chunk, and `units`: the last character of each run without spaces, with its word."""

    words: list[Word]
    compounds: list[Compound]
    units: list[tuple[str, int]]


def is_hash(word: str) -> bool:
    """Whether a word looks like a commit id, or its beginning."""
    return len(word) > 6 and _HASH.fullmatch(word) is not None  # as Git shortens them


def is_plain(chunk: str) -> bool:
    """Whether a chunk is one word of English letters with no capitals after the first letter."""
    return chunk.isascii() and chunk.isalpha() and (chunk.islower() or chunk.istitle()) and len(chunk) <= MAX_WORD


def plain_words(text: str) -> PlacedWords | None:
    """The words of a text in ASCII without numbers with signs and names with signs; None if it may have others."""
    if not text.isascii() or _SIGN.search(text):
        return None
    found = [*_PLAIN_WORD.finditer(_without_date_separators(text.lower()))]
    return PlacedWords([each[each.lastindex or 0] for each in found], [each.span() for each in found])


def words_of(chunk: str) -> list[str]:
    """The words of a chunk, in order."""
    if is_plain(chunk):
        return [chunk.lower()]
    text = chunk if chunk.isascii() else normalize(chunk)
    words: list[str] = []
    known: dict[str, str] = {}
    for piece in _pieces(text):
        part = piece[0]
        word = known.get(part)
        if word is None and piece.lastgroup == "unspaced":
            words += _pairs(_units(part))
            continue
        if word is None:
            word = _word(piece)
            if len(known) < MAX_KNOWN:
                known[part] = word
        if word:
            words.append(word)
    return words


def segment(chunk: str, *, with_compounds: bool = True) -> Segments:
    """Cut a chunk into words with their places, and compounds."""
    text = chunk if chunk.isascii() else normalize(chunk)
    if text == chunk:
        return _segment(text, with_compounds=with_compounds)
    places = [0]
    pieces: list[str] = []
    for cluster in _CLUSTER.finditer(chunk):
        piece = normalize(cluster[0])
        pieces.append(piece)
        places += [*[cluster.start()] * (len(piece) - 1), cluster.end()] if piece else []
    segments = _segment("".join(pieces), with_compounds=with_compounds)
    words = [Word(places[start], max(places[end], places[end - 1] + 1), word) for start, end, word in segments.words]
    return segments._replace(words=words)


def _without_date_separators(text: str) -> str:
    """A text with a space for each T between a date and a time."""
    return _AFTER_DATE.sub(r"\1 ", text) if "-" in text else text


def _pieces(text: str) -> Iterator[re.Match[str]]:
    text = _without_date_separators(text)
    if text.isascii():
        return _ASCII_PIECE.finditer(text)
    return _PIECE.finditer(_TIMES.sub("x", text) if _TIMES_SIGN in text else text)


def _word(piece: re.Match[str]) -> str:
    """The normalized word of a piece; empty if nothing is left."""
    kind = piece.lastgroup
    if kind == "word":
        return fold(piece[0])[:MAX_WORD]
    if kind == "number":
        return piece[0].replace(",", "").replace(".", "")
    return piece[0].lower() if kind == "language" else _EMOJI_STYLE.sub("", piece[0])


def _segment(text: str, *, with_compounds: bool) -> Segments:
    segments = Segments([], [], [])
    together: list[re.Match[str]] = []
    has_compounds = with_compounds and len(text) <= MAX_CHUNK
    for piece in _pieces(text):
        is_word = piece.lastgroup in ("word", "number")
        if together and not (is_word and _CONNECTOR.fullmatch(text, together[-1].end(), piece.start())):
            _add_compound(segments, together, text)
            together = []
        if is_word and has_compounds:
            together.append(piece)
        elif piece.lastgroup == "unspaced":
            _add_unspaced(segments, piece)
        elif word := _word(piece):
            segments.words.append(Word(piece.start(), piece.end(), word))
    if together:
        _add_compound(segments, together, text)
    return segments


def _add_compound(segments: Segments, pieces: list[re.Match[str]], text: str) -> None:
    words = segments.words
    compound = Compound(len(words), len(words), [], [], [], "")
    end = pieces[0].start()
    for piece in pieces:
        word = _word(piece)
        if word:
            atoms = _atoms(piece[0], word)
            compound.separators.append(text[end : piece.start()])
            if len(atoms) > 1:
                compound.separators.extend([""] * (len(atoms) - 1))
            compound.words.extend([len(words)] * len(atoms))
            compound.atoms.extend(atoms)
            end = piece.end()
            words.append(Word(piece.start(), end, word))
    if compound.atoms:
        del compound.separators[0]
        segments.compounds.append(compound._replace(last=len(words), text=text[pieces[0].start() : end]))


def _atoms(text: str, word: str) -> list[str]:
    """The parts of a word."""
    if word.isdigit() or (text.isascii() and text.isalpha() and (text.islower() or text.istitle())) or is_hash(word):
        return [word]
    atoms = (
        [each.lower() for each in _ATOM.findall(text[:MAX_WORD])]
        if text.isascii()
        else _LETTERS_OR_DIGITS.findall(word)
    )
    if len(atoms) <= 2 or len(word) >= 2 * len(atoms):  # "v2" has two
        return atoms
    with_unit = _LETTERS_OR_DIGITS.findall(word)  # "4GHz"
    return with_unit if len(with_unit) == 2 else [word]


def _add_unspaced(segments: Segments, run: re.Match[str]) -> None:
    start, words = run.start(), segments.words
    units = _units(run[0])
    places = [start]
    for unit in units:
        places.append(places[-1] + len(unit))
    if len(units) == 1:
        words.append(Word(start, run.end(), units[0]))
        return
    words += [Word(places[number], places[number + 2], pair) for number, pair in enumerate(_pairs(units))]
    # All units except the last begin a word.
    segments.units.append((units[-1], len(words) - 1))


def _units(run: str) -> list[str]:
    """The characters of scripts without spaces, each with its marks."""
    return _UNIT.findall(run) if _HAS_MARK.search(run) else [*run]


def _pairs(units: list[str]) -> list[str]:
    """Each pair of adjacent units as one word; the unit itself if there is only one."""
    return [*map(add, units, units[1:])] if len(units) > 1 else units
