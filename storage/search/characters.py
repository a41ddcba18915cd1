"""The characters of words, by script (https://www.unicode.org/reports/tr29/ for the words of scripts with spaces)."""

import re
import unicodedata
from itertools import chain

# The ranges of marks in each script: vowel signs and accents.
_RANGES = chain(range(0x300, 0x1E00), range(0x20D0, 0x20F1), range(0x302A, 0x309B), range(0xA66F, 0xAC00))
_FOLLOWING_SYLLABLES = "\u1160-\u11ff\uff9e\uff9f"

# Characters that belong to the one before them.
MARKS = "".join(chr(code) for code in _RANGES if unicodedata.category(chr(code))[0] == "M") + "\ufe20-\ufe2f"

# Persian writes this one, which does not join, between the parts of a word.
JOINER = "\u200c"
# Joiners and the soft hyphen: nobody types them into a search.
INVISIBLE = f"\u00ad{JOINER}\u200d"

# Scripts without spaces begin here.
FIRST_UNSPACED = chr(0xE00)

# Han, Hiragana, Katakana, Bopomofo, Hangul, Thai, Lao, Khmer, Burmese: words without spaces, or with endings.
UNSPACED = (
    "\u2e80-\u2fdf\u3005-\u3007\u3021-\u3029\u3038-\u303b\u3041-\u3096\u3099\u309a\u309d-\u309f\u30a1-\u30fa"
    "\u30fc-\u30ff\u3105-\u312f\u3130-\u318f\u31a0-\u31bf\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
    "\U00020000-\U0003fffd\u1100-\u11ff\uac00-\ud7a3\u0e01-\u0e3a\u0e40-\u0e4e\u0e81-\u0ecf\u0edc-\u0edf"
    "\u1000-\u103f\u1050-\u108f\u109a-\u109d\uaa60-\uaa7f\u1780-\u17d3\u17d7\u17dc\u17dd"
)
UNSPACED_MARKS = (
    "\u0e31\u0e34-\u0e3a\u0e47-\u0e4e\u0eb1\u0eb4-\u0ebc\u0ec8-\u0ece\u17b4-\u17d3\u17dd\u102b-\u103e\u1056-\u1059"
    "\u105e-\u1060\u1062-\u1064\u1067-\u106d\u1071-\u1074\u1082-\u108d\u108f\u109a-\u109d\u3099\u309a"
)

EMOJI = "\u231a-\u23ff\u25aa-\u25fe\u2600-\u27bf\u2934\u2935\u2b00-\u2bff\U0001f000-\U0001faff"
SKIN_TONES = "\U0001f3fb-\U0001f3ff"
FLAG_LETTERS = "\U0001f1e6-\U0001f1ff"

# NFKC would convert the first ones to words, and the last ones to dots. Digits of all scripts are the same.
_SYMBOLS = dict.fromkeys(map(ord, "™℠…"), " ") | {
    code: str(unicodedata.decimal(chr(code)))
    for code in range(0x660, 0x1820)
    if unicodedata.category(chr(code)) == "Nd"
}

# Letters that are folded to others although Unicode does not decompose them.
_LETTERS = str.maketrans({
    "ø": "o", "ł": "l", "đ": "d", "ð": "d", "þ": "th", "æ": "ae", "œ": "oe", "\u0131": "i", "ħ": "h", "ŧ": "t",
    "\u03c2": "\u03c3", "\u0640": None,
    # People type these letters of Arabic and Persian for each other.
    "\u0629": "\u0647", "\u0649": "\u064a", "\u0671": "\u0627", "\u06a9": "\u0643", "\u06c1": "\u0647",
    "\u06cc": "\u064a",
    # Candrabindu and anusvara of Hindi.
    "\u0901": "\u0902",
} | dict.fromkeys(INVISIBLE))  # fmt: skip

# Accents of Latin, Greek and Cyrillic, points of Hebrew, vowels of Arabic, the dot below of Hindi; not the vowel signs
# of other scripts.
_ACCENTS = dict.fromkeys(
    code
    for code in chain(
        range(0x300, 0x370), range(0x483, 0x488), range(0x591, 0x5C8), range(0x610, 0x61B), range(0x64B, 0x660),
        [0x670], range(0x6D6, 0x6EE), range(0x1AB0, 0x1B00), range(0x1DC0, 0x1E00), range(0x20D0, 0x20F1),
        range(0xFE20, 0xFE30), [0x93C],
    )
    if unicodedata.category(chr(code)) == "Mn"
)  # fmt: skip

_VIRAMA = "\u094d"
# Hindi writes a nasal before a consonant of its kind as a letter or as a dot.
_NASAL = re.compile(
    "\u0919\u094d(?=[\u0915-\u0918])|\u091e\u094d(?=[\u091a-\u091d])|\u0923\u094d(?=[\u091f-\u0922])|"
    "\u0928\u094d(?=[\u0924-\u0927])|\u092e\u094d(?=[\u092a-\u092d])"
)
# й is a letter of its own, unlike ё.
_SHORT_I = "\u0438\u0306"


def normalize(text: str) -> str:
    """A text in NFKC, except for symbols that are not words."""
    return unicodedata.normalize("NFKC", text.translate(_SYMBOLS))


def fold(word: str) -> str:
    """Remove case and accents from a normalized word."""
    if word.isascii():
        return word.lower()
    decomposed = unicodedata.normalize("NFKD", word.casefold()).casefold().replace(_SHORT_I, "\u0439")
    folded = unicodedata.normalize("NFC", decomposed.translate(_ACCENTS).translate(_LETTERS))
    return _NASAL.sub("\u0902", folded) if _VIRAMA in folded else folded


def following_characters() -> str:
    """The characters that belong to the one before them, for a character class."""
    return f"{MARKS}{_FOLLOWING_SYLLABLES}"
