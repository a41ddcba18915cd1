"""`amplifierd copy`: copy all sessions and files of all workspaces to another database, then compare the sessions."""

import hashlib
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass

import msgspec
from msgspec import UNSET, Raw

from ..storage.model.database_errors import DatabaseDamaged, Skipped
from ..storage.model.interface import Storage
from ..storage.model.part_records import file_ids_of
from ..storage.model.records import Export, ExportHeader, ExportLine, Message, Session
from .copy_settings import copy_contexts, copy_files, copy_keys, has_file
from .output import steps_bar

# The minimum number of lines in one import; an interrupted copy does not repeat completed imports.
LINES_AT_ONCE = 1_000
# The number of files whose existence is remembered.
MAX_KNOWN_FILES = 10_000

_encode = msgspec.json.Encoder().encode
# Each part of a copy is an export without an end, as version 1 was.
_HEADER = ExportLine(header=ExportHeader(version=1))


class CopyDiffers(Exception):
    """A session differs between both databases; the message names it."""


@dataclass(frozen=True, slots=True)
class Copied:
    """The sessions that both databases have in common, and how many of them existed in the target before.

    `without_files` is the number of references of their messages to files that the target lacks.
    """

    sessions: int
    messages: int
    found: int
    checksum: str
    without_files: int


async def copy(source: Storage, target: Storage, skipped: Skipped | None = None) -> Copied:
    """Copy everything that `target` lacks, first keys and settings of sessions, then compare the sessions.

    Shows progress. `skipped`, with which `source` is open, is told about each damaged record; without it, the first one
    ends the copy.

    An interrupted copy continues if it is run again: each session is copied completely or not at all. The sessions
    must not change during the copy. Raises `CopyDiffers` after the copy, and `KeysUnreadable` before any session is
    copied.
    """
    async with source, target:
        return await copy_opened(source, target, skipped)


async def copy_opened(source: Storage, target: Storage, skipped: Skipped | None = None) -> Copied:
    """The same for storages that are open."""
    # Keys come first, so that no data is ever in a target without keys.
    await copy_keys(source, target, skipped)
    workspaces = await source.workspace_names()
    for workspace in workspaces:
        await copy_contexts(source, target, workspace, skipped)
        await copy_files(source, target, workspace, skipped)
    sessions = sum([await _count(source, workspace, skipped) for workspace in workspaces])
    with steps_bar(sessions, "Sessions copied") as progress:
        found = sum([await _copy(source, target, workspace, progress) for workspace in workspaces])
    with steps_bar(sessions, "Sessions compared") as progress:
        compared = [await _compare(source, target, workspace, progress) for workspace in workspaces]
    return _total(compared, found)


async def _count(source: Storage, workspace: str, skipped: Skipped | None) -> int:
    """The number of sessions, for the progress; 0 if damaged records are skipped and they can't be counted."""
    try:
        return await source.count_sessions(workspace)
    except DatabaseDamaged:
        if skipped is None:
            raise
        return 0


async def _copy(source: Storage, target: Storage, workspace: str, done: Callable[[int], None]) -> int:
    found = 0
    async with _lines(source, workspace) as lines:
        while await lines.next() is not None:
            part = _Part(lines)
            # A session that the target has is compared later.
            report = await target.import_sessions(workspace, Export(part.batches()), "skip")
            found += report.skipped
            done(part.sessions)
    return found


class _Lines:
    """The lines of an export; lines of one session that were read together are returned together."""

    def __init__(self, batches: AsyncGenerator[list[ExportLine], None]) -> None:
        self._batches = batches
        self._read: deque[ExportLine] = deque()

    async def next(self) -> ExportLine | None:
        """The next line, without removing it; None at the end."""
        while not self._read:
            batch = await anext(self._batches, None)
            if batch is None:
                return None
            self._read.extend(line for line in batch if line.header is UNSET and line.end is UNSET)
        return self._read[0]

    @property
    def has_read(self) -> bool:
        """Whether there are lines that were read and not removed."""
        return bool(self._read)

    def take(self) -> list[ExportLine]:
        """Remove and return the next line, and the lines that were read with it before the next session."""
        lines = [self._read.popleft()]
        while self._read and self._read[0].session is UNSET:
            lines.append(self._read.popleft())
        return lines


class _Part:
    """At least `LINES_AT_ONCE` lines of whole sessions, or all that are left."""

    def __init__(self, lines: _Lines) -> None:
        self._lines = lines
        self.sessions = 0

    async def batches(self) -> AsyncGenerator[list[ExportLine], None]:
        """The lines; lines that were read together are in one batch."""
        batch = [_HEADER]
        taken = 0
        while (line := await self._lines.next()) is not None:
            if line.session is not UNSET:
                if taken >= LINES_AT_ONCE:
                    break
                self.sessions += 1
            some = self._lines.take()
            taken += len(some)
            batch += some
            if not self._lines.has_read:
                yield batch
                batch = []
        yield batch


@asynccontextmanager
async def _lines(storage: Storage, workspace: str) -> AsyncIterator[_Lines]:
    export = await storage.export_sessions(workspace)
    async with aclosing(export.batches) as batches:
        yield _Lines(batches)


async def _compare(source: Storage, target: Storage, workspace: str, done: Callable[[int], None]) -> Copied:
    total = hashlib.sha256()
    messages = compared = 0
    references = _References(target, workspace)
    async with (
        aclosing(_sums(source, workspace, references)) as source_sums,
        aclosing(_sums(target, workspace)) as target_sums,
    ):
        async for session_id, count, checksum in source_sums:
            copied = await anext(target_sums, None)
            # Sessions that are only in the target are ignored.
            while copied is not None and copied[0] < session_id:
                copied = await anext(target_sums, None)
            if copied != (session_id, count, checksum):
                raise CopyDiffers(_difference(session_id))
            total.update(checksum)
            messages += count
            compared += 1
            done(1)
    return Copied(compared, messages, 0, total.hexdigest(), references.lacking)


class _References:
    """Counts the references of messages to files that `target` lacks: `lacking`."""

    def __init__(self, target: Storage, workspace: str) -> None:
        self._target = target
        self._workspace = workspace
        # Messages often refer to the same files.
        self._has: dict[str, bool] = {}
        self.lacking = 0

    async def examine(self, message: Message) -> None:
        if isinstance(message.parts, Raw):
            for file_id in file_ids_of(message.parts):
                if file_id not in self._has:
                    if len(self._has) >= MAX_KNOWN_FILES:
                        self._has.clear()
                    self._has[file_id] = await has_file(self._target, self._workspace, file_id)
                self.lacking += not self._has[file_id]


def _total(compared: list[Copied], found: int) -> Copied:
    checksum = hashlib.sha256("".join(part.checksum for part in compared).encode())
    sessions, messages = sum(part.sessions for part in compared), sum(part.messages for part in compared)
    return Copied(sessions, messages, found, checksum.hexdigest(), sum(part.without_files for part in compared))


async def _sums(
    storage: Storage, workspace: str, references: _References | None = None
) -> AsyncGenerator[tuple[str, int, bytes], None]:
    """The id of each session, its number of messages, and the SHA-256 of its exported lines."""
    session_id = ""
    messages = 0
    digest = hashlib.sha256()
    async with _lines(storage, workspace) as lines:
        while (line := await lines.next()) is not None:
            if isinstance(line.session, Session):
                if session_id:
                    yield session_id, messages, digest.digest()
                session_id, messages, digest = line.session.id, 0, hashlib.sha256()
            some = lines.take()
            for each in some:
                if isinstance(each.message, Message):
                    messages += 1
                    if references is not None:
                        await references.examine(each.message)
            digest.update(b"".join(map(_encode, some)))
    if session_id:
        yield session_id, messages, digest.digest()


def _difference(session_id: str) -> str:
    return (
        f"Session {session_id} differs between both databases: it was changed during the copy, or later. "
        "Stop all writers, delete the session from the target, and copy again."
    )
