"""Checks sessions: messages without gaps, correct counts, correct entries in the search index."""

from collections.abc import AsyncGenerator, AsyncIterable, Callable, Iterator
from contextlib import aclosing
from dataclasses import dataclass, field

from msgspec import UnsetType

from ...model.database_errors import DatabaseDamaged, ReadLine
from ...model.maintenance import Fault, Finding, Progress
from ...model.records import Message
from ...operations.transfer.import_rules import stored_message
from ...sql.ports import Row
from ...values.json_text import MAX_SAFE_INTEGER
from .numbers import Numbers
from .rows import Read, RowCheck

# Progress is reported after this number of messages.
MESSAGES_AT_ONCE = 500

# Whether the entry of a message in the search index is correct, by the columns that the storage adds to its row.
Indexed = Callable[[int, Message, Row], bool]


class CheckProgress:
    """Calls `progress` with the number of checked messages and the `total`, every MESSAGES_AT_ONCE messages."""

    def __init__(self, progress: Progress, total: int) -> None:
        self._progress = progress
        self._total = total
        self._done = 0.0
        self._told = 0

    def add(self, messages: float) -> None:
        """Count messages that have been checked."""
        self._done += messages
        if self._done >= self._told + MESSAGES_AT_ONCE:
            self._told = int(self._done)
            self._progress(min(self._told, self._total), self._total)


@dataclass(slots=True)
class _Session:
    """A session: the values in its row, and those that follow from its messages."""

    workspace: str
    id: str
    message_count: int
    token_usage: int
    version: int
    changed_version: int
    changed_sequence: int
    has_context: bool
    last: int = 0
    tokens: int = 0
    missing: Numbers = field(default_factory=Numbers)
    unreadable: Numbers = field(default_factory=Numbers)
    unsearchable: Numbers = field(default_factory=Numbers)
    damage: DatabaseDamaged | None = None

    def count(
        self, message: Message | None, sequence: int, role: str, token_count: int, message_id: str | None
    ) -> None:
        """Count a message by its columns; `message` is the one in its record, None if that cannot be read."""
        if sequence > self.last + 1:
            self.missing.add(self.last + 1, sequence - 1)
        self.last = max(self.last, sequence)
        self.tokens += token_count
        if message is None or not _agrees(message, (sequence, role, token_count, message_id)):
            self.unreadable.add(sequence, sequence)

    def findings(self, *, shows_end: bool) -> Iterator[Finding]:
        """The findings of the session; if it shows its last message (`shows_end`), it has lost none after that."""
        if self.damage is not None:
            yield self._finding("damage", f"can't be read after message {self.last}: {self.damage.reason}.")
            return
        if self.missing:
            yield self._finding("gap", f"has lost {self.missing}, which cannot be recovered.")
        if self.unreadable:
            yield self._finding("record", f"has damaged content in {self.unreadable}, which cannot be recovered.")
        if not self.has_context:
            yield self._finding("parts", "has lost its context.")
        if self.message_count > self.last and not shows_end:
            yield self._finding("gap", f"counts {self.message_count} messages, but has none after {self.last}.")
        if not self._counts_agree():
            yield self._finding(
                "counts",
                f"counts {self.message_count} messages and {self.token_usage} tokens at version {self.version}, last "
                f"changed at {self.changed_version}; its last message is {self.last}, with {self.tokens} tokens in "
                "total.",
            )
        if self.unsearchable:
            yield self._finding("search", f"has wrong entries in the search index for {self.unsearchable}.")

    def _counts_agree(self) -> bool:
        tokens = min(self.tokens, MAX_SAFE_INTEGER)
        return (
            self.message_count == self.last
            # Messages that can't be read may have more.
            and (self.token_usage == tokens or (bool(self.unreadable) and self.token_usage > tokens))
            and 1 <= self.changed_version <= self.version
            and 0 <= self.changed_sequence <= self.last
        )

    def _finding(self, fault: Fault, text: str) -> Finding:
        return Finding.of(self.workspace, self.id, fault, text)


def directory_finding(row: Row) -> Finding:
    """The finding for a wrong count of a directory: a row of `directory_uses`."""
    workspace, path, counted, actual = row
    text = f"Directory {path} of workspace {workspace} counts {counted} sessions; there are {actual}."
    return Finding("counts", text, workspace)


def total_findings(row: Row) -> Iterator[Finding]:
    """The finding for a row of `DIRECTORY_TOTALS`, if a workspace's count of directories is wrong."""
    workspace, counted, actual = row
    if counted != actual:
        yield Finding("counts", f"Workspace {workspace} counts {counted} directories; there are {actual}.", workspace)


async def check_sessions(
    rows: AsyncIterable[Row | DatabaseDamaged],
    indexed: Indexed,
    progress: CheckProgress,
    read: Read,
    read_line: ReadLine,
) -> AsyncGenerator[Finding, None]:
    """The findings of sessions; `progress` counts their messages.

    `rows` are sessions with their messages, in order. A row has the columns of a session (see `_Session`), the columns
    of one of its messages (sequence, role, token_count, id, record; all None in a row without a message), and the
    arguments of `indexed`. `DatabaseDamaged` takes the place of unreadable messages. `read` reads derived rows.
    A message is damaged if `read_line` refuses it.
    """
    session: _Session | None = None
    async with aclosing(RowCheck(read)) as beside:
        async for row in rows:
            if isinstance(row, DatabaseDamaged):
                assert session is not None, "A session comes before its messages."
                session.damage = row
                continue
            if session is None or (session.workspace, session.id) != row[:2]:
                for finding in await _findings(session, beside):
                    yield finding
                session = _Session(*row[:8])
                await beside.begin(session.workspace, session.id, session.message_count, session.version)
            if row[8] is None:
                continue
            progress.add(1)
            *columns, record = row[8:13]
            sequence = columns[0]
            message = stored_message(record, read_line)
            session.count(message, *columns)
            await beside.add(sequence, message)
            if message is not None and not indexed(sequence, message, row[13:]):
                session.unsearchable.add(sequence, sequence)
        for finding in await _findings(session, beside):
            yield finding


def _agrees(message: Message, columns: tuple[int, str, int, str | None]) -> bool:
    message_id = None if isinstance(message.id, UnsetType) else message.id
    record = (message.sequence, message.role, message.token_count or 0, message_id)
    return columns == record


async def _findings(session: _Session | None, beside: RowCheck) -> list[Finding]:
    if session is None:
        return []
    others = await beside.findings()
    # The derived rows of messages that were not read cannot be checked.
    return [*([] if session.damage else others), *session.findings(shows_end=beside.shows_end)]
