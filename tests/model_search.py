"""What a search should find: messages by their words, without upper and lower case and accents."""

import unicodedata
from dataclasses import dataclass
from itertools import groupby

from amplifierd.storage.model.records import Message, SearchQuery, Session
from model import Workspace
from model_parts import searched

# So many words more weigh as much as one match less.
WORDS_OF_A_MATCH = 50
# As many of the latest messages that have the whole words are looked at.
LOOKED_AT = 10_000
MATCHES_THAT_COUNT = 1_000


@dataclass(frozen=True)
class Term:
    """Words that stand together, the last of them perhaps only the beginning of one."""

    words: str
    prefix: bool = False

    @property
    def text(self) -> str:
        """The term as a person types it."""
        return f'"{self.words}"' + "*" * self.prefix

    def count(self, said: list[str]) -> int:
        """How often it is in these words."""
        sought = words_of(self.words)
        places = range(len(said) - len(sought) + 1) if sought else range(0)
        return sum(self._matches(said[place : place + len(sought)], sought) for place in places)

    def _matches(self, said: list[str], sought: list[str]) -> bool:
        *first, last = sought
        return said[:-1] == first and (said[-1].startswith(last) if self.prefix else said[-1] == last)


Hit = tuple[str, int]


def found(workspace: Workspace, terms: list[Term], query: SearchQuery) -> dict[Hit, float]:
    """The score of each message that has every term and passes every filter, by session and sequence."""
    hits: dict[Hit, float] = {}
    # A term counts once, however it is spelled.
    different = {(*words_of(term.words), term.prefix): term for term in terms}.values()
    for session, message in _looked_at(workspace, terms, query):
        wanted = ((query.profile, session.profile), (query.amplified_dir, session.amplified_dir))
        said = words_of(" ".join(searched(message, query.scope)))
        counts = [term.count(said) for term in different]
        if query.role in (None, message.role) and all(counts) and all(it in (None, its) for it, its in wanted):
            matches = min(sum(counts), MATCHES_THAT_COUNT)
            hits[session.id, message.sequence] = matches / (matches + 1 + len(said) / WORDS_OF_A_MATCH)
    return hits


def _looked_at(workspace: Workspace, terms: list[Term], query: SearchQuery) -> list[tuple[Session, Message]]:
    """The latest messages that filters, phrases and beginnings of words choose among."""
    whole = {word for term in terms if not term.prefix for word in words_of(term.words)}
    candidates = [
        (conversation.session, message)
        for session_id, conversation in sorted(workspace.conversations.items(), reverse=True)
        if query.session_id in (None, session_id)
        for message in reversed(conversation.messages)
        if whole <= {*words_of(" ".join(searched(message, "all")))}
    ]
    return candidates[:LOOKED_AT]


def words_of(text: str) -> list[str]:
    """Runs of letters and digits, in lower case and without accents."""
    plain = [it for it in unicodedata.normalize("NFD", text.lower()) if unicodedata.category(it) != "Mn"]
    return ["".join(run) for is_word, run in groupby(plain, str.isalnum) if is_word]
