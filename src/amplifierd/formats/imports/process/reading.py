"""Reads the file, or the files of the archive, in the process, and sends the converted sessions."""

from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager, nullcontext
from functools import partial
from io import SEEK_END
from pathlib import PurePosixPath
from typing import IO
from zipfile import ZipInfo

from msgspec import UNSET, UnsetType
from msgspec.structs import replace

from ....contract import Document, line_reader
from ....storage.model.errors import StorageUnavailable
from ...history import (
    Fault,
    HistoryFormat,
    NotRecognized,
    SessionName,
    history_formats,
    line_of,
    read_head,
    recognize,
)
from ..archive import MAGIC, Archive
from ..batch import Batch
from ..conversion import Conversion
from ..folder_files import FolderFiles
from ..records import Records
from ..report import MAX_CHARACTERS, HistoryReport, Report
from .limits import ArchiveCPU, ConvertedSpace
from .protocol import COPIES, LAST_STORED, LINE, REPORT, ROOM, Channel, HistoryTooLarge, HistoryUnreadable, Task

_SQLITE = b"SQLite format 3\0"
_PIECE_BYTES = 8 * 1024 * 1024
_MAX_SHOWN = 3


class GrantedSpace:
    """Temporary disk that the parent grants piece by piece; see `TemporarySpace`."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        self._granted = self._used = 0

    def take(self, size: int) -> None:
        """Reserve bytes. Raises `StorageUnavailable`."""
        self._used += size
        while self._used > self._granted:
            if self._channel.ask(ROOM, _PIECE_BYTES) is not True:
                raise StorageUnavailable("the temporary disk has no room")
            self._granted += _PIECE_BYTES

    def release(self, size: int) -> None:
        """Release bytes."""
        self._used -= size


def read_file(task: Task, contract: Document, file: IO[bytes], channel: Channel) -> None:
    """Read a file, and send its converted form.

    Raises `HistoryUnreadable` if nothing is found in it, `HistoryTooLarge` and `StorageUnavailable`.
    """
    space = GrantedSpace(channel)
    reader = line_reader(contract, task.max_body)
    converted = ConvertedSpace(space, COPIES * task.max_file)
    with closing(Records(reader, converted)) as records, closing(Batch(converted)) as batch:
        reading = _Reading(task, channel, space, records, batch)
        for name, opened in _sources(file, space, converted, task, reading.formats.values()):
            reading.read(name, opened)
        channel.send(REPORT, reading.finish())
        for line in batch.lines(records):
            channel.send(LINE, line)


class _Reading:
    def __init__(self, task: Task, channel: Channel, space: GrantedSpace, records: Records, batch: Batch) -> None:
        known = history_formats()
        self.formats = known if task.format is None else {task.format: known[task.format]}
        self._format_name = task.format
        self._channel = channel
        self._space = space
        self._records = records
        self._batch = batch
        self._report = Report()
        self._names: list[tuple[str, Conversion, SessionName]] = []
        self._last: dict[tuple[str, str], str] = {}

    def read(self, name: str, opened: AbstractContextManager[IO[bytes]]) -> None:
        """Read one file."""
        try:
            with opened as source:
                read = self._collect(source)
        except NotRecognized:
            self._report.not_recognized.append(name)
        except OSError as error:
            fault = Fault(kind="not readable", line=1, sentence=f"It cannot be read: {error.strerror or error}.")
            self._report.add_fault(name, fault)
        else:
            self._add(name, read)

    def _collect(self, source: IO[bytes]) -> Conversion:
        form = self.formats[self._format_name] if self._format_name else recognize(self.formats, read_head(source))
        read = Conversion(form.name, self._records, self._batch.messages)
        with self._room_for(source):
            read.collect(form.read(source))
        return read

    def _add(self, name: str, read: Conversion) -> None:
        for layout in read.layouts():
            read.add(layout, self._last_message_id(layout.session_id) if layout.has_choice else None)
        read.finish()
        for fault in read.faults:
            self._report.add_fault(name, fault)
        self._batch.add(read.branches)
        self._names += [(name, read, each) for each in read.names]
        self._last |= {(read.format_name, last): session for session, last in read.sessions.items() if last is not None}
        self._report.files[read.format_name] += 1
        self._report.branches += sum(branch.session.forked_at_sequence is not UNSET for branch in read.branches)

    def finish(self) -> HistoryReport:
        """Name the sessions whose name is in another file. Returns the report. Raises `HistoryUnreadable`."""
        for name, read, each in self._names:
            session_id = self._last.get((read.format_name, each.key))
            if session_id is not None:
                self._name(session_id, line_of(each.name) or UNSET)
            elif not each.is_kept:
                sentence = f"No session in it ends with the message {each.key}, of which this is the summary."
                self._report.add_fault(name, Fault(kind="name of no session", line=each.line, sentence=sentence))
        if not self._report.files:
            raise HistoryUnreadable(f"No format recognizes it; known are {', '.join(self.formats)}")
        if not self._batch.branches:
            raise HistoryUnreadable(f"No conversation was found: {self._fault_summary()}")
        return self._report.record()

    def _last_message_id(self, session_id: str) -> str | None:
        stored = self._channel.ask(LAST_STORED, session_id)
        return stored if isinstance(stored, str) else None

    @contextmanager
    def _room_for(self, source: IO[bytes]) -> Iterator[None]:
        """Room for the copy of a database."""
        size = 0
        if source.read(len(_SQLITE)) == _SQLITE:
            size = COPIES * source.seek(0, 2)
        source.seek(0)
        self._space.take(size)
        yield
        self._space.release(size)

    def _name(self, session_id: str, name: str | UnsetType) -> None:
        for branch in self._batch.branches[session_id]:
            if branch.session.name is UNSET:
                branch.session = replace(branch.session, name=name)

    def _fault_summary(self) -> str:
        found = [(name, fault) for places in self._report.places.values() for name, fault in places]
        return " ".join(_sentence_of(name, fault)[:MAX_CHARACTERS] for name, fault in found[:_MAX_SHOWN])


def _sentence_of(name: str, fault: Fault) -> str:
    place = f"line {fault.line}: {fault.sentence}"
    return f"{name}, {place}" if name else place


def _sources(
    file: IO[bytes], space: GrantedSpace, converted: ConvertedSpace, task: Task, formats: Iterable[HistoryFormat]
) -> Iterator[tuple[str, AbstractContextManager[IO[bytes]]]]:
    """The file, without a name, or the files of an archive. Raises `HistoryUnreadable` and `HistoryTooLarge`."""
    start = file.read(len(MAGIC))
    file.seek(0)
    if start != MAGIC:
        yield "", nullcontext(file)
        return
    try:
        archive = Archive(file)
    except OSError as error:
        raise HistoryUnreadable(f"It cannot be read: {error.strerror or error}") from error
    size = sum(member.file_size for member in archive.members)
    if size > task.max_file:
        raise HistoryTooLarge(f"The archive has more than {task.max_file} bytes unpacked, which is the limit")
    cpu = ArchiveCPU(task)
    together = FolderFiles(formats)
    for member in archive.members:
        opened = partial(_member, archive, member, space, cpu)
        if not together.take(PurePosixPath(member.filename), opened):
            yield member.filename, opened()
    for folder in together.folders():
        name = folder.path.as_posix()
        yield "" if name == "." else name, folder.open()
    # Everything is read, and is written next.
    cpu.allow(converted.bytes)


@contextmanager
def _member(archive: Archive, member: ZipInfo, space: GrantedSpace, cpu: ArchiveCPU) -> Iterator[IO[bytes]]:
    with archive.open(member, space) as file:
        # The member may declare more than it has.
        cpu.allow(file.seek(0, SEEK_END))
        file.seek(0)
        yield file
