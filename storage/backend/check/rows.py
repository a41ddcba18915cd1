"""Checks the rows that are derived from sessions and their messages.

Labels, references to files, tool calls and corrections have their own tables; a session has the sums of its usage, the
number of its corrections and the beginning of its last message. All are read once, in the order of sessions.
"""

from collections import defaultdict
from collections.abc import AsyncGenerator, Callable, Iterator

from msgspec import UNSET, Raw

from ...model.maintenance import Finding
from ...model.part_records import UsageSum, calls_of, file_ids_of
from ...model.records import LastMessage, Message
from ...operations.labels import readable_labels
from ...operations.messages import read_last_message, shown_last, usage_of
from ...operations.sessions import casefolded
from ...sql.ports import Bindings, Row
from ...sql.statements.integrity import CALLS, CORRECTIONS, LABELS, REFERENCES, SESSION_SUMS
from ...values.json_text import MAX_SAFE_INTEGER
from .numbers import Numbers

# Runs a statement with bindings, and returns its rows one by one.
Read = Callable[[str, Bindings], AsyncGenerator[Row, None]]

# If more calls of a session are open at a time, their results are not compared, to limit memory.
MAX_OPEN_CALLS = 100_000

# The columns of a session whose row can't be read.
_NO_SUMS: Row = (None,) * 12


class OrderedRows:
    """Reads the rows of a statement key by key; the key is their first `width` columns, in ascending order."""

    def __init__(self, rows: AsyncGenerator[Row, None], width: int) -> None:
        self._rows = rows
        self._width = width
        self._head: Row | None = None
        self._is_begun = False

    def reaches(self, key: Row) -> bool:
        """Whether an unread row may have this key, or an earlier one."""
        return not self._is_begun or (self._head is not None and self._head[: self._width] <= key)

    async def take(self, key: Row) -> tuple[list[Row], list[Row]]:
        """The rows of a key, without the key's columns, and the whole rows of the keys between the last call and it."""
        if not self._is_begun:
            self._is_begun = True
            await self._next()
        matching: list[Row] = []
        passed: list[Row] = []
        while self._head is not None and self._head[: self._width] <= key:
            (matching if self._head[: self._width] == key else passed).append(self._head)
            await self._next()
        return [row[self._width :] for row in matching], passed

    async def _next(self) -> None:
        self._head = await anext(self._rows, None)

    async def aclose(self) -> None:
        """Close the statement."""
        await self._rows.aclose()


class RowCheck:
    """Compares derived rows with their sources: `begin` a session, `add` each message, then read its `findings`."""

    def __init__(self, read: Read) -> None:
        self._sessions = OrderedRows(read(SESSION_SUMS, {}), 2)
        self._labels = OrderedRows(read(LABELS, {}), 2)
        self._references, self._calls, self._corrections = (
            OrderedRows(read(statement, {}), 3) for statement in (REFERENCES, CALLS, CORRECTIONS)
        )

    async def aclose(self) -> None:
        """Close the statements."""
        for rows in (self._sessions, self._labels, self._references, self._calls, self._corrections):
            await rows.aclose()

    async def begin(self, workspace: str, session_id: str, message_count: int, version: int) -> None:
        """Begin the check of the next session, in the order of workspaces and ids."""
        self._key = workspace, session_id
        self._message_count, self._version = message_count, version
        found, _ = await self._sessions.take(self._key)
        self._is_found = bool(found)
        name, folded_name, labels, self._updated_at, self._last_message, self._correction_count, *usage = (
            found[0] if found else _NO_SUMS
        )
        self._usage = tuple(usage)
        found = []
        if self._labels.reaches(self._key):
            found, _ = await self._labels.take(self._key)
        expected = readable_labels(labels)
        self._are_labels = expected is not None
        rows = {(name, value, self._updated_at) for name, value in (expected or {}).items()}
        self._is_named = folded_name == casefolded(name)
        self._has_labels = not self._are_labels or (rows == set(found) and len(rows) == len(found))
        self._wrong_references, self._wrong_calls, self._wrong_corrections = Numbers(), Numbers(), Numbers()
        self._corrected = 0
        self._is_uncorrected = True
        self._is_readable = True
        self._total: UsageSum | None = None
        self._results = 0
        self._open: defaultdict[str, list[int]] | None = defaultdict(list)
        self._open_count = 0
        self._ends: list[LastMessage] = []
        self._is_end_known = False

    async def add(self, sequence: int, message: Message | None) -> None:
        """Check the rows of the next message; `message` is None if it cannot be read."""
        key = (*self._key, sequence)
        references = await self._rows_at(self._references, key, self._wrong_references)
        calls = await self._rows_at(self._calls, key, self._wrong_calls)
        corrections = await self._rows_at(self._corrections, key, self._wrong_corrections)
        self._corrected += len(corrections)
        if message is None:
            self._is_readable = False
            return
        self._total = usage_of([message], self._total)
        self._add_end(message)
        files: list[str] = []
        opened: list[str] = []
        if isinstance(message.parts, Raw):
            files = file_ids_of(message.parts)
            in_parts = calls_of(message.parts)
            opened = in_parts.opened
            self._add_calls(sequence, opened, in_parts.answered)
        if {file_id for (file_id,) in references} != set(files):
            self._wrong_references.add(sequence, sequence)
        if sorted(call for call, _ in calls) != sorted(opened):
            self._wrong_calls.add(sequence, sequence)
        for call, result in calls:
            if result is not None:
                self._results -= _hash_of(sequence, call, result)
        self._is_uncorrected = self._is_uncorrected and message.version == 1
        if not all(self._is_correction(message, row) for row in corrections):
            self._wrong_corrections.add(sequence, sequence)

    async def findings(self) -> list[Finding]:
        """The findings of the session, after its last message."""
        last = (*self._key, MAX_SAFE_INTEGER)
        for rows, wrong in (
            (self._references, self._wrong_references),
            (self._calls, self._wrong_calls),
            (self._corrections, self._wrong_corrections),
        ):
            await self._rows_at(rows, last, wrong)
        if not self._is_found:
            return [Finding.of(*self._key, "record", "has a row that can't be read.")]
        return [*self._transcript(), *self._rows(), *self._sums()]

    @property
    def shows_end(self) -> bool:
        """Whether the session shows the last of its messages as the last one, whatever their number."""
        return bool(self._ends) and read_last_message(self._last_message) == self._ends[-1]

    def _transcript(self) -> Iterator[Finding]:
        if self._last_message is None or not self._is_end_known:
            return
        if read_last_message(self._last_message) not in self._ends:
            text = "shows a last message that it does not have: its messages may belong to another session."
            yield Finding.of(*self._key, "transcript", text)

    def _rows(self) -> Iterator[Finding]:
        if not self._are_labels:
            yield Finding.of(*self._key, "record", "has labels that can't be read.")
        if not self._is_named:
            yield Finding.of(*self._key, "labels", "is not found by its name: the name for filters differs.")
        if not self._has_labels:
            yield Finding.of(*self._key, "labels", "is not found by its labels: their rows are lost or wrong.")
        if self._wrong_references:
            text = f"has lost or wrong references to files of {self._wrong_references}; unreferenced files are deleted."
            yield Finding.of(*self._key, "rows", text)
        if self._wrong_calls or not self._has_results:
            places = f" of {self._wrong_calls}" if self._wrong_calls else ""
            yield Finding.of(*self._key, "rows", f"has lost or wrong rows of tool calls{places}.")

    @property
    def _has_results(self) -> bool:
        """Whether the recorded results of calls match the messages; not decided after corrections, or with damage."""
        return not self._results or not self._is_uncorrected or not self._is_readable or self._open is None

    def _sums(self) -> Iterator[Finding]:
        # A session that was not corrected since the counts exist has none.
        counted = self._corrected if self._correction_count is None else self._correction_count
        if self._wrong_corrections or self._corrected != counted:
            wrong = f", wrong ones of {self._wrong_corrections}" if self._wrong_corrections else ""
            text = (
                f"counts {counted} corrected messages and has {self._corrected} corrections{wrong}: "
                "clients that follow it may miss some."
            )
            yield Finding.of(*self._key, "corrections", text)
        if self._is_readable and self._usage != (tuple(self._total) if self._total else (None,) * len(self._usage)):
            yield Finding.of(*self._key, "counts", "has sums of usage that differ from its messages.")

    @staticmethod
    async def _rows_at(rows: OrderedRows, key: Row, wrong: Numbers) -> list[Row]:
        """The rows of a message. Earlier rows of the session belong to no message: adds them to `wrong`."""
        if not rows.reaches(key):
            return []
        matching, passed = await rows.take(key)
        for sequence in dict.fromkeys(row[2] for row in passed if row[:2] == key[:2]):
            wrong.add(sequence, sequence)
        return matching

    def _add_end(self, message: Message) -> None:
        """Keep the last message so far, and the last one within the session's count: the summary may have either."""
        end = shown_last(message)
        if message.sequence <= self._message_count:
            self._ends = [end]
        else:
            self._ends[1:] = [end]
        self._is_end_known = message.sequence >= self._message_count

    def _add_calls(self, sequence: int, opened: list[str], answered: list[str]) -> None:
        if self._open is None:
            return
        for call in answered:
            for at in self._open.pop(call, ()):
                self._results += _hash_of(at, call, sequence)
                self._open_count -= 1
        for call in opened:
            self._open[call].append(sequence)
            self._open_count += 1
        if self._open_count > MAX_OPEN_CALLS:
            self._open = None

    def _is_correction(self, message: Message, row: Row) -> bool:
        version, after_sequence, is_deleted = row
        return (
            message.version > 1
            and bool(is_deleted) == (message.deleted_at is not UNSET)
            and 1 < version <= self._version
            and message.sequence <= after_sequence <= self._message_count
        )


def _hash_of(sequence: int, call: str, result: int) -> int:
    # Hashes of texts use SipHash (PEP 456); sums of the hashes of similar tuples would cancel each other out.
    return hash(f"{sequence} {result} {call}")
