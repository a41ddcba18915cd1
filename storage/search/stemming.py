"""Derives other forms of a word by which a search also finds it: stems and spellings."""

import re
from collections.abc import Callable, Iterator

import Stemmer

# British spellings become American ones, before a stem is taken.
_SPELLINGS = [
    (re.compile(pattern), replacement)
    for pattern, replacement in (
        # Not a spelling: the plural of "analysis" is "analyses".
        (r"(?<=[a-z]{2}[aeiouy]s)is$", "es"),
        (r"(?<=[a-z]{3})our(?=(?:s|ed|ing|ful|able|ite|ites|less|hood|ist|al|ally)?$)", "or"),
        (r"(?<=[a-z]{3})is(?=(?:e|es|ed|er|ers|ing|ation|ations|ational)$)", "iz"),
        (r"(?<=[a-z]{2})ys(?=(?:e|es|ed|er|ers|ing)$)", "yz"),
        (r"(?<=[a-z]{2}[tb])re(?=s?$)", "er"),
        (r"(?<=[aeiou])([^aeiou]+e)ll(?=(?:ed|ing|er|ers|ation)$)", r"\1l"),
        (r"(?<=[a-z]{2})ogue(?=s?$)", "og"),
        (r"(?<=[fc]en)c(?=es?$)", "s"),
        (r"(?<=gram)me(?=s?$)", ""),
        (r"(?<=dg)e(?=ments?$)", ""),
    )
]
# No other word has one of these.
_HAS_SPELLING = re.compile("our|is[ei]|isation|ys[ei]|[tb]re|ell|ogue|enc|gramme|dgement|isers?|sis$")

# Words of which the algorithm makes the stem of another word, by their beginnings; and these stems.
_DISTINCT = re.compile(
    "animal|authorit|authoriz|business|contention|customer|executive|experiment|importan|locale|objective|position"
    "|several|terminal(?=s?$)"
)
_AMBIGUOUS = frozenset(
    ("anim", "author", "busi", "content", "custom", "execut", "experi", "import", "local", "object", "posit", "sever",
     "termin")
)  # fmt: skip
# "debugger" has the stem of "debug" but for its last letter.
_DOUBLED = frozenset(letter * 2 for letter in "bdgmnprt")
_LONG = 5

_UMLAUTS = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue"})

# Prefixes that Arabic and Hebrew write together with the next word.
_ARABIC_ARTICLE = re.compile("(?:[وبكف]?ال|لل)(?=.{3})")
_PREFIX = re.compile("[הובלמשכ](?=[א-ת]{4})|و(?!ال)(?=[ء-ي]{4})")
_CYRILLIC = re.compile("[\u0430-\u044f]{3,}")


class Stems:
    """The other forms of words. It is for one thread at a time."""

    def __init__(self) -> None:
        # The cache of chunks does the same for more.
        self._english: Callable[[str], str] = Stemmer.Stemmer("english", 0).stemWord
        self._russian: Callable[[str], str] = Stemmer.Stemmer("russian", 0).stemWord

    def of(self, word: str) -> Iterator[str]:
        """The forms of a folded word that are both indexed and searched for."""
        if word.isascii():
            if word.isalpha() and len(word) > 2:  # a stem has two letters at least
                yield self.english(word)
            return
        if _CYRILLIC.fullmatch(word):
            yield self._russian(word)
        if article := _ARABIC_ARTICLE.match(word):
            yield word[article.end() :]

    def english(self, word: str) -> str:
        """The stem of an English word."""
        spelled = _american(word)
        stem = self._english(spelled)
        if stem in _AMBIGUOUS and (distinct := _DISTINCT.match(spelled)):
            return distinct[0]
        return stem[:-1] if stem[-2:] in _DOUBLED and _LONG < len(stem) < len(spelled) else stem

    @staticmethod
    def of_text(word: str) -> Iterator[str]:
        """The forms of a folded word that are indexed, but that a search for the word does not use."""
        if not word.isascii() and _PREFIX.match(word):
            yield word[1:]


def spelled_out(word: str) -> str:
    """A word in lower case with its umlauts as two letters."""
    return word.translate(_UMLAUTS)


def _american(word: str) -> str:
    if not _HAS_SPELLING.search(word):
        return word
    for pattern, replacement in _SPELLINGS:
        word = pattern.sub(replacement, word)
    return word
