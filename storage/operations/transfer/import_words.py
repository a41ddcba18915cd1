"""The words of long messages of an import, which are found before its transactions: no other write waits for them."""

from collections.abc import Iterable, Sequence

from msgspec import Raw

from ...model.records import Message
from ...sql.ports import Transaction

# Finding the words of shorter messages takes some milliseconds.
LONG_BYTES = 64 * 1024

# A message as an export has it: the id of its session, and its sequence.
_Place = tuple[str, int]


class WordsNeeded(Exception):
    """A piece of an import is to be written again, with the words of these messages."""

    def __init__(self, messages: Sequence[tuple[str, Message]]) -> None:
        super().__init__("The words of long messages are to be found first.")
        self.messages = messages


class ImportWords:
    """The words of the messages of a piece of an import."""

    def __init__(self) -> None:
        self._known: dict[_Place, object] = {}

    def add(self, messages: Sequence[tuple[str, Message]], words: Iterable[object]) -> None:
        """Remember the words of messages."""
        places = [(session_id, message.sequence) for session_id, message in messages]
        self._known |= dict(zip(places, words, strict=True))

    def clear(self) -> None:
        """Forget all words."""
        self._known.clear()

    def of(self, transaction: Transaction, messages: Sequence[tuple[str, Message]]) -> list[object] | None:
        """The words of messages, for `insert_messages`; None if it finds them itself. Raises `WordsNeeded`."""
        if not transaction.needs_words or sum(_size_of(message) for _, message in messages) < LONG_BYTES:
            return None
        places = [(session_id, message.sequence) for session_id, message in messages]
        if not all(place in self._known for place in places):
            raise WordsNeeded(messages)
        return [self._known[place] for place in places]


def _size_of(message: Message) -> int:
    return len(message.content) + (len(bytes(message.parts)) if isinstance(message.parts, Raw) else 0)
