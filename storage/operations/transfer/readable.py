"""Exports a damaged database: skips records that cannot be read.

A damaged message is exported as a deleted one, so that the others keep their sequences. Messages are read twice,
because their session comes before them and has their sums.
"""

from collections.abc import Iterator
from contextlib import suppress

import msgspec
from msgspec import UNSET
from msgspec.structs import replace

from ...model.database_errors import DatabaseDamaged, Skipped
from ...model.part_records import UsageSum
from ...model.records import EMPTY_OBJECT, ExportFile, ExportLine, Message, Session
from ...sql.ports import Bindings, Reader, Row
from ...sql.statements.integrity import NEXT_SESSION_ID
from ...sql.statements.sessions import Statements
from ...values.clock import is_stored_form
from ...values.json_text import MAX_SAFE_INTEGER
from ..files import digest_of
from ..labels import readable_labels
from ..messages import read_whole, tokens_of, usage_of
from ..sessions import session_of
from .export import BATCH_BYTES, MAX_LINES, FilePosition, SessionPosition, profile_lines

# The place of the context in the columns of a session.
_CONTEXT = 3
# That of its labels.
_LABELS = 17
# The approximate size of a line without text.
_LINE_BYTES = 200


class ReadablePosition(SessionPosition):
    """A `SessionPosition` that skips damaged records, and calls `skipped` with a sentence about each."""

    def __init__(self, statements: Statements, workspace: str, session_id: str | None, skipped: Skipped) -> None:
        super().__init__(statements, workspace, session_id)
        self._skipped = skipped
        self._moment = ""

    async def _session_lines(self, rows: Reader, row: Row) -> list[ExportLine] | None:
        profile, texts, last, *columns = row
        session = self._readable_session(columns)
        if session is None:
            return None
        self._moment = session.updated_at
        if session.message_count != last:
            self._skipped(f"Session {session.id} counts {session.message_count} messages; its last message is {last}.")
        tokens, usage = await self._sums(rows, session.id, last)
        session = replace(
            session,
            message_count=last,
            token_usage=min(tokens, MAX_SAFE_INTEGER),
            usage=UNSET if usage is None else usage.usage,
        )
        lines = [ExportLine(session=session)]
        try:
            lines += profile_lines(profile, texts)
        except msgspec.MsgspecError:
            self._skipped(f"The profile of session {session.id} can't be read.")
        return lines

    async def _next_row(self, rows: Reader) -> Row | None:
        while True:
            try:
                return await super()._next_row(rows)
            except DatabaseDamaged:
                if self._only is not None:
                    raise
            # The index of ids may be undamaged.
            row = await rows.row(NEXT_SESSION_ID, self._key)
            if row is None or row[0] is None:
                return None
            self._key["id"] = row[0]
            self._skipped(f"Session {row[0]} can't be read.")

    async def _message_lines(self, rows: Reader) -> tuple[int, list[ExportLine], int]:
        found = await self._readable(rows, self._session_id, self._sequence + 1, self._message_count)
        messages = [self._placeholder(sequence) if message is None else message for sequence, message in found]
        lines = [ExportLine(message=message) for message in messages]
        return found[-1][0], lines, sum(len(message.content) + _LINE_BYTES for message in messages)

    def _readable_session(self, columns: list[object]) -> Session | None:
        """The session in a row, without a context or labels that are damaged; None if the session cannot be read."""
        session_id, context = columns[0], columns[_CONTEXT]
        if not _is_object(context):
            self._skipped(f"The context of session {session_id} can't be read.")
            columns[_CONTEXT] = bytes(EMPTY_OBJECT)
        labels = columns[_LABELS]
        if isinstance(labels, str) and readable_labels(labels) is None:
            self._skipped(f"The labels of session {session_id} can't be read.")
            columns[_LABELS] = None
        try:
            return session_of("", tuple(columns))
        except (msgspec.MsgspecError, TypeError, ValueError):
            self._skipped(f"Session {session_id} can't be read.")
            return None

    async def _sums(self, rows: Reader, session_id: str, last: int) -> tuple[int, UsageSum | None]:
        tokens, usage, sequence = 0, None, 0
        while sequence < last:
            found = await self._readable(rows, session_id, sequence + 1, last)
            messages = [message for _, message in found if message is not None]
            tokens += tokens_of(messages)
            usage = usage_of(messages, usage)
            for place, message in found:
                if message is None:
                    self._skipped(f"Message {place} of session {session_id} can't be read.")
            sequence = found[-1][0]
        return tokens, usage

    async def _readable(self, rows: Reader, session_id: str, first: int, last: int) -> list[tuple[int, Message | None]]:
        """The next messages, at least one, with their sequences; None for a message that cannot be read."""
        bindings: Bindings = self._key | {"id": session_id, "first": first, "last": last, "most": MAX_LINES}
        try:
            found = await rows.block(self._statements.TAIL_MESSAGES, bindings, BATCH_BYTES)
        except DatabaseDamaged:
            found = await self._one(rows, bindings | {"last": first, "most": 1})
            last = first
        # If no row was found, all of these messages are lost.
        end = found[-1][0] if found else min(last, first + MAX_LINES - 1)
        return [*_in_their_places(found, first, end)]

    async def _one(self, rows: Reader, bindings: Bindings) -> list[Row]:
        try:
            return await rows.block(self._statements.TAIL_MESSAGES, bindings, BATCH_BYTES)
        except DatabaseDamaged:
            return []

    def _placeholder(self, sequence: int) -> Message:
        return Message("user", "", self._moment, EMPTY_OBJECT, sequence, deleted_at=self._moment)


def _in_their_places(found: list[Row], first: int, last: int) -> Iterator[tuple[int, Message | None]]:
    records: dict[int, bytes] = dict(found)
    for sequence in range(first, last + 1):
        message = read_whole(records[sequence]) if sequence in records else None
        is_whole = message is not None and message.sequence == sequence and is_stored_form(message.timestamp)
        yield sequence, message if is_whole else None


def _is_object(text: object) -> bool:
    if not isinstance(text, (str, bytes)):
        return False
    try:
        return isinstance(msgspec.json.decode(text), dict)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return False


class ReadableFilePosition(FilePosition):
    """A `FilePosition` that skips damaged files, and calls `skipped` for each. It reads each file before its export."""

    def __init__(self, workspace: str, session_id: str | None, skipped: Skipped) -> None:
        super().__init__(workspace, session_id)
        self._workspace = workspace
        self._skipped = skipped

    async def _is_whole(self, rows: Reader, file: ExportFile, content_id: str) -> bool:
        digest = ""
        with suppress(DatabaseDamaged):
            digest, _ = await digest_of(rows, self._workspace, content_id)
        if digest == file.id:
            return True
        self._skipped(f"File {file.id} can't be read.")
        return False
