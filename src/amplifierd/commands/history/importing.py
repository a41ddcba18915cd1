"""Imports histories: each source is read whole, then what the database does not have of it is written."""

import asyncio
from collections.abc import Callable, Iterable, Iterator
from typing import IO, NamedTuple

from msgspec import UNSET

from ...contract import LineReader
from ...formats.history import (
    Branch,
    Collection,
    Fault,
    HistoryFormat,
    Layout,
    NotRecognized,
    Step,
    connect,
    read_head,
    recognize,
)
from ...formats.imports import Batch, Records, Report
from ...storage.model.errors import SessionNotFound
from ...storage.model.interface import Storage
from ...storage.model.records import Export, Session, SessionPatch
from .ledger import Entry, Ledger
from .sources import Source

# The progress is shown after each of this number of steps.
_SHOWN_STEPS = 200

Progress = Callable[[int], None]


class _Read(NamedTuple):
    """What was read of a source."""

    source: Source
    collection: Collection
    faults: list[Fault]


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
        self._records = Records(reader)
        self._batch = Batch()
        self._read: list[tuple[_Read, list[str]]] = []
        self._names: list[tuple[str, str]] = []

    async def run(self, sources: Iterable[Source], progress: Progress) -> None:
        """Import sources; `progress` gets the number of bytes that were read since it was called before."""
        try:
            for source in sources:
                await self._import(source, progress)
            await self._flush()
        finally:
            self._batch.close()
            self._records.close()

    async def unchanged(self, source: Source) -> bool:
        """Whether a source was imported as it is now, and its sessions are there; counts its faults again."""
        entry = self._ledger.entry_of(source, self._format_name)
        if entry is None or not await self._has_all(entry):
            return False
        self.report.unchanged += 1
        for fault in entry.faults:
            self.report.add_fault(source.name, fault)
        return True

    async def _has_all(self, entry: Entry) -> bool:
        for session_id in entry.sessions:
            if await self._stored(session_id) is None:
                return False
        return True

    async def _import(self, source: Source, progress: Progress) -> None:
        read = await asyncio.to_thread(self._collect, source, progress)
        if read is None:
            return
        branches = await self._branches(read)
        for fault in read.faults:
            self.report.add_fault(source.name, fault)
        if self._batch.has_any(branches):
            await self._flush()
        self._batch.add(read.collection, branches)
        self._read.append((read, [branch.session.id for branch in branches]))
        self.report.files[read.collection.format_name] += 1
        self.report.branches += sum(branch.session.forked_at_sequence is not UNSET for branch in branches)
        if self._batch.is_full:
            await self._flush()

    def _collect(self, source: Source, progress: Progress) -> _Read | None:
        collection: Collection | None = None
        try:
            with source.open() as file:
                each = self._format_of(file)
                collection = Collection(each.name, self._records.accept)
                faults = [*collection.collect(_counted(each.read(file), file, progress))]
                progress(max(0, source.size - file.tell()))
        except NotRecognized as error:
            progress(source.size)
            self._refuse(source, str(error))
            return None
        except OSError as error:
            if collection is not None:
                collection.close()
            fault = Fault(kind="not readable", line=1, sentence=f"It cannot be read: {error.strerror or error}.")
            self.report.add_fault(source.name, fault)
            return None
        return _Read(source, collection, faults)

    def _format_of(self, file: IO[bytes]) -> HistoryFormat:
        if self._format_name is not None:
            return self._formats[self._format_name]
        return recognize(self._formats, read_head(file))

    def _refuse(self, source: Source, reason: str) -> None:
        if source.is_named:
            self.report.add_fault(source.name, Fault(kind="not recognized", line=1, sentence=f"{reason}."))
        else:
            self.report.not_recognized.append(source.name)

    async def _branches(self, read: _Read) -> list[Branch]:
        found: list[Branch] = []
        seen: set[str] = set()
        for conversation in read.collection.conversations.values():
            read.faults.extend(connect(conversation))
            layout = Layout(read.collection, conversation)
            last = await self._last_stored(layout.session_id) if layout.has_choice else None
            for each in layout.branches(last):
                if isinstance(each, Fault):
                    read.faults.append(each)
                elif each.session.id in seen:
                    sentence = f"Two conversations have the id {each.session.id}; the first one is imported."
                    read.faults.append(Fault(kind="same session twice", line=1, sentence=sentence))
                else:
                    seen.add(each.session.id)
                    found.append(each)
        if not found:
            sentence = "No message was found in it."
            read.faults.append(Fault(kind="no messages", line=1, sentence=sentence))
        for branch in found:
            await self._note_name(branch.session)
        return found

    async def _note_name(self, session: Session) -> None:
        """A session that was imported before it had a name gets the one that it has by now."""
        if session.name is UNSET:
            return
        stored = await self._stored(session.id)
        if stored is not None and stored.name is UNSET:
            self._names.append((session.id, session.name))

    async def _stored(self, session_id: str) -> Session | None:
        try:
            return await self._storage.get_session(self._workspace, session_id)
        except SessionNotFound:
            return None

    async def _last_stored(self, session_id: str) -> str | None:
        """The id of a stored session's last message."""
        stored = await self._stored(session_id)
        if stored is None or stored.message_count == 0:
            return None
        last = await self._storage.get_message(self._workspace, session_id, stored.message_count)
        return None if last.id is UNSET else last.id

    async def _flush(self) -> None:
        """Write the batch, and remember its files."""
        if not self._read:
            return
        await self._records.store_files(self._storage, self._workspace)
        written = await self._storage.import_sessions(self._workspace, Export(self._batch.lines()), "extend")
        self.report.add_written(written)
        for session_id, name in self._names:
            await self._storage.update_session(self._workspace, session_id, SessionPatch(name=name))
        for read, sessions in self._read:
            self._ledger.record(read.source, read.collection.format_name, sessions, read.faults)
        try:
            await asyncio.to_thread(self._ledger.save)
        except OSError as error:
            self.report.notes.append(f"Which files were imported cannot be remembered: {error}. They are read again.")
        self._batch.close()
        self._batch, self._read, self._names = Batch(), [], []


def _counted(steps: Iterator[Step], file: IO[bytes], progress: Progress) -> Iterator[Step]:
    """The steps, with the progress of the file."""
    before = 0
    for number, step in enumerate(steps):
        if number % _SHOWN_STEPS == 0:
            progress(file.tell() - before)
            before = file.tell()
        yield step
    progress(file.tell() - before)
