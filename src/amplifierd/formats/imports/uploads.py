"""Imports files of other programs that clients send: from a temporary file, through a separate process."""

import asyncio
import time
from collections.abc import AsyncGenerator
from contextlib import aclosing, closing, suppress
from functools import cached_property
from typing import Any

import msgspec
from msgspec import UNSET
from msgspec.structs import asdict

from ...contract import Document
from ...storage.backend.concurrency_limit import FairLimit
from ...storage.model.errors import SessionNotFound, StorageUnavailable
from ...storage.model.files import ImportFile, TemporarySpace
from ...storage.model.interface import Storage
from ...storage.model.records import (
    AlreadyApplied,
    Export,
    ExportLine,
    IdempotentRequest,
    ImportReport,
    OnConflict,
    Session,
    SessionPatch,
)
from ...storage.sql.temporary_files import LimitedFile, spool_errors
from ..history import HistoryFormat, history_formats
from .process.parent import ConversionProcess, Received
from .process.protocol import DONE, LAST_STORED, REPORT, ROOM, HistoryTooLarge, Task
from .report import HistoryImportReport, HistoryReport

AUTO = "auto"
# The number of files that are converted at a time, one for each workspace, so that none keeps all others waiting.
MAX_CONVERSIONS = 2
# The limits for the conversion of a file. 256 MiB of Claude Code's lines take about 45 s.
CPU_SECONDS = 30
CPU_SECONDS_PER_MIB = 0.6
MEMORY_BYTES = 1024 * 1024 * 1024
# The time limit, for a process that gets no CPU.
SECONDS = 900
_TICK_SECONDS = 1
_CHUNK_BYTES = 256 * 1024


class FormatUnknown(Exception):
    """No format has this name; the text lists the known formats."""

    def __init__(self, name: str, known: list[str]) -> None:
        super().__init__(f"no format is called {name!r}; known are {', '.join(known)}")


class Uploads:
    """Imports files, with few conversions at a time, because each may use its full limits."""

    def __init__(self, contract: Document, max_body: int, max_file: int) -> None:
        self._contract = contract.json
        self._max_body = max_body
        self._max_file = max_file
        self._conversions = FairLimit(MAX_CONVERSIONS, "conversions of files")

    @cached_property
    def _formats(self) -> dict[str, HistoryFormat]:
        # Imported late, because a daemon starts faster without it.
        return history_formats()

    async def import_file(
        self,
        storage: Storage,
        workspace: str,
        file: ImportFile,
        format_name: str,
        on_conflict: OnConflict,
        once: IdempotentRequest | None,
    ) -> ImportReport:
        """Import a file in a format, or in the format that is recognized.

        Raises `FormatUnknown`, `HistoryUnreadable`, `HistoryTooLarge`, and what an import of an export raises.
        """
        if format_name not in {AUTO, *self._formats}:
            raise FormatUnknown(format_name, ["amplifierd", AUTO, *self._formats])
        space = storage.temporary_space
        with closing(LimitedFile(space)) as stored:
            await self._keep(file, stored)
            if format_name == AUTO and await asyncio.to_thread(_is_export, stored):
                export = Export(file.read_lines(_chunks(stored)), file.progressed)
                return await storage.import_sessions(workspace, export, on_conflict, once=once)
            run = _Import(storage, workspace, file, self._contract, self._conversions)
            return await run.run(self._task(stored, format_name), once)

    async def _keep(self, file: ImportFile, stored: LimitedFile) -> None:
        size = 0
        async with aclosing(file.chunks) as chunks:
            async for chunk in chunks:
                size += len(chunk)
                if size > self._max_file:
                    raise HistoryTooLarge(f"The file has more than {self._max_file} bytes, which is the limit")
                await asyncio.to_thread(stored.write, chunk)
        file.progressed()
        with spool_errors():
            stored.file.seek(0)

    def _task(self, stored: LimitedFile, format_name: str) -> Task:
        return Task(
            stored.file.fileno(),
            self._max_body,
            self._max_file,
            CPU_SECONDS,
            CPU_SECONDS_PER_MIB,
            MEMORY_BYTES,
            None if format_name == AUTO else format_name,
        )


class _Import:
    """The import of one file."""

    def __init__(
        self, storage: Storage, workspace: str, file: ImportFile, contract: bytes, conversions: FairLimit
    ) -> None:
        self._storage = storage
        self._workspace = workspace
        self._progressed = file.progressed
        self._wait_for_disconnect = file.wait_for_disconnect
        self._contract = contract
        self._conversions = conversions
        self._space: TemporarySpace = storage.temporary_space
        self._granted = 0
        self._history: HistoryReport | None = None
        self._names: list[tuple[str, str]] = []

    async def run(self, task: Task, once: IdempotentRequest | None) -> HistoryImportReport:
        """Convert the file and import its sessions."""
        export = Export(self._batches(task), self._progressed)
        try:
            written = await self._storage.import_sessions(self._workspace, export, "extend", once=once)
        except AlreadyApplied as recorded:
            # An earlier attempt may have ended before it set the names.
            raise AlreadyApplied(await self._finish(recorded.response)) from None
        return await self._finish(written)

    async def _finish(self, written: ImportReport) -> HistoryImportReport:
        """Set the names of the imported sessions. Returns the report."""
        for session_id, name in self._names:
            # It may have been deleted since.
            with suppress(SessionNotFound):
                await self._storage.update_session(self._workspace, session_id, SessionPatch(name=name))
            self._progressed()
        return HistoryImportReport(**asdict(written), history=self._history or UNSET)

    async def _batches(self, task: Task) -> AsyncGenerator[list[ExportLine], None]:
        """The lines of the export that the process sends."""
        async with self._conversions.slot(self._workspace):
            process = await asyncio.to_thread(ConversionProcess, task, self._contract)
            disconnected = asyncio.ensure_future(self._wait_for_disconnect())
            try:
                async for lines in self._receive_lines(process, disconnected):
                    await self._note_names(lines)
                    yield lines
            finally:
                disconnected.cancel()
                process.kill()
                await asyncio.to_thread(process.close)
                self._space.release(self._granted)
                self._granted = 0

    async def _receive_lines(
        self, process: ConversionProcess, disconnected: asyncio.Future[None]
    ) -> AsyncGenerator[list[ExportLine], None]:
        started = time.monotonic()
        while True:
            received = await self._receive(process, disconnected, started + SECONDS)
            if received.lines:
                yield received.lines
            if received.kind == DONE:
                return
            if received.kind is not None:
                await self._reply(process, received.kind, received.content)

    async def _receive(self, process: ConversionProcess, disconnected: asyncio.Future[None], ends: float) -> Received:
        waiting = asyncio.ensure_future(asyncio.to_thread(process.receive))
        either: set[asyncio.Future[Any]] = {waiting, disconnected}
        try:
            while not waiting.done():
                await asyncio.wait(either, timeout=_TICK_SECONDS, return_when=asyncio.FIRST_COMPLETED)
                if disconnected.done():
                    # The client has disconnected, and nothing is written yet.
                    disconnected.result()
                # Extend the request's deadline: the process has its own CPU limit.
                self._progressed()
                if time.monotonic() > ends:
                    raise StorageUnavailable("the machine has no time to convert a file", is_busy=True)
            self._progressed()
            return waiting.result()
        finally:
            waiting.cancel()

    async def _reply(self, process: ConversionProcess, kind: bytes, content: Any) -> None:
        if kind == REPORT:
            self._history = msgspec.convert(content, HistoryReport)
        elif kind == LAST_STORED:
            process.reply(await self._last_message_id(content))
        elif kind == ROOM:
            process.reply(self._grant(content))

    def _grant(self, size: int) -> bool:
        try:
            self._space.take(size)
        except StorageUnavailable:
            return False
        self._granted += size
        return True

    async def _note_names(self, lines: list[ExportLine]) -> None:
        """Record the name of a session that had none when it was imported."""
        for line in lines:
            if isinstance(line.session, Session) and isinstance(line.session.name, str):
                stored = await self._session(line.session.id)
                if stored is not None and stored.name is UNSET:
                    self._names.append((line.session.id, line.session.name))

    async def _last_message_id(self, session_id: str) -> str | None:
        """The id of a stored session's last message."""
        stored = await self._session(session_id)
        if stored is None or stored.message_count == 0:
            return None
        last = await self._storage.get_message(self._workspace, session_id, stored.message_count)
        return None if last.id is UNSET else last.id

    async def _session(self, session_id: str) -> Session | None:
        try:
            return await self._storage.get_session(self._workspace, session_id)
        except SessionNotFound:
            return None


def _is_export(stored: LimitedFile) -> bool:
    """Whether a file begins like an export of amplifierd; restores its position."""
    first = stored.file.readline(_CHUNK_BYTES)
    stored.file.seek(0)
    try:
        return msgspec.json.decode(first, type=dict[str, Any]).keys() == {"header"}
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return False


async def _chunks(stored: LimitedFile) -> AsyncGenerator[bytes, None]:
    while chunk := await asyncio.to_thread(stored.file.read, _CHUNK_BYTES):
        yield chunk
