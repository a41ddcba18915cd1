"""Checks that the index has the words of all messages, each in its place, and no others.

An index cannot list the words of a message. So the words of the messages and those of the index are summed for each
session, in any order, and the sums are compared. The summands are hashes of texts, by SipHash (PEP 456): the hashes of
similar tuples would cancel each other out.
"""

from array import array
from collections.abc import Iterator

import apsw

from ...model.maintenance import Finding
from ...model.records import Message
from ...search.searched_text import searched_text
from ...search.tokenizer import IndexedText, Tokenizer
from ...sql.ports import Row
from ..search.index_statements import LAST_SEQUENCE
from ..search.indexing import words_in
from . import check_statements

# Sessions whose numbers differ by a multiple of this share a sum: 8 MiB, whatever their number.
SUMS = 2**20

# A byte of a varint that is not its last has this bit.
FIRST_OF_VARINT = 0x80

_MOST = 2**64 - 1


class IndexCheck:
    """The comparison, as of the connection's transaction: `is_indexed` for each message, then `findings`."""

    def __init__(self, connection: apsw.Connection) -> None:
        self._connection = connection
        self._tokenizer = Tokenizer()
        self._sums = array("Q", bytes(8 * SUMS))
        # The entries of these sessions, and long messages, may still be incomplete.
        self._passing = bytearray(SUMS)
        for (number,) in connection.execute(check_statements.FORGOTTEN):
            self._passing[number % SUMS] = 1

    def is_indexed(self, sequence: int, message: Message, row: Row) -> bool:
        """Whether the index has the message, as far as it knows single messages; its words are added to the sums."""
        number, last, complete, size, long, words = row
        if number is None or sequence > last:
            return size is None and long is None and (not complete or sequence > LAST_SEQUENCE)
        if long is not None:
            return size is None and self._is_in_pieces(long, words, message)
        if self._passing[number % SUMS]:
            return True
        said = self._tokenizer.indexed(searched_text(message))
        self._add(number, sequence, said)
        return size is not None and [said.size, len(said.forms)] == _decoded(size)

    def _is_in_pieces(self, number: int, words: int | None, message: Message) -> bool:
        """Whether the index has a long message, as far as it knows single ones; the words of its pieces are added."""
        if self._passing[number % SUMS]:
            return True
        sizes = []
        for place, said in enumerate(self._tokenizer.pieces(searched_text(message))):
            self._add(number, place, said)
            sizes.append(said.size)
        return words == words_in(len(sizes), sum(sizes))

    def _add(self, number: int, place: int, said: IndexedText) -> None:
        which, entry = number % SUMS, number << 31 | place
        added = _sum("words", said.words.split(), entry) + _sum("forms", said.forms, entry)
        self._sums[which] = self._sums[which] + added & _MOST

    def findings(self) -> Iterator[Finding]:
        """The words that only the index has, or that it lacks."""
        self._subtract_index()
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

    def _subtract_index(self) -> None:
        sums = self._sums
        for number, word in self._connection.execute(check_statements.WORDS):
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
