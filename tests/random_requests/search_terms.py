"""Search terms, and the words of texts without case and accents."""

import unicodedata
from dataclasses import dataclass
from itertools import groupby

PICTURES = "😀"


@dataclass(frozen=True)
class Term:
    """Adjacent words; with `prefix`, the last of them is the beginning of a word.

    A term without quotes is `loose`: it also matches other forms of its words, and parts of words.
    """

    words: str
    prefix: bool = False
    loose: bool = False

    @property
    def text(self) -> str:
        """The term as a user types it."""
        return f"{self.words}{'*' * self.prefix}" if self.loose else f'"{self.words}"' + "*" * self.prefix

    def count(self, text_words: list[str]) -> int:
        """How often the term occurs in these words."""
        sought = words_of(self.words)
        places = range(len(text_words) - len(sought) + 1) if sought else range(0)
        return sum(self._matches(text_words[place : place + len(sought)], sought) for place in places)

    def _matches(self, text_words: list[str], sought: list[str]) -> bool:
        *first, last = sought
        return text_words[:-1] == first and (text_words[-1].startswith(last) if self.prefix else text_words[-1] == last)


def words_of(text: str) -> list[str]:
    """The words of a text, in lower case and without accents; for Chinese each pair of characters; and each emoji."""
    plain = [each for each in unicodedata.normalize("NFD", text.lower()) if unicodedata.category(each) != "Mn"]
    runs = [(kind, "".join(run)) for kind, run in groupby(plain, _kind)]
    return [word for kind, run in runs for word in _words(kind, run)]


def _kind(character: str) -> str:
    if character in PICTURES:
        return "picture"
    if "CJK" in unicodedata.name(character, ""):
        return "chinese"
    return "word" if character.isalnum() else ""


def _words(kind: str, run: str) -> list[str]:
    if kind == "chinese":
        return [run[place : place + 2] for place in range(max(1, len(run) - 1))]
    return {"": [], "word": [run], "picture": [*run]}[kind]
