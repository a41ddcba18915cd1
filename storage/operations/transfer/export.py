"""Reads sessions with their messages and files in batches; between two batches it keeps only a position."""

from collections import deque
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence

import msgspec
from msgspec import UNSET

from ...model.database_errors import DatabaseDamaged, MessageCountWrong, decoded_message
from ...model.errors import FileNotFound, SessionNotFound
from ...model.modules import ExportPlan, ReferenceTargets
from ...model.profile_records import ProfileSettings
from ...model.records import ExportChunk, ExportEnd, ExportFile, ExportHeader, ExportLine, Message, Session
from ...sql.ports import Bindings, Reader, Row
from ...sql.statements.files import CHUNKS, EXPORTED_FILES, EXPORTED_FILES_OF_SESSION
from ...sql.statements.sessions import Statements
from ...values.clock import is_stored_form
from ..files import CHUNK_BYTES
from ..profiles import targets_in
from ..sessions import session_of

MAX_LINES = 1_000
BATCH_BYTES = 256 * 1024
CHUNKS_AT_ONCE = 4
# The limit of files, or of references to them, that one read examines.
FILES_AT_ONCE = 500

# The place of the id in the row of a session.
_SESSION_ID = 3
# That of its context, from the id on.
CONTEXT = 3

_decode_profile = msgspec.json.Decoder(ProfileSettings).decode
_decode_texts = msgspec.json.Decoder(dict[str, str]).decode


class SessionPosition:
    """The progress through all sessions of a workspace, or with `session_id` through one.

    It has the current session, its number of messages, and the last message that was read.
    """

    def __init__(self, statements: Statements, workspace: str, session_id: str | None = None) -> None:
        self._statements = statements
        self._next = statements.NEXT_SESSION if session_id is None else statements.EXPORTED_SESSION
        self._key: Bindings = {"workspace": workspace, "id": session_id or ""}
        self._only = session_id
        self._is_begun = False
        self._session_id = ""
        self._sequence = 0
        self._message_count = 0

    async def read(self, rows: Reader) -> list[ExportLine] | None:
        """The next lines; None after the last session.

        Raises `SessionNotFound`, and `DatabaseDamaged`, also if a session counts other messages than it has.
        """
        lines: list[ExportLine] = []
        size = 0
        while size < BATCH_BYTES and len(lines) < MAX_LINES:
            records = (
                await self._messages(rows, lines)
                if self._sequence < self._message_count
                else await self._session(rows, lines)
            )
            if not records:
                break
            size += records
        return lines or None

    async def _session(self, rows: Reader, lines: list[ExportLine]) -> int:
        if self._only is not None and self._is_begun:
            return 0
        self._is_begun = True
        while (row := await self._next_row(rows)) is not None:
            found = await self._session_lines(rows, row)
            self._key["id"] = self._session_id = row[_SESSION_ID]
            if found is not None:
                session = found[0].session
                assert isinstance(session, Session), "It is the first line."
                self._sequence, self._message_count = 0, session.message_count
                lines += found
                return len(bytes(session.context)) + sum(map(len, filter(None, row[:2]))) + 1
        if self._only is not None:
            raise SessionNotFound(self._only)
        return 0

    async def _next_row(self, rows: Reader) -> Row | None:
        return await rows.row(self._next, self._key)

    async def _session_lines(self, _rows: Reader, row: Row) -> list[ExportLine] | None:
        """The lines of a session, from its row, with its profile; None to leave it out. Raises `DatabaseDamaged`."""
        profile, texts, last, *columns = row
        if columns[CONTEXT] is None:
            raise DatabaseDamaged(f"session {columns[0]} has lost its context")
        session = session_of("", tuple(columns))
        if session.message_count != last:
            raise MessageCountWrong(session.id, session.message_count, last)
        return [ExportLine(session=session), *profile_lines(profile, texts)]

    async def _messages(self, rows: Reader, lines: list[ExportLine]) -> int:
        self._sequence, found, size = await self._message_lines(rows)
        lines += found
        return size

    async def _message_lines(self, rows: Reader) -> tuple[int, list[ExportLine], int]:
        """The next messages: the sequence of the last one, their lines, and their size in bytes.

        Raises `SessionNotFound` if the session was deleted meanwhile.
        """
        bindings = self._key | {"first": self._sequence + 1, "last": self._message_count, "most": MAX_LINES}
        found = await rows.block(self._statements.TAIL_MESSAGES, bindings, BATCH_BYTES)
        if not found:
            raise SessionNotFound(self._session_id)
        lines = [ExportLine(message=self._message(*row)) for row in found]
        return found[-1][0], lines, sum(len(record) for _, record in found)

    def _message(self, sequence: int, record: bytes) -> Message:
        message = decoded_message(record)
        if message is None or not is_stored_form(message.timestamp):
            raise DatabaseDamaged(f"message {sequence} of session {self._session_id} can't be read")
        return message


def profile_lines(profile: str | None, texts: str | None) -> list[ExportLine]:
    """The lines of a session's profile, from its stored content and texts; none without a profile."""
    if profile is None:
        return []
    plan = plan_of(targets_in(profile), {} if texts is None else _decode_texts(texts))
    return [ExportLine(profile=_decode_profile(profile)), *([] if plan is None else [ExportLine(plan=plan)])]


def plan_of(mounted: ReferenceTargets, texts: Mapping[str, str]) -> ExportPlan | None:
    """The exported form of the targets of a profile's references, with its texts; None if there are none."""
    plan = ExportPlan(**msgspec.structs.asdict(mounted), texts=dict(texts))
    return None if plan == ExportPlan() else plan


class FilePosition:
    """The progress through the files to which messages refer, and through the chunks of the current file.

    It covers the messages of a workspace, or with `session_id` those of one session. Each file comes once.
    """

    def __init__(self, workspace: str, session_id: str | None = None) -> None:
        self._next = EXPORTED_FILES if session_id is None else EXPORTED_FILES_OF_SESSION
        self._key: Bindings = {"workspace": workspace, "id": session_id or "", "most": FILES_AT_ONCE}
        self._last: Bindings = {"sequence": 0, "file_id": ""}
        self._found: deque[Row] = deque()
        self._file_id = self._content_id = ""
        self._place = self._left = 0

    async def read(self, rows: Reader) -> list[ExportLine] | None:
        """The next lines: a file, or some of its chunks; empty if the next read finds more, None after the last file.

        Raises `FileNotFound` if the file was deleted meanwhile.
        """
        if self._left:
            return await self._chunks(rows)
        if self._found:
            file_id, media, size, name, content_id = self._found.popleft()
            file = ExportFile(file_id, media, size, UNSET if name is None else name)
            if not await self._is_whole(rows, file, content_id):
                return []
            self._file_id, self._content_id = file_id, content_id
            self._place, self._left = 0, size
            return [ExportLine(file=file)]
        examined = await self._examine(rows)
        if not examined:
            return None
        self._last = {"sequence": examined[-1][-2], "file_id": examined[-1][0]}
        self._found.extend(row[:-2] for row in examined if row[-1])
        return []

    async def _examine(self, rows: Reader) -> list[Row]:
        """The next rows, none after the last one."""
        return await rows.all(self._next, self._key | self._last)

    async def _is_whole(self, _rows: Reader, _file: ExportFile, _content_id: str) -> bool:
        """Whether to export a file."""
        return True

    async def _chunks(self, rows: Reader) -> list[ExportLine]:
        place = {"first": self._place, "last": self._place + CHUNKS_AT_ONCE - 1}
        found = await rows.all(CHUNKS, self._key | {"content_id": self._content_id} | place)
        size = sum(len(chunk) for (chunk,) in found)
        if size < min(self._left, CHUNKS_AT_ONCE * CHUNK_BYTES):
            # It was deleted meanwhile.
            raise FileNotFound(self._file_id)
        self._place += len(found)
        self._left -= size
        return [ExportLine(chunk=ExportChunk(chunk)) for (chunk,) in found]


Read = Callable[[], Awaitable[list[ExportLine] | None]]


async def export(*reads: Read) -> AsyncGenerator[list[ExportLine], None]:
    """The header, the lines of each of the `reads` until it returns None, and the end with the counts."""
    reading = _Reading(reads)
    while not reading.is_done:
        # Not in a variable, which would keep the lines in memory until the reader asks for more.
        yield await reading.next_lines()


class _Reading:
    """Reads lines from several `reads`, one after the other, and counts the records."""

    def __init__(self, reads: Sequence[Read]) -> None:
        self.is_done = False
        self._reads = deque(reads)
        self._is_begun = False
        self._sessions = self._messages = self._files = 0

    async def next_lines(self) -> list[ExportLine]:
        """The next lines. After the last ones, `is_done` is set."""
        lines = [] if self._is_begun else [ExportLine(header=ExportHeader())]
        self._is_begun = True
        more: list[ExportLine] | None = []
        while self._reads and not more:
            more = await self._reads[0]()
            if more is None:
                self._reads.popleft()
        if not self._reads:
            self.is_done = True
            return [*lines, ExportLine(end=ExportEnd(self._sessions, self._messages, self._files))]
        assert more is not None, "The last read has not ended."
        self._sessions += sum([line.session is not UNSET for line in more])
        self._messages += sum([line.message is not UNSET for line in more])
        self._files += sum([line.file is not UNSET for line in more])
        return lines + more
