"""Checks an export as it arrives for an import, and keeps it in a temporary file until it is written."""

from os import SEEK_END
from typing import Any, Literal, NamedTuple

import msgspec
from msgspec import UNSET, UnsetType
from msgspec.structs import replace

from ...model.errors import ImportInvalid
from ...model.modules import ExportPlan, ReferenceTargets
from ...model.part_records import UsageSum
from ...model.profile_records import MAX_TEXT_BYTES, ProfileSettings
from ...model.records import ExportChunk, ExportEnd, ExportFile, ExportHeader, ExportLine, Message, Session
from ...sql.temporary_files import LimitedFile, TemporaryDisk, spool_errors
from ...values.clock import in_utc
from ...values.json_text import MAX_SAFE_INTEGER
from ...values.uuid7 import canonical_id
from ..messages import usage_of
from .distinct_ids import DistinctIds
from .import_files import StagedFiles
from .import_rules import message_fault, session_fault
from .import_words import ImportWords
from .new_ids import Renames

_encode_lines = msgspec.json.Encoder().encode_lines
_decode = msgspec.json.Decoder(ExportLine).decode


class _Identified(msgspec.Struct):
    id: str


class _Identification(msgspec.Struct):
    session: _Identified


# The beginning of a session's line in the temporary file.
_SESSION = b'{"session":'
_decode_id = msgspec.json.Decoder(_Identification).decode


class StagedSession(NamedTuple):
    """A session of the upload, its profile, and the position of its plan; None if it has none."""

    session: Session
    profile: ProfileSettings | None
    plan_position: int | None


class ImportStaging:
    """Collects the lines of an export: `add` all, then `finish`, then `take` each session with its `messages`.

    `renames` are the new ids of sessions whose ids exist already, if the existing sessions are kept. `files` are the
    files of the export; they and the sessions are on `disk` until `close`. `words` are the words of the messages to
    write next, in memory.
    """

    def __init__(self, seed: str, disk: TemporaryDisk) -> None:
        self.renames = Renames(seed)
        self.files = StagedFiles(disk)
        self.words = ImportWords()
        self._written = LimitedFile(disk)
        self._file = self._written.file
        self._line = self._size = 0
        self._session: Session | None = None
        self._has_profile = self._has_plan = False
        self._messages = 0
        self._tokens = 0
        self._usage: UsageSum | None = None
        self._message_ids = DistinctIds()
        # Totals of the whole export.
        self._sessions = self._all_messages = 0
        self._session_ids = DistinctIds()
        self._has_end = self._is_ended = False

    @property
    def position(self) -> int:
        """The position of the next line in the temporary file, in bytes; set it back to take lines again."""
        return self._file.tell()

    @position.setter
    def position(self, position: int) -> None:
        self._file.seek(position)

    def share(self, position: int) -> float:
        """The share of the upload up to a position, from 0 to 1."""
        return position / self._size

    def close(self) -> None:
        """Delete the temporary files."""
        self.renames.close()
        self.files.close()
        self._written.close()

    def add(self, lines: list[ExportLine]) -> list[Session]:
        """Check and add lines. Returns the sessions among them.

        Raises `ImportInvalid`, and `StorageUnavailable` if there is no room.
        """
        lines = [_canonical(line) for line in lines]
        for line in lines:
            self._line += 1
            self._add(line)
        self._written.write(_encode_lines([line for line in lines if not _is_outside_sessions(line)]))
        return [line.session for line in lines if not isinstance(line.session, UnsetType)]

    def _add(self, line: ExportLine) -> None:
        if self._line == 1 or line.header is not UNSET:
            self._check_header(line.header)
        elif self._is_ended:
            raise ImportInvalid(self._line, "nothing comes after the end")
        elif not isinstance(line.session, UnsetType):
            self._begin(line.session)
        elif isinstance(line.message, Message):
            self._count(line.message)
        elif isinstance(line.profile, ProfileSettings):
            self._check_profile(line.profile)
        elif isinstance(line.plan, ExportPlan):
            self._check_plan(line.plan)
        elif isinstance(line.chunk, ExportChunk):
            self.files.add(line.chunk.data, self._line)
        else:
            self._end_record()
            if isinstance(line.file, ExportFile):
                self.files.begin(line.file)
            elif isinstance(line.end, ExportEnd):
                self._check_end(line.end)

    def finish(self) -> None:
        """End the export, and prepare for `take`. Raises `ImportInvalid` if it is incomplete or has an id twice."""
        if self._line == 0:
            raise ImportInvalid(1, "the header is missing; an export begins with it")
        self._end_record()
        if self._has_end and not self._is_ended:
            raise ImportInvalid(self._line + 1, "the end is missing; the export is incomplete")
        if not self._session_ids.all_distinct():
            raise ImportInvalid(self._line, "two sessions have the same id")
        with spool_errors():
            self._size = self._file.seek(0, SEEK_END)
            self._file.seek(0)
        self._file.readline()

    def resume_after(self, written: int) -> None:
        """Skip the first `written` sessions, which an earlier attempt wrote or skipped."""
        self.renames.resume_after(written)
        for _ in range(written):
            taken = self.take()
            assert taken is not None, "An earlier attempt took these sessions from the same upload."
            for _message in range(taken.session.message_count):
                self._file.readline()

    def take(self) -> StagedSession | None:
        """The next session; None at the end. Read all of its messages before the next call."""
        line = self._file.readline()
        if not line:
            return None
        session = _decode(line).session
        assert isinstance(session, Session), "A session comes after the messages of the one before it."
        profile = self._next("profile")
        position = self.position
        return StagedSession(session, profile, None if self._next("plan") is None else position)

    def next_ids(self, most: int, most_bytes: int) -> list[str]:
        """The ids of the next sessions, at most `most` within about `most_bytes`. Does not change the position."""
        before = self.position
        ids: list[str] = []
        size = 0
        while len(ids) < most and size < most_bytes and (line := self._file.readline()):
            size += len(line)
            if line.startswith(_SESSION):
                ids.append(_decode_id(line).session.id)
        self.position = before
        return ids

    def plan_at(self, position: int) -> ExportPlan:
        """The plan at a `plan_position`. Does not change the position."""
        before, self.position = self.position, position
        plan = _decode(self._file.readline()).plan
        self.position = before
        assert isinstance(plan, ExportPlan), "The plan was there when the session was taken."
        return plan

    def messages(self, most: int, most_bytes: int) -> list[Message]:
        """The next messages of the session, at most `most`, until they reach `most_bytes`."""
        messages: list[Message] = []
        size = 0
        while len(messages) < most and size < most_bytes:
            line = self._file.readline()
            size += len(line)
            message = _decode(line).message
            assert isinstance(message, Message), "A session's messages come after it."
            messages.append(message)
        return messages

    def _next(self, name: Literal["profile", "plan"]) -> Any:
        """Read the member `name` of the next line; if the line does not have it, return None and do not read it."""
        position = self.position
        line = self._file.readline()
        found = getattr(_decode(line), name) if line else UNSET
        if found is not UNSET:
            return found
        self.position = position
        return None

    def _check_header(self, header: object) -> None:
        if not isinstance(header, ExportHeader):
            raise ImportInvalid(1, "an export begins with its header")
        if self._line > 1:
            raise ImportInvalid(self._line, "only the first line is a header")
        self._has_end = header.version > 1

    def _check_end(self, end: ExportEnd) -> None:
        found = ExportEnd(self._sessions, self._all_messages, self.files.count)
        if end != found:
            raise ImportInvalid(self._line, f"the end counts {_counts(end)}, but there are {_counts(found)}")
        self._is_ended = True

    def _check_profile(self, profile: ProfileSettings) -> None:
        if self._session is None or self._messages or self._has_profile:
            raise ImportInvalid(self._line, "a profile comes after its session, before the messages, and once")
        if profile.name != self._session.profile:
            raise ImportInvalid(
                self._line, f"session {self._session.id} has the profile {self._session.profile}, not {profile.name}"
            )
        self._has_profile = True

    def _check_plan(self, plan: ExportPlan) -> None:
        if not self._has_profile or self._messages or self._has_plan:
            raise ImportInvalid(self._line, "a plan comes after a profile, before the messages, and once")
        size = sum(len(text.encode()) for text in plan.texts.values())
        if size > MAX_TEXT_BYTES:
            raise ImportInvalid(self._line, f"the texts of the plan have {size} bytes; the limit is {MAX_TEXT_BYTES}")
        self._has_plan = True

    def _begin(self, session: Session) -> None:
        self._end_record()
        self._refuse(session_fault(session))
        self._sessions += 1
        self._session_ids.add(session.id)
        self._session, self._messages, self._tokens, self._usage = session, 0, 0, None
        self._has_profile = self._has_plan = False
        self._message_ids = DistinctIds()

    def _refuse(self, fault: str | None) -> None:
        if fault is not None:
            raise ImportInvalid(self._line, fault)

    def _count(self, message: Message) -> None:
        if self._session is None:
            raise ImportInvalid(self._line, "a message comes after its session")
        self._messages += 1
        self._all_messages += 1
        self._refuse(message_fault(message))
        if message.sequence != self._messages:
            raise ImportInvalid(self._line, f"the sequence is {message.sequence}; expected {self._messages}")
        if isinstance(message.id, str):
            self._message_ids.add(message.id)
        self._tokens += message.token_count or 0
        self._usage = usage_of([message], self._usage)

    def _end_record(self) -> None:
        """End the session or the file that precedes this line."""
        self.files.end(self._line)
        if self._session is not None:
            self._end_session(self._session)
            self._session = None

    def _end_session(self, session: Session) -> None:
        self._check_usage(session)
        session_id, expected = session.id, session.message_count
        if self._messages != expected:
            raise ImportInvalid(
                self._line, f"session {session_id} has {self._messages} messages, but counts {expected}"
            )
        if not self._message_ids.all_distinct():
            raise ImportInvalid(self._line, f"session {session_id} has two messages with the same id")
        if min(self._tokens, MAX_SAFE_INTEGER) != session.token_usage:
            raise ImportInvalid(
                self._line, f"session {session_id} has {self._tokens} tokens, but counts {session.token_usage}"
            )

    def _check_usage(self, session: Session) -> None:
        usage = UNSET if self._usage is None else self._usage.usage
        if session.usage != usage:
            raise ImportInvalid(self._line, f"the usage of session {session.id} is not the sum of its messages' usage")


def targets_of(plan: ExportPlan) -> ReferenceTargets:
    """The targets of the references of a profile, from a plan without its texts."""
    return ReferenceTargets(plan.collection, plan.modules, plan.sources, plan.includes_installed)


def _is_outside_sessions(line: ExportLine) -> bool:
    """Whether a line does not belong to a session."""
    return not (line.file is UNSET and line.chunk is UNSET and line.end is UNSET)


def _counts(end: ExportEnd) -> str:
    return f"{end.sessions} sessions, {end.messages} messages and {end.files} files"


def _canonical(line: ExportLine) -> ExportLine:
    """A line with its ids in lower case and its times in UTC, because the storage compares and sorts this form."""
    if not isinstance(line.session, UnsetType):
        return ExportLine(session=_canonical_session(line.session))
    message = line.message
    if not isinstance(message, Message):
        return line
    if (message.edited_at, message.deleted_at) != (UNSET, UNSET):
        message = replace(message, edited_at=_in_utc(message.edited_at), deleted_at=_in_utc(message.deleted_at))
    if (moment := in_utc(message.timestamp)) != message.timestamp:
        message = replace(message, timestamp=moment)
    return line if message is line.message else ExportLine(message=message)


def _in_utc(moment: str | UnsetType) -> str | UnsetType:
    return UNSET if isinstance(moment, UnsetType) else in_utc(moment)


def _canonical_session(session: Session) -> Session:
    parent = session.parent_session_id
    return replace(
        session,
        id=canonical_id(session.id),
        parent_session_id=UNSET if parent is UNSET else canonical_id(parent),
        created_at=in_utc(session.created_at),
        updated_at=in_utc(session.updated_at),
        started_at=_in_utc(session.started_at),
        ended_at=_in_utc(session.ended_at),
    )
