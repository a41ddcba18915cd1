"""Exports a damaged database: skips records that an import would refuse.

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
from ...model.profile_records import ProfileSettings
from ...model.records import EMPTY_OBJECT, ExportFile, ExportLine, Message, Session
from ...sql.ports import Bindings, Reader, Row
from ...sql.statements.files import NEXT_FILE, NEXT_FILE_OF_SESSION
from ...sql.statements.integrity import NEXT_SESSION_ID
from ...sql.statements.sessions import Statements
from ...values.json_text import MAX_SAFE_INTEGER
from ..files import digest_of
from ..messages import tokens_of, usage_of
from .export import BATCH_BYTES, MAX_LINES, FilePosition, SessionPosition, profile_lines
from .import_rules import is_importable, is_valid, stored_message_at, stored_session

# The approximate size of a line without text.
_LINE_BYTES = 200
# If so many ids after each other can't be read, the whole index of ids can't.
MAX_DAMAGED_IDS = 10
# What a session may lose, and the value that it has then.
_OPTIONAL = {
    "name": UNSET,
    "labels": UNSET,
    "context": EMPTY_OBJECT,
    "error_message": UNSET,
    "error_details": UNSET,
    "parent_session_id": UNSET,
}


class ReadablePosition(SessionPosition):
    """A `SessionPosition` that skips damaged records, and tells `skipped` about each."""

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
            self._skipped.tell(
                f"Session {session.id} counts {session.message_count} messages; its last message is {last}."
            )
        tokens, usage = await self._sums(rows, session.id, last)
        session = replace(
            session,
            message_count=last,
            token_usage=min(tokens, MAX_SAFE_INTEGER),
            usage=UNSET if usage is None else usage.usage,
        )
        whole = self._importable(session)
        return None if whole is None else [ExportLine(session=whole), *self._profile_lines(whole, profile, texts)]

    def _importable(self, session: Session) -> Session | None:
        """The session, without the damaged values that it may lose; None if an import refuses it even so."""
        if is_importable(session, self._skipped.read_line):
            return session
        for name, value in _OPTIONAL.items():
            without = replace(session, **{name: value})
            if is_importable(without, self._skipped.read_line):
                self._skipped.tell(f"The {name.replace('_', ' ')} of session {session.id} can't be read.")
                return without
        self._skipped.tell(f"Session {session.id} can't be read.")
        return None

    def _profile_lines(self, session: Session, profile: str | None, texts: str | None) -> list[ExportLine]:
        try:
            lines = profile_lines(profile, texts)
        except msgspec.MsgspecError:
            lines = [ExportLine()]
        names = [line.profile.name for line in lines if isinstance(line.profile, ProfileSettings)]
        if names in ([], [session.profile]) and all(is_valid(line, self._skipped.read_line) for line in lines):
            return lines
        self._skipped.tell(f"The profile of session {session.id} can't be read.")
        return []

    async def _next_row(self, rows: Reader) -> Row | None:
        row = await self._next_readable(rows)
        if row is None and self._only is None:
            await self._tell_remains(rows)
        return row

    async def _next_readable(self, rows: Reader) -> Row | None:
        while True:
            try:
                return await super()._next_row(rows)
            except DatabaseDamaged:
                session_id = self._only or await self._next_id(rows)
            if session_id is None:
                return None
            self._key["id"] = session_id
            with suppress(DatabaseDamaged):
                row = await rows.row(self._statements.SESSION_ALONE, self._key)
                self._skipped.tell(f"Session {session_id} can't be read with its profile and a long context.")
                return row
            self._skipped.tell(f"Session {session_id} can't be read.")
            if self._only is not None:
                return None

    async def _next_id(self, rows: Reader) -> str | None:
        """The next id that can be read, None after the last one. Raises `DatabaseDamaged` if the index is damaged."""
        for skipped in range(MAX_DAMAGED_IDS):
            try:
                row = await rows.row(NEXT_SESSION_ID, self._key | {"skipped": skipped})
            except DatabaseDamaged:
                if skipped == MAX_DAMAGED_IDS - 1:
                    raise
                continue
            if skipped:
                self._skipped.tell(f"The ids of {skipped} sessions can't be read.")
            return None if row is None else row[0]
        return None

    async def _tell_remains(self, rows: Reader) -> None:
        """Tell of the sessions that have lost their own rows."""
        try:
            remains = await rows.all(self._statements.PARTS, {})
        except DatabaseDamaged:
            self._skipped.tell("It can't be read whether sessions are lost except for a part.")
            return
        for workspace, session_id in remains:
            if workspace == self._key["workspace"]:
                self._skipped.tell(f"Session {session_id} is lost except for a part.")

    async def _message_lines(self, rows: Reader) -> tuple[int, list[ExportLine], int]:
        found = await self._readable(rows, self._session_id, self._sequence + 1, self._message_count)
        messages = [self._placeholder(sequence) if message is None else message for sequence, message in found]
        lines = [ExportLine(message=message) for message in messages]
        return found[-1][0], lines, sum(len(message.content) + _LINE_BYTES for message in messages)

    def _readable_session(self, columns: list[object]) -> Session | None:
        """The session in a row, without a context or labels that are damaged; None if the session cannot be read."""
        session, damaged = stored_session(columns)
        for name in damaged:
            self._skipped.tell(f"The {name} of session {columns[0]} can't be read.")
        if session is None:
            self._skipped.tell(f"Session {columns[0]} can't be read.")
        return session

    async def _sums(self, rows: Reader, session_id: str, last: int) -> tuple[int, UsageSum | None]:
        tokens, usage, sequence = 0, None, 0
        while sequence < last:
            found = await self._readable(rows, session_id, sequence + 1, last)
            messages = [message for _, message in found if message is not None]
            tokens += tokens_of(messages)
            usage = usage_of(messages, usage)
            for place, message in found:
                if message is None:
                    self._skipped.tell(f"Message {place} of session {session_id} can't be read.")
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
        return [*self._in_their_places(found, first, end)]

    async def _one(self, rows: Reader, bindings: Bindings) -> list[Row]:
        try:
            return await rows.block(self._statements.TAIL_MESSAGES, bindings, BATCH_BYTES)
        except DatabaseDamaged:
            return []

    def _in_their_places(self, found: list[Row], first: int, last: int) -> Iterator[tuple[int, Message | None]]:
        records: dict[int, bytes] = dict(found)
        for sequence in range(first, last + 1):
            record = records.get(sequence)
            message = None if record is None else stored_message_at(record, sequence, self._skipped.read_line)
            yield sequence, message

    def _placeholder(self, sequence: int) -> Message:
        return Message("user", "", self._moment, EMPTY_OBJECT, sequence, deleted_at=self._moment)


class ReadableFilePosition(FilePosition):
    """A `FilePosition` that skips damaged files, and tells `skipped` about each. It reads a file before its export."""

    def __init__(self, workspace: str, session_id: str | None, skipped: Skipped) -> None:
        super().__init__(workspace, session_id)
        self._workspace = workspace
        self._skipped = skipped
        self._next_key = NEXT_FILE if session_id is None else NEXT_FILE_OF_SESSION

    async def _examine(self, rows: Reader) -> list[Row]:
        try:
            return await super()._examine(rows)
        except DatabaseDamaged:
            return await self._examine_one(rows)

    async def _examine_one(self, rows: Reader) -> list[Row]:
        """The next row that can be read, none after the last one."""
        while True:
            key = self._key | self._last
            with suppress(DatabaseDamaged):
                return await rows.all(self._next, key | {"most": 1})
            found: Row | None = None
            with suppress(DatabaseDamaged):
                found = await rows.row(self._next_key, key)
            if found is None:
                self._skipped.tell(f"The files of workspace {self._workspace} cannot be listed to the end.")
                return []
            self._last = {"sequence": found[0], "file_id": found[1]}
            self._skipped.tell(f"File {found[1]} can't be read.")

    async def _is_whole(self, rows: Reader, file: ExportFile, content_id: str) -> bool:
        found = "", 0
        with suppress(DatabaseDamaged):
            found = await digest_of(rows, self._workspace, content_id)
        if found == (file.id, file.size) and is_valid(ExportLine(file=file), self._skipped.read_line):
            return True
        self._skipped.tell(f"File {file.id} can't be read.")
        return False
