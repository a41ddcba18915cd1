"""Checks that the search index has the words of all messages, each in its place, and no others.

The index cannot list the words of a message. So the words in the messages and the words in the index are summed, in any
order (see word_sums.py), and the sums are compared. Only if they differ are the words in the index summed for each
session, which takes longer.
"""

from array import array
from collections.abc import Callable, Iterator

from ...model.maintenance import Finding
from ...model.records import Message
from ...search.index_entry import entry_of
from ...search.tokenizer import Tokenizer
from ...sql.ports import Row
from ..statements import LAST_SEQUENCE
from . import check_statements
from .readable_rows import ReadableRows
from .word_sums import PRIME, WordSums

# Sessions whose numbers differ by a multiple of this share a sum: the sums take 8 MiB for any number of sessions.
SUMS = 2**20

# All bytes of a varint except the last one have this bit.
FIRST_OF_VARINT = 0x80


class IndexCheck:
    """Compares messages and index, in the connection's transaction: `is_indexed` for each message, then `findings`."""

    def __init__(self, rows: ReadableRows) -> None:
        self._rows = rows
        self._tokenizer = Tokenizer()
        self._word_sums = WordSums()
        self._sums = array("Q", bytes(8 * SUMS))
        # The number of words that the index should have.
        self._words = 0
        # The sessions that are being removed: their entries may be incomplete, and are not checked.
        self._is_skipped = bytearray(SUMS)
        for (number,) in rows.execute(check_statements.FORGOTTEN):
            self._is_skipped[number % SUMS] = 1

    def is_indexed(self, sequence: int, message: Message, row: Row) -> bool:
        """Whether the index has an entry of the right size for the message; its words are added to the sums."""
        number, last, complete, size = row
        if number is None or sequence > last:
            return size is None and (not complete or sequence > LAST_SEQUENCE)
        slot = number % SUMS
        if self._is_skipped[slot]:
            return True
        entry = entry_of(message, self._tokenizer)
        self._words += entry.size + len(entry.forms)
        self._add(slot, self._word_sums.of_message(number << 31 | sequence, entry))
        return size is not None and [entry.size, len(entry.forms)] == _decode_sizes(size)

    def findings(self, passed: Callable[[float], None]) -> Iterator[Finding]:
        """The findings about words that only the index has, or that it lacks; `passed` gets each share of the work."""
        self._subtract_index(passed)
        for (workspace,) in self._rows.execute(check_statements.AHEAD):
            yield Finding("search", f"The search index of workspace {workspace} is ahead of its messages.", workspace)
        yield from self._sessions()
        if self._has_left():
            yield Finding("search", "The search index has words of missing messages.")

    def _has_left(self) -> bool:
        # Nearly always all are zero, and comparing the bytes takes far less time than reading each number.
        return self._sums.tobytes() != bytes(8 * SUMS) and any(
            left and not is_skipped for left, is_skipped in zip(self._sums, self._is_skipped, strict=True)
        )

    def _sessions(self) -> Iterator[Finding]:
        named = array("Q")
        for number, workspace, session_id, is_there, too_far in self._rows.execute(check_statements.INDEXED):
            slot = number % SUMS
            if self._is_skipped[slot]:
                continue
            if not is_there:
                yield Finding.of(workspace, session_id, "search", "is in the search index, but does not exist.")
            elif too_far or self._sums[slot]:
                yield Finding.of(workspace, session_id, "search", "has search entries that do not match its messages.")
            if self._sums[slot]:
                named.append(slot)
        for slot in named:
            self._sums[slot] = 0

    def _subtract_index(self, passed: Callable[[float], None]) -> None:
        if self._is_index_right(passed):
            self._sums = array("Q", bytes(8 * SUMS))
            return
        for number, word, factor in self._rows.execute(check_statements.WORDS):
            self._add(number % SUMS, -hash(word) * factor)

    def _is_index_right(self, passed: Callable[[float], None]) -> bool:
        """Whether the words in the index have the sum of those in the messages."""
        difference = sum(self._sums)
        for word, factors, count in self._rows.execute(check_statements.DIFFERENT_WORDS):
            difference -= hash(word) * factors
            passed(count / max(self._words, count))
        return difference % PRIME == 0

    def _add(self, slot: int, summand: int) -> None:
        self._sums[slot] = (self._sums[slot] + summand) % PRIME


def _decode_sizes(sizes: bytes) -> list[int]:
    """The numbers of words and of forms in an entry, from varints (https://www.sqlite.org/fileformat2.html#varint)."""
    decoded, number = [], 0
    for byte in sizes:
        number = number << 7 | byte & 0x7F
        if byte < FIRST_OF_VARINT:
            decoded.append(number)
            number = 0
    return decoded
