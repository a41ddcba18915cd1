"""What a message says, cut into words as SQLite's storage does it: by FTS5's own tokenizer."""

from collections.abc import Iterable
from dataclasses import dataclass

from ...search.query_parser import Term
from ...search.tokenizer import tokenizer

# PostgreSQL takes no lexeme of 2 KiB, and a megabyte of them all in all
# (https://www.postgresql.org/docs/current/textsearch-limits.html). Words are told apart by `words`, not by these.
MAX_LEXEME = 200
MAX_BYTES = 900_000


@dataclass(frozen=True, slots=True)
class Words:
    """The words of a text: how many, each between two spaces, and each once as a tsvector has them, without places."""

    size: int
    text: str
    lexemes: list[str]

    @property
    def vector(self) -> str:
        """The text of the tsvector."""
        return " ".join(f"'{lexeme}'" for lexeme in self.lexemes)


class Tokenizer:
    """Tells words apart as Unicode has it, without case and accents. It is for one thread at a time."""

    def __init__(self) -> None:
        self._tokens = tokenizer()

    def words(self, text: str) -> Words:
        """The words of a message."""
        tokens = self._tokens(text)
        return Words(len(tokens), _spaced(tokens), _lexemes(tokens))

    def tokens(self, text: str) -> list[str]:
        """The words of a text, in their order."""
        return self._tokens(text)


def lexemes_of(term: Term) -> str:
    """A tsquery for the messages that may have a term."""
    return " & ".join(f"'{word[:MAX_LEXEME]}'" for word in term.words)


def is_lexeme(term: Term) -> bool:
    """Whether the tsquery of a term finds no other messages than those that have it."""
    return not term.prefix and len(term.words) == 1 and len(term.words[0]) < MAX_LEXEME


def _spaced(tokens: Iterable[str]) -> str:
    return " " + "  ".join(tokens) + " "


def _lexemes(tokens: Iterable[str]) -> list[str]:
    lexemes = dict.fromkeys(token[:MAX_LEXEME] for token in tokens)
    taken: list[str] = []
    size = 0
    for lexeme in lexemes:
        size += len(lexeme.encode())
        if size > MAX_BYTES:
            break
        taken.append(lexeme)
    return taken
