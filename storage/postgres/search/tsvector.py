"""What a message says, cut into words as SQLite's storage does it: by FTS5's own tokenizer."""

from collections.abc import Iterable
from dataclasses import dataclass

from msgspec import Raw, UnsetType

from ...model.part_records import tools_of
from ...search.query_parser import Term
from ...search.tokenizer import tokenizer

# In a text of words before those of tools: no word has it.
BEFORE_TOOLS = "\x01"

# PostgreSQL takes no lexeme of 2 KiB, and a megabyte of them all in all
# (https://www.postgresql.org/docs/current/textsearch-limits.html). Words are told apart by `words`, not by these.
MAX_LEXEME = 200
MAX_BYTES = 900_000


@dataclass(frozen=True, slots=True)
class Words:
    """The words of a message: how many, each between two spaces, and each once as a tsvector has it."""

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

    def words(self, content: str, parts: Raw | UnsetType) -> Words:
        """The words of a message: of what it says, and then of its tools."""
        said = self._tokens(content)
        tools = self._tokens(tools_of(parts)) if isinstance(parts, Raw) else []
        tokens = said + tools
        text = _spaced(said) + BEFORE_TOOLS + _spaced(tools) if tools else _spaced(said)
        return Words(len(tokens), text, _lexemes(tokens))

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
