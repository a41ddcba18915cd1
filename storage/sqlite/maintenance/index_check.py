"""Checks that the index has the words of all messages, each in its place, and no others.

An index cannot list the words of a message. So the words of the messages and those of the index are summed for each
session, in any order, and the sums are compared. The summands are hashes of texts, by SipHash (PEP 456): the hashes of
similar tuples would cancel each other out.
"""

from array import array
from collections.abc import Callable, Iterator

import apsw

from ...model.maintenance import Finding
from ...model.records import Message
from ...search.index_entry import entry_of
from ...search.tokenizer import Tokenizer
from ...sql.ports import Row
from ..statements import LAST_SEQUENCE
from . import check_statements

# Sessions whose numbers differ by a multiple of this share a sum: 8 MiB, whatever their number.
SUMS = 2**20

# The number of words after which progress is told.
WORDS_AT_ONCE = 10_000

# A byte of a varint that is not its last has this bit.
FIRST_OF_VARINT = 0x80

_MOST = 2**64 - 1


class IndexCheck:
    """The comparison, as of the connection's transaction: `is_indexed` for each message, then `findings`."""

    def __init__(self, connection: apsw.Connection) -> None:
        self._connection = connection
        self._tokenizer = Tokenizer()
        self._sums = array("Q", bytes(8 * SUMS))
        # How many the index should have.
        self._words = 0
        # The entries of these sessions may still be incomplete.
        self._passing = bytearray(SUMS)
        for (number,) in connection.execute(check_statements.FORGOTTEN):
            self._passing[number % SUMS] = 1

    def is_indexed(self, sequence: int, message: Message, row: Row) -> bool:
        """Whether the index has the message, as far as it knows single messages; its words are added to the sums."""
        number, last, complete, size = row
        if number is None or sequence > last:
            return size is None and (not complete or sequence > LAST_SEQUENCE)
        which = number % SUMS
        if self._passing[which]:
            return True
        said = entry_of(message, self._tokenizer)
        self._words += said.size + len(said.forms)
        place = number << 31 | sequence
        self._sums[which] = self._sums[which] + _sum("words", said.words.split(), place) & _MOST
        self._sums[which] = self._sums[which] + _sum("forms", said.forms, place) & _MOST
        return size is not None and [said.size, len(said.forms)] == _decoded(size)

    def findings(self, passed: Callable[[float], None]) -> Iterator[Finding]:
        """The words that only the index has, or that it lacks; `passed` is told each share of it."""
        self._subtract_index(passed)
        for (workspace,) in self._connection.execute(check_statements.AHEAD):
            yield Finding("search", f"The search index of workspace {workspace} is ahead of its messages.", workspace)
        yield from self._sessions()
        if any(left and not passing for left, passing in zip(self._sums, self._passing, strict=True)):
            yield Finding("search", "The search index has words of missing messages.")

    def _sessions(self) -> Iterator[Finding]:
        named = array("Q")
        for number, workspace, session_id, is_there, too_far in self._connection.execute(check_statements.INDEXED):
            which = number % SUMS
            if self._passing[which]:
                continue
            if not is_there:
                yield Finding.of(workspace, session_id, "search", "is in the search index and does not exist.")
            elif too_far or self._sums[which]:
                yield Finding.of(workspace, session_id, "search", "has search entries that do not match its messages.")
            if self._sums[which]:
                named.append(which)
        for which in named:
            self._sums[which] = 0

    def _subtract_index(self, passed: Callable[[float], None]) -> None:
        sums = self._sums
        share = WORDS_AT_ONCE / max(self._words, WORDS_AT_ONCE)
        for count, (number, word) in enumerate(self._connection.execute(check_statements.WORDS), 1):
            if count % WORDS_AT_ONCE == 0:
                passed(share)
            which = number % SUMS
            sums[which] = sums[which] - hash(word) & _MOST


def _sum(column: str, words: list[str], place: int) -> int:
    # As WORDS has them.
    head = column.encode()
    return sum(hash(b"%b %b %d %d" % (head, word.encode(), place, offset)) for offset, word in enumerate(words))


def _decoded(sizes: bytes) -> list[int]:
    """How many words a message has, and how many forms: https://www.sqlite.org/fileformat2.html#varint."""
    decoded, number = [], 0
    for byte in sizes:
        number = number << 7 | byte & 0x7F
        if byte < FIRST_OF_VARINT:
            decoded.append(number)
            number = 0
    return decoded
