"""Imports histories: reads each source completely, then writes the messages that the database lacks."""

import asyncio
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from itertools import takewhile
from typing import IO, NamedTuple

from msgspec import UNSET, UnsetType

from ...contract import LineReader
from ...formats.history import (
    Fault,
    HistoryFormat,
    NotRecognized,
    SessionName,
    Step,
    line_of,
    read_head,
    recognize,
)
from ...formats.imports import Batch, Conversion, Records, Report
from ...storage.model.errors import SessionNotFound
from ...storage.model.interface import Storage
from ...storage.model.records import Export, Session, SessionPatch
from ...storage.sql.temporary_files import Unlimited
from .ledger import Entry, Ledger
from .sources import Source

# Progress is shown after this number of steps.
_SHOWN_STEPS = 200

Progress = Callable[[int], None]


class _SessionToName(NamedTuple):
    """A name of a session of another source, and the source that has it."""

    source: Source
    read: Conversion
    name: SessionName


class HistoryImport:
    """An import into one workspace of an open storage."""

    def __init__(
        self,
        storage: Storage,
        workspace: str,
        reader: LineReader,
        formats: dict[str, HistoryFormat],
        ledger: Ledger,
        format_name: str | None = None,
        report: Report | None = None,
    ) -> None:
        self.report = Report() if report is None else report
        self._storage = storage
        self._workspace = workspace
        self._formats = formats
        self._format_name = format_name
        self._ledger = ledger
        self._records = Records(reader, Unlimited())
        self._batch = Batch(Unlimited())
        self._read: list[tuple[Source, Conversion]] = []
        self._names: list[tuple[str, str]] = []
        self._named: list[_SessionToName] = []
        self._is_stopped = threading.Event()
        self._reading: IO[bytes] | None = None
        # The sessions of this import by the ids of their last messages.
        self._by_last_message: dict[tuple[str, str], str] = {}

    async def run(self, sources: Iterable[Source], progress: Progress) -> None:
        """Import sources; calls `progress` with the number of bytes read since its last call."""
        try:
            for source in sources:
                await self._import(source, progress)
            await self._flush()
            await self._name_others()
        finally:
            # A thread that still reads ends at its next step; a thread inside SQLite ends because its file is closed.
            self._is_stopped.set()
            if self._reading is not None:
                self._reading.close()
            self._batch.close()
            self._records.close()

    async def unchanged(self, source: Source) -> bool:
        """Whether a source is unchanged since its import and its sessions still exist; counts its faults again."""
        entry = self._ledger.entry_of(source, self._format_name)
        if entry is None or not await self._has_all(entry):
            return False
        self.report.unchanged += 1
        for fault in entry.faults:
            self.report.add_fault(source.name, fault)
        return True

    async def _has_all(self, entry: Entry) -> bool:
        for session_id in entry.sessions:
            if await self._session(session_id) is None:
                return False
        return True

    async def _import(self, source: Source, progress: Progress) -> None:
        read = await asyncio.to_thread(self._collect, source, progress)
        if read is None:
            return
        await self._lay_out(read)
        for fault in read.faults:
            self.report.add_fault(source.name, fault)
        self._batch.add(read.branches)
        self._read.append((source, read))
        self._named += [_SessionToName(source, read, name) for name in read.names]
        self._by_last_message |= {
            (read.format_name, last): session_id for session_id, last in read.sessions.items() if last is not None
        }
        self.report.files[read.format_name] += 1
        self.report.branches += sum(branch.session.forked_at_sequence is not UNSET for branch in read.branches)
        if self._batch.is_full:
            await self._flush()

    def _collect(self, source: Source, progress: Progress) -> Conversion | None:
        try:
            with source.open() as file:
                self._reading = file
                form = self._format_of(file)
                read = Conversion(form.name, self._records, self._batch.messages)
                read.collect(self._show_progress(form.read(file), file, progress))
                progress(max(0, source.size - file.tell()))
        except NotRecognized as error:
            progress(source.size)
            self._refuse(source, str(error))
            return None
        except OSError as error:
            fault = Fault(kind="not readable", line=1, sentence=f"It cannot be read: {error.strerror or error}.")
            self.report.add_fault(source.name, fault)
            return None
        except ValueError:
            if self._is_stopped.is_set():
                return None
            raise
        return read

    def _show_progress(self, steps: Iterator[Step], file: IO[bytes], progress: Progress) -> Iterator[Step]:
        """The steps, with the progress of the file, until the import is stopped."""
        before = 0
        try:
            for number, step in enumerate(takewhile(lambda _: not self._is_stopped.is_set(), steps)):
                if number % _SHOWN_STEPS == 0:
                    progress(file.tell() - before)
                    before = file.tell()
                yield step
            progress(file.tell() - before)
        except ValueError:
            # The file is closed.
            if not self._is_stopped.is_set():
                raise

    def _format_of(self, file: IO[bytes]) -> HistoryFormat:
        if self._format_name is not None:
            return self._formats[self._format_name]
        return recognize(self._formats, read_head(file))

    def _refuse(self, source: Source, reason: str) -> None:
        if source.is_named:
            self.report.add_fault(source.name, Fault(kind="unknown format", line=1, sentence=f"{reason}."))
        else:
            self.report.not_recognized.append(source.name)

    async def _lay_out(self, read: Conversion) -> None:
        for layout in read.layouts():
            read.add(layout, await self._last_message_id(layout.session_id) if layout.has_choice else None)
        read.finish()
        for branch in read.branches:
            await self._note_name(branch.session.id, branch.session.name)

    async def _note_name(self, session_id: str, name: str | UnsetType) -> None:
        """Note the name of a session that had none when it was imported."""
        if isinstance(name, UnsetType):
            return
        stored = await self._session(session_id)
        if stored is not None and stored.name is UNSET:
            self._names.append((session_id, name))

    async def _session(self, session_id: str) -> Session | None:
        try:
            return await self._storage.get_session(self._workspace, session_id)
        except SessionNotFound:
            return None

    async def _last_message_id(self, session_id: str) -> str | None:
        """The id of a stored session's last message."""
        stored = await self._session(session_id)
        if stored is None or stored.message_count == 0:
            return None
        last = await self._storage.get_message(self._workspace, session_id, stored.message_count)
        return None if last.id is UNSET else last.id

    async def _flush(self) -> None:
        """Write the batch, and remember its files."""
        if not self._read:
            return
        if self._batch.branches:
            export = Export(self._batch.batches(self._records))
            self.report.add_written(await self._storage.import_sessions(self._workspace, export, "extend"))
            self._records.clear()
        await self._name()
        for source, read in self._read:
            # Sources that name other sessions are recorded later, when it is known whether those sessions exist.
            if all(name.is_kept for name in read.names):
                self._ledger.record(source, read.format_name, read.sessions, read.faults)
        await self._save()
        self._batch.close()
        self._batch, self._read = Batch(Unlimited()), []

    async def _name(self) -> None:
        """Give sessions the names that were found after their import."""
        for session_id, name in self._names:
            # It may have been deleted since.
            with suppress(SessionNotFound):
                await self._storage.update_session(self._workspace, session_id, SessionPatch(name=name))
        self._names = []

    async def _name_others(self) -> None:
        """Name the sessions whose name is in another source."""
        missing: set[str] = set()
        for source, read, name in self._named:
            place = read.format_name, name.key
            session_id = self._by_last_message.get(place) or self._ledger.session_with(*place)
            if session_id is not None:
                await self._note_name(session_id, line_of(name.name) or UNSET)
            elif not name.is_kept:
                missing.add(source.name)
                self.report.add_fault(source.name, _nameless(name))
        await self._name()
        for source, read, name in self._named:
            if not name.is_kept and source.name not in missing:
                self._ledger.record(source, read.format_name, read.sessions, read.faults)
        await self._save()

    async def _save(self) -> None:
        try:
            await asyncio.to_thread(self._ledger.save)
        except OSError as error:
            self.report.notes.append(f"Which files were imported cannot be remembered: {error}. They are read again.")


def _nameless(name: SessionName) -> Fault:
    sentence = f"No session that was imported ends with the message {name.key}, of which this is the summary."
    return Fault(kind="name of no session", line=name.line, sentence=sentence)
