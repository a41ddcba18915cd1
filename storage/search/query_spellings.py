"""Other spellings of a part of a query, by which messages are found as well. The index does not contain them.

An irregular form (`run` for "ran"), the name of a month, a date in words, a number beside its unit, the endings of
Japanese and Korean words.
"""

import re
from collections.abc import Iterator, Sequence

import Stemmer

MONTHS = (
    "january", "february", "march", "april", "may", "june", "july", "august", "september", "october", "november",
    "december",
)  # fmt: skip
SHORT_MONTH = 3

# The regular form comes first. Not those that are common words of another meaning, such as "left".
_IRREGULAR = """
become became, begin began begun, break broke broken, bring brought, build built, buy bought, catch caught,
choose chose chosen, come came, deal dealt, draw drew drawn, eat ate eaten, fall fell fallen, feel felt,
fight fought, find found, fly flew flown, forget forgot forgotten, freeze froze frozen, get got gotten,
give gave given, grow grew grown, hang hung, hear heard, hide hid hidden, hold held, keep kept, know knew known,
lose lost, make made, mean meant, meet met, overwrite overwrote overwritten, pay paid, rewrite rewrote rewritten,
run ran, say said, see saw seen, seek sought, sell sold, send sent, show shown, sleep slept, speak spoke spoken,
spend spent, steal stole stolen, take took taken, teach taught, tell told, think thought, throw threw thrown,
understand understood, wake woke woken, win won, withdraw withdrew withdrawn, write wrote written, child children,
criterion criteria, foot feet, half halves, index indices, knife knives, life lives, man men, matrix matrices,
mouse mice, person people, phenomenon phenomena, shelf shelves, tooth teeth, vertex vertices, woman women
"""
_stem = Stemmer.Stemmer("english", 0).stemWord
_FAMILIES = [(_stem(regular), *others) for regular, *others in map(str.split, _IRREGULAR.split(","))]
_BY_STEM = {family[0]: family for family in _FAMILIES}
_BY_WORD = {word: family for family in _FAMILIES for word in family[1:]}

_ORDINAL = re.compile("([0-9]{1,2})(?:st|nd|rd|th)")
_WITH_UNIT = re.compile("([0-9]+)([a-z]+)([0-9]*)|([a-z]+)([0-9]+)")
_DATE = re.compile("(?:1[0-9]|20)[0-9]{2} (0[1-9]|1[0-2]) (0[1-9]|[12][0-9]|3[01])")
_THOUSANDS = re.compile(r"[1-9][0-9]{0,2}(?:\.[0-9]{3})+")

# A word of two characters at least precedes each.
_ENDING = re.compile(
    r"""
    (?<=[ァ-ヺー]{3})ー$
    |(?<=[一-鿿ァ-ヺー]{2})(?:しました|します|した|して|する)$
    |(?:(?<=[一-鿿][ぁ-ん])|(?<=[一-鿿][ぁ-ん]{2}))(?:ました|ます|[るたて])$
    |(?<=[가-힣]{2})(?:하다|되다|에서|에게|으로|[다을를은는])$
    """,
    re.VERBOSE,
)


def other_words(word: str, stem: str) -> Iterator[str]:
    """The words and stems by which a word of a query is found as well; `stem` is its own."""
    if ordinal := _ORDINAL.fullmatch(word):
        yield ordinal[1]
    for month in MONTHS:
        if word in (month, month[:SHORT_MONTH]):
            yield from (month, month[:SHORT_MONTH])
    yield from _BY_WORD.get(word) or _BY_STEM.get(stem, ())


def other_phrases(text: str, words: Sequence[str]) -> Iterator[tuple[str, ...]]:
    """The adjacent words that the words of a normalized part of a query are found by as well."""
    if ending := _ENDING.search(text.rstrip("。、」』,.!?")):
        yield tuple(words[: -len(ending[0])])
    if thousands := _THOUSANDS.fullmatch(text.strip("€$£¥")):
        yield (thousands[0].replace(".", ""),)
    if date := _DATE.fullmatch(" ".join(words)):
        yield from _dates(words[0], int(date[1]), int(date[2]))
    parts = [part for word in words for part in _parts(word)]
    if len(parts) > len(words):
        yield tuple(parts)


def _dates(year: str, month: int, day: int) -> Iterator[tuple[str, ...]]:
    name = MONTHS[month - 1]
    for each in dict.fromkeys((name, name[:SHORT_MONTH])):
        yield str(day), each, year
        yield each, str(day), year
    yield f"{day:02}", f"{month:02}", year


def _parts(word: str) -> list[str]:
    """A number and its unit, or a word that is neither."""
    split = _WITH_UNIT.fullmatch(word)
    return [part for part in split.groups() if part] if split else [word]
