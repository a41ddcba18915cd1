"""The words of the messages of an import.

If the messages have much text, their words are found before a transaction, so that no other write waits for them.
"""

from collections.abc import Iterable, Sequence

from ...model.records import Message
from ...sql.ports import Transaction
from ..messages import size_of

# Below this total length, finding the words of messages takes a few milliseconds.
LARGE_CHARACTERS = 64 * 1024

# The place of a message in an export: the id of its session, and its sequence.
_Place = tuple[str, int]


class WordsNeeded(Exception):
    """Raised to write a piece of an import again, with the words of these messages."""

    def __init__(self, messages: Sequence[tuple[str, Message]]) -> None:
        super().__init__("The words of these messages must be found before they are written.")
        self.messages = messages


class ImportWords:
    """The words of the messages of a piece of an import."""

    def __init__(self) -> None:
        self._known: dict[_Place, object] = {}
        self._needed: dict[_Place, Message] = {}

    def add(self, messages: Sequence[tuple[str, Message]], words: Iterable[object]) -> None:
        """Keep the words of messages, one item of `words` for each message."""
        places = [(session_id, message.sequence) for session_id, message in messages]
        self._known |= dict(zip(places, words, strict=True))

    def clear(self) -> None:
        """Forget all words."""
        self._known.clear()
        self._needed.clear()

    def are_needed(self, transaction: Transaction, messages: Sequence[tuple[str, Message]]) -> bool:
        """Whether the words of these messages must be found before a transaction; if so, `check` raises the error."""
        if not transaction.needs_words or size_of(message for _, message in messages) < LARGE_CHARACTERS:
            return False
        placed = {(session_id, message.sequence): message for session_id, message in messages}
        needed = {place: message for place, message in placed.items() if place not in self._known}
        self._needed |= needed
        return bool(needed)

    def check(self) -> None:
        """Raises `WordsNeeded` for the messages whose words are needed, if there are any."""
        if self._needed:
            needed = [(session_id, message) for (session_id, _), message in self._needed.items()]
            self._needed.clear()
            raise WordsNeeded(needed)

    def of(self, messages: Sequence[tuple[str, Message]]) -> list[object] | None:
        """The words of messages for `insert_messages`; None if that finds them itself."""
        places = [(session_id, message.sequence) for session_id, message in messages]
        if not places or not all(place in self._known for place in places):
            return None
        return [self._known[place] for place in places]
