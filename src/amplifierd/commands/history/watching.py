"""`amplifierd import --watch`: imports the existing files, then each file that changes, until it is stopped."""

import asyncio
import signal
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import aclosing
from itertools import takewhile
from pathlib import Path

import click

from ...contract import LineReader
from ...formats.history import Fault, folder_of
from ...formats.imports import Report
from ...server.signals import end_on_signal
from ...settings import ledger_folder
from ...storage.model.errors import StorageUnavailable
from ...storage.model.interface import Storage
from ...storage.values.quantities import quantity
from ..error_messages import message_of
from ..output import STANDARD
from .changes import changed_paths, wait_for
from .database_files import database_of
from .importing import HistoryImport
from .ledger import MAX_FAULTS, Ledger
from .paths import AMPLIFIERD, AUTO, ImportPaths, chosen_formats, formats_for
from .sources import Source, Stamp, file_at, sources_below

# The time between two attempts to reach the database.
_RETRY_SECONDS = 5
# The pause after an import, as a multiple of its length: imports take at most a quarter of a core.
_PAUSES = 3
_MAX_PAUSE_SECONDS = 60


async def watch_paths(job: ImportPaths, storage: Storage, reader: LineReader) -> bool:
    """Import the files of paths whenever they change, and print a report after SIGINT or SIGTERM.

    Returns whether the last read of every file was understood completely. Raises `click.ClickException` if the format
    is unknown, or the file system cannot be watched.
    """
    if STANDARD in job.paths or job.format_name == AMPLIFIERD:
        raise click.ClickException("--watch follows files of other tools; name them, or directories that have them.")
    stop = asyncio.Event()
    _stop_on_signal(stop)
    async with storage:
        watch = _Watch(job, storage, reader)
        try:
            await watch.follow(stop)
        except OSError as error:
            raise click.ClickException(f"The paths cannot be watched: {error}.") from error
    for sentence in watch.report.sentences():
        click.echo(sentence, err=True)
    return watch.report.is_clean


def _stop_on_signal(stop: asyncio.Event) -> None:
    """Stop at the first signal; a second one ends the process."""
    loop = asyncio.get_running_loop()

    def handle(number: int, _frame: object) -> None:
        signal.signal(number, signal.SIG_DFL)
        loop.call_soon_threadsafe(stop.set)

    end_on_signal(handle)


class LatestReport(Report):
    """A report with the faults that the last read of each file found."""

    def __init__(self) -> None:
        super().__init__()
        self._faults: dict[str, list[Fault]] = {}

    @property
    def is_clean(self) -> bool:
        """Whether everything was understood."""
        return not self._faults

    def begin(self, names: set[str]) -> None:
        """Drop the faults of files that are read again."""
        self.not_recognized = [name for name in self.not_recognized if name not in names]
        for name in names & self._faults.keys():
            del self._faults[name]

    def add_fault(self, name: str, fault: Fault) -> None:
        """Keep a fault of a file, up to a limit."""
        faults = self._faults.setdefault(name, [])
        if len(faults) < MAX_FAULTS:
            faults.append(fault)

    def sentences(self) -> Iterator[str]:
        """The report, line by line."""
        report = Report()
        report.__dict__ |= {key: value for key, value in self.__dict__.items() if not key.startswith("_")}
        for name, faults in self._faults.items():
            for fault in faults:
                report.add_fault(name, fault)
        return report.sentences()


class _Watch:
    def __init__(self, job: ImportPaths, storage: Storage, reader: LineReader) -> None:
        self.report = LatestReport()
        self._paths = [Path(path).absolute() for path in job.paths]
        format_name = None if job.format_name == AUTO else job.format_name
        ledger = Ledger(ledger_folder(), job.database, job.workspace)
        formats = formats_for(job.format_name)
        self._formats = chosen_formats(formats, format_name)
        self._new_run: Callable[[], HistoryImport] = lambda: HistoryImport(
            storage, job.workspace, reader, formats, ledger, format_name, self.report
        )
        # The stamp of each file when it was last read.
        self._stamps: dict[Path, Stamp] = {}

    async def follow(self, stop: asyncio.Event) -> None:
        """Import existing files, then changed ones, until `stop`. Raises `OSError` if the paths cannot be watched."""
        is_first = True
        async with aclosing(changed_paths(self._paths, stop)) as changes:
            async for changed in changes:
                began = time.monotonic()
                await self._import_until_done(changed, stop)
                if is_first:
                    is_first = False
                    click.echo(f"Watching {', '.join(map(str, self._paths))}.", err=True)
                await wait_for(stop, min(_MAX_PAUSE_SECONDS, _PAUSES * (time.monotonic() - began)))

    async def _import_until_done(self, changed: set[Path], stop: asyncio.Event) -> None:
        while not stop.is_set():
            try:
                await self._import(changed, stop)
            except StorageUnavailable as error:
                click.echo(f"{message_of(error).rstrip('.')}. Trying again.", err=True)
                await wait_for(stop, _RETRY_SECONDS)
            else:
                return

    async def _import(self, changed: set[Path], stop: asyncio.Event) -> None:
        run, before = self._new_run(), self.report.messages
        stamps: dict[Path, Stamp] = {}
        sources = [source async for source in self._changed_sources(run, changed, stamps)]
        await run.run(takewhile(lambda _: not stop.is_set(), sources), lambda _size: None)
        self._stamps |= stamps
        # Other tools write temporary files, which may be gone before they can be read.
        self.report.begin({source.name for source in sources if source.path is not None and not source.path.exists()})
        if self.report.messages > before:
            click.echo(f"Imported {quantity(self.report.messages - before, 'message')}.", err=True)

    async def _changed_sources(
        self, run: HistoryImport, changed: set[Path], stamps: dict[Path, Stamp]
    ) -> AsyncIterator[Source]:
        """The sources to read; adds their stamps to `stamps`."""
        for source in self._sources(changed):
            path = source.path or source.archive_path
            if path is None or source.stamp is None or self._stamps.get(path) == source.stamp:
                continue
            is_repeated = source.path is not None and path in stamps
            stamps[path] = source.stamp
            if not is_repeated:
                self.report.begin({source.name})
                if not await run.unchanged(source):
                    yield source

    def _sources(self, changed: set[Path]) -> Iterator[Source]:
        for path in sorted({self._path_of(path) for path in changed}):
            # Sessions of deleted files stay in the database.
            if path.exists():
                yield from self._sources_at(path)

    def _path_of(self, path: Path) -> Path:
        """The path to read if a file changed."""
        found = folder_of(self._formats, path)
        return database_of(path) if found is None else Path(found[1])

    def _sources_at(self, path: Path) -> Iterator[Source]:
        try:
            is_folder = path.is_dir()
            found = (
                sources_below(path, self._formats)
                if is_folder
                else file_at(path, self._formats, is_named=path in self._paths)
            )
            for source in found:
                yield source._replace(is_growing=True)
        except click.ClickException as error:
            self.report.begin({str(path)})
            self.report.add_fault(str(path), Fault(kind="not readable", line=1, sentence=error.message))
