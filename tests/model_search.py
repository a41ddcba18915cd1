"""What a search should find: messages by their words, without upper and lower case and accents."""

import unicodedata
from dataclasses import dataclass
from itertools import groupby

from amplifierd.storage.model.queries import SearchQuery
from amplifierd.storage.model.records import Message, Session
from model import Workspace
from model_parts import searched

# So many words more weigh as much as one match less.
WORDS_OF_A_MATCH = 50
# As many of the latest messages that have the whole words are looked at.
LOOKED_AT = 10_000
MATCHES_THAT_COUNT = 1_000


PICTURES = "😀"
# Beginnings of so few letters are only those of words.
SHORT = 2
# What the words of histories are forms of.
STEMS = {"foxes": "fox"}


@dataclass(frozen=True)
class Term:
    """Words that stand together, the last of them perhaps only the beginning of one.

    One without quotes is `loose`: a text with another form of it, or with a part of a word that is it, has it as well.
    """

    words: str
    prefix: bool = False
    loose: bool = False

    @property
    def text(self) -> str:
        """The term as a person types it."""
        return f"{self.words}{'*' * self.prefix}" if self.loose else f'"{self.words}"' + "*" * self.prefix

    @property
    def has_forms(self) -> bool:
        """Whether a form of it is enough."""
        return self.loose and (len(self.words) > SHORT or not self.prefix)

    def count(self, said: list[str]) -> int:
        """How often it is in these words."""
        sought = words_of(self.words)
        places = range(len(said) - len(sought) + 1) if sought else range(0)
        return sum(self._matches(said[place : place + len(sought)], sought) for place in places)

    def is_in(self, said: list[str]) -> bool:
        """Whether these words have it, or if it is loose a form of it."""
        return self.count(said) > 0 or (self.has_forms and self._has_form(said))

    def _matches(self, said: list[str], sought: list[str]) -> bool:
        *first, last = sought
        return said[:-1] == first and (said[-1].startswith(last) if self.prefix else said[-1] == last)

    def _has_form(self, said: list[str]) -> bool:
        [word] = words_of(self.words)
        parts = ["".join(part) for other in said for _, part in groupby(other, str.isdigit)]
        forms = {*parts, *(STEMS.get(part, part) for part in parts)}
        if self.prefix:
            return any(form.startswith(word) for form in forms)
        return not forms.isdisjoint({word, STEMS.get(word, word)})


Hit = tuple[str, int]


def found(workspace: Workspace, terms: list[Term], query: SearchQuery) -> dict[Hit, float]:
    """The score of each message that has every term and passes every filter, by session and sequence."""
    hits: dict[Hit, float] = {}
    # A term counts once, however it is spelled.
    different = [
        *{
            (*words_of(term.words), term.prefix, term.loose and (not term.prefix or len(term.words) > 2)): term
            for term in terms
        }.values()
    ]
    for session, message in _looked_at(workspace, terms, query):
        wanted = ((query.profile, session.profile), (query.amplified_dir, session.amplified_dir))
        said = words_of(" ".join(searched(message, query.scope)))
        is_found = all(term.is_in(said) for term in different)
        if query.role in (None, message.role) and is_found and all(it in (None, its) for it, its in wanted):
            counts = [term.count(said) for term in different]
            share = sum(count > 0 for count in counts) / len(counts)
            matches = min(sum(counts), MATCHES_THAT_COUNT) + counts.count(0) / 2
            hits[session.id, message.sequence] = (share + matches / (matches + 1 + len(said) / WORDS_OF_A_MATCH)) / 2
    return hits


def _looked_at(workspace: Workspace, terms: list[Term], query: SearchQuery) -> list[tuple[Session, Message]]:
    """The latest messages that filters, phrases and beginnings of words choose among."""
    whole = {word for term in terms if not (term.prefix or term.loose) for word in words_of(term.words)}
    candidates = [
        (conversation.session, message)
        for session_id, conversation in sorted(workspace.conversations.items(), reverse=True)
        if query.session_id in (None, session_id)
        for message in reversed(conversation.messages)
        if whole <= {*words_of(" ".join(searched(message, "all")))}
    ]
    return candidates[:LOOKED_AT]


def words_of(text: str) -> list[str]:
    """Runs of letters and digits, in lower case and without accents; of Chinese ones each pair, and each picture."""
    plain = [it for it in unicodedata.normalize("NFD", text.lower()) if unicodedata.category(it) != "Mn"]
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
