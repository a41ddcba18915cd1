"""Checks that the search index has the words of all messages, each in its place, and no others.

The index cannot list the words of a message. So the words in the messages and the words in the index are summed for
each session, in any order, and the sums are compared. The summands are hashes of texts, by SipHash (PEP 456): the
hashes of similar tuples would cancel each other out.
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

# Sessions whose numbers differ by a multiple of this share a sum: the sums take 8 MiB for any number of sessions.
SUMS = 2**20

# Progress is reported after this number of words.
WORDS_AT_ONCE = 10_000

# All bytes of a varint except the last one have this bit.
FIRST_OF_VARINT = 0x80

_MAX_SUM = 2**64 - 1


class IndexCheck:
    """Compares messages and index, in the connection's transaction: `is_indexed` for each message, then `findings`."""

    def __init__(self, rows: ReadableRows) -> None:
        self._rows = rows
        self._tokenizer = Tokenizer()
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
        place = number << 31 | sequence
        self._sums[slot] = self._sums[slot] + _sum("words", entry.words.split(), place) & _MAX_SUM
        self._sums[slot] = self._sums[slot] + _sum("forms", entry.forms, place) & _MAX_SUM
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
        sums = self._sums
        share = WORDS_AT_ONCE / max(self._words, WORDS_AT_ONCE)
        for count, (number, word) in enumerate(self._rows.execute(check_statements.WORDS), 1):
            if count % WORDS_AT_ONCE == 0:
                passed(share)
            slot = number % SUMS
            sums[slot] = sums[slot] - hash(word) & _MAX_SUM


def _sum(column: str, words: list[str], place: int) -> int:
    # The texts are those of WORDS.
    head = column.encode()
    return sum(hash(b"%b %b %d %d" % (head, word.encode(), place, offset)) for offset, word in enumerate(words))


def _decode_sizes(sizes: bytes) -> list[int]:
    """The numbers of words and of forms in an entry, from varints (https://www.sqlite.org/fileformat2.html#varint)."""
    decoded, number = [], 0
    for byte in sizes:
        number = number << 7 | byte & 0x7F
        if byte < FIRST_OF_VARINT:
            decoded.append(number)
            number = 0
    return decoded
