"""The words of a message: as a text for counting, and each once as a lexeme for the index."""

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import chain

from msgspec import Raw, UnsetType

from ...model.part_records import tools_of
from ...model.records import BatchMessage, Message
from ...search import tokenizer
from ...search.index_entry import tool_forms
from ...search.query_parser import ParsedQuery, Term
from ...search.tokenizer import FORM_MARK

# The separator before the words of tools, and before the forms: no word contains it.
BEFORE_TOOLS = "\x01"
BEFORE_FORMS = "\x02"
# The maximum size of texts that are split on the event loop, in bytes: longer ones would block it for too long.
LONG = 8 * 1024

Said = Message | BatchMessage


@dataclass(frozen=True, slots=True)
class Words:
    """The words of a message: their number, their text with the forms after them, and the text of their tsvector."""

    size: int
    text: str
    vector: str

    @property
    def lexemes(self) -> list[str]:
        """Each word and form once."""
        return self.vector[1:-1].split("' '") if self.vector else []


class Tokenizer(tokenizer.Tokenizer):
    """Splits messages into words. It is for one thread at a time."""

    def message(self, content: str, parts: Raw | UnsetType) -> Words:
        """The words of a message: first of its content, then of its tools."""
        tools, names = ([tools_of(parts)], tool_forms(parts)) if isinstance(parts, Raw) else ([], [])
        entries = self.indexed_texts([content, *tools])
        forms = [_marked(each.forms) for each in entries]
        words = BEFORE_TOOLS.join([_spaced(each.words) for each in entries])
        text = f"{words}{BEFORE_FORMS}{BEFORE_TOOLS.join([_spaced('  '.join(each)) for each in forms])}"
        different, *others = [each.different_words() for each in entries]
        for other in others:
            different |= other
        # No word begins with the mark of a form, and none has a quote.
        lexemes = "' '".join([*different, *dict.fromkeys(chain(_marked(names), *forms))])
        return Words(sum([each.size for each in entries]), text, f"'{lexemes}'" if lexemes else "")


class Tokenizers:
    """Tokenizers for the event loop and for threads, each of which is used by one at a time."""

    def __init__(self) -> None:
        self._of_event_loop = Tokenizer()
        # Its cache has several MiB.
        self._free: Tokenizer | None = None

    async def words_of(self, messages: Sequence[Said]) -> list[Words]:
        """The words of messages, split off the event loop if they are long."""
        contents = [(message.content or "", message.parts) for message in messages]

        def words(tokenizer: Tokenizer) -> list[Words]:
            return [tokenizer.message(content, parts) for content, parts in contents]

        if (
            sum(len(content) + (len(bytes(parts)) if isinstance(parts, Raw) else 0) for content, parts in contents)
            < LONG
        ):
            return words(self._of_event_loop)
        tokenizer, self._free = self._free or Tokenizer(), None
        split = await asyncio.to_thread(words, tokenizer)
        self._free = tokenizer
        return split


def word_columns(words: Sequence[Words]) -> dict[str, object]:
    """The words of messages as bindings of statements: a list for each column."""
    return {
        "sizes": [each.size for each in words],
        "texts": [each.text for each in words],
        "vectors": [each.vector for each in words],
    }


def tsquery(sought: ParsedQuery) -> str:
    """A tsquery for the messages that may match."""
    groups = [f"({' | '.join(map(_query, group))})" for group in sought.in_index]
    return " & ".join([*groups, *map(lexeme_of, sought.required)])


def lexeme_of(form: str) -> str:
    """The tsquery of a form."""
    return f"'{FORM_MARK}{form}'"


def is_lexeme(term: Term) -> bool:
    """Whether the tsquery of a term finds only messages that have the term."""
    return len(term.words) == 1


def patterns(term: Term) -> list[str]:
    """The patterns that match a form of a term in a text of words."""
    other = [pattern for form in term.other_forms for pattern in (f" {form} ", f" {FORM_MARK}{form} ")]
    own = [f" {FORM_MARK}{term.pattern[1:]}"] if term.is_form else []
    return own + other


def _query(term: Term) -> str:
    *before, last = term.words
    beginning = ":*" if term.prefix else ""
    exact = " & ".join(dict.fromkeys([*(f"'{word}'" for word in before), f"'{last}'{beginning}"]))
    own = [f"'{FORM_MARK}{last}'{beginning}"] if term.is_form else []
    other = [lexeme for form in term.other_forms for lexeme in (f"'{form}'", f"'{FORM_MARK}{form}'")]
    return " | ".join([f"({exact})", *own, *other])


def _marked(forms: Iterable[str]) -> list[str]:
    return [f"{FORM_MARK}{form}" for form in forms]


def _spaced(words: str) -> str:
    return f" {words} " if words else ""
