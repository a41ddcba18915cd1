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
arise arose arisen, beat beaten, become became, begin began begun, bend bent, bite bitten, bleed bled,
blow blew blown, break broke broken, breed bred, bring brought, build built, buy bought, catch caught,
choose chose chosen, come came, deal dealt, dig dug, do does did done, draw drew drawn, drink drank drunk,
drive drove driven, eat ate eaten, fall fell fallen, feed fed, feel felt, fight fought, find found, flee fled,
fly flew flown, forbid forbade forbidden, forget forgot forgotten, forgive forgave forgiven, freeze froze frozen,
get got gotten, give gave given, go goes went gone, grow grew grown, hang hung, hear heard, hide hid hidden,
hold held, keep kept, know knew known, lend lent, lose lost, make made, mean meant, meet met,
mimic mimicked mimicking, mislead misled, mistake mistook mistaken, overcome overcame, override overrode overridden,
overwrite overwrote overwritten, panic panicked panicking, pay paid, rebuild rebuilt, redo redid redone, rerun reran,
rewrite rewrote rewritten, ride rode ridden, ring rang rung, rise risen, run ran, say said, see saw seen, seek sought,
sell sold, send sent, shake shook shaken, shoot shot, show shown, shrink shrank shrunk, sing sang sung,
sink sank sunk, sit sat, sleep slept, slide slid, speak spoke spoken, spend spent, spin spun, stand stood,
steal stole stolen, stick stuck, strike struck, swear swore sworn, sweep swept, swim swam swum, swing swung,
take took taken, teach taught, tear tore torn, tell told, think thought, throw threw thrown, understand understood,
undo undid undone, wake woke woken, wear wore worn, weave wove woven, win won, withdraw withdrew withdrawn,
write wrote written, appendix appendices, bus buses, child children, criterion criteria, foot feet, goose geese,
half halves, index indices, knife knives, leaf leaves, life lives, loaf loaves, man men, matrix matrices, mouse mice,
person people, phenomenon phenomena, quiz quizzes, shelf shelves, thief thieves, tooth teeth, vertex vertices,
wife wives, wolf wolves, woman women, bad worse worst
"""
# Adjectives: their stems are not those of their comparatives and superlatives. Not "late" and "good", because "latest"
# and "best" are common words of another meaning.
_ADJECTIVES = """
angry big bright busy cheap clean clear close cold crazy dark deep dense dirty early easy fast few funny great happy
hard healthy heavy high hot hungry large lazy long loud low lucky messy new noisy old quick quiet rare rich risky safe
scary sharp short silly simple slow small smart smooth soft strong sunny tall thick thin tidy tight tiny tricky ugly
warm weak wet wide young
"""
_DOUBLES_LAST_LETTER = re.compile("[^aeiou][aeiou][bdgnt]$")
_stem = Stemmer.Stemmer("english", 0).stemWord


def _with_compared(adjective: str) -> tuple[str, ...]:
    """An adjective, its comparative, its superlative, and its adverb."""
    if adjective.endswith("y"):
        beginning = f"{adjective[:-1]}i"
        return adjective, f"{beginning}er", f"{beginning}est", f"{beginning}ly"
    beginning = adjective.removesuffix("e")
    if _DOUBLES_LAST_LETTER.search(adjective):
        beginning += adjective[-1]
    return adjective, f"{beginning}er", f"{beginning}est", f"{adjective}ly"


_FAMILIES = [
    (_stem(regular), *others)
    for regular, *others in (*map(str.split, _IRREGULAR.split(",")), *map(_with_compared, _ADJECTIVES.split()))
]
_BY_STEM = {family[0]: family for family in _FAMILIES}
_BY_WORD = {word: family for family in _FAMILIES for word in family[1:]}

# Without the last vowel, a shorter one is often the stem of another word.
_LONG_NAME = 4
# Some cases of Russian words such as "музей" have a stem without the last vowel, and the others one with it.
_SOFT_ENDING = re.compile("([\u0430-\u044f]{3,}\u0435)(?:[\u0439\u044f\u044e]|\u0435\u043c)")

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
    if soft := _SOFT_ENDING.fullmatch(word):
        yield from (soft[1], f"{soft[1]}\u0439")
        if len(soft[1]) > _LONG_NAME:
            yield soft[1][:-1]
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
