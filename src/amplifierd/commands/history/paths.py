"""`amplifierd import`: imports exports of amplifierd and files of other tools."""

from contextlib import ExitStack
from dataclasses import dataclass

import click

from ...contract import LineReader
from ...formats.history import Head, HistoryFormat, history_formats, read_head
from ...formats.imports import Report
from ...settings import ledger_folder
from ...storage.model.interface import Storage
from ...storage.model.records import ImportReport, OnConflict
from ...storage.values.quantities import conversations
from ..database_transfer import import_export
from ..output import steps_bar
from .importing import HistoryImport
from .ledger import Ledger
from .sources import Source, find_sources

AUTO = "auto"
AMPLIFIERD = "amplifierd"
# The members of the lines of an export.
_LINES = frozenset({"header", "session", "profile", "message"})


@dataclass(frozen=True, slots=True)
class ImportPaths:
    """An import: its paths, their format, the database and workspace, and how exports handle existing sessions."""

    paths: tuple[str, ...]
    format_name: str
    database: str
    workspace: str
    on_conflict: OnConflict


async def import_paths(job: ImportPaths, storage: Storage, reader: LineReader) -> bool:
    """Import the paths, and print a report. Returns whether everything was understood.

    Raises `click.ClickException` if a path that was named cannot be read, the paths have no files, or no
    format has the name.
    """
    formats = formats_for(job.format_name)
    with ExitStack() as close:
        async with storage:
            name = None if job.format_name == AUTO else job.format_name
            ledger = Ledger(ledger_folder(), job.database, job.workspace)
            run = HistoryImport(storage, job.workspace, reader, formats, ledger, name)
            found = [*find_sources(job.paths, chosen_formats(formats, name), close)]
            if not found:
                raise click.ClickException(f"There are no files in {', '.join(job.paths)}.")
            changed = [each for each in found if not await run.unchanged(each)]
            histories = [each for each in changed if not await _import_export(each, job, storage, reader)]
            exports = len(changed) - len(histories)
            if exports == len(found):
                return True
            await _import_histories(run, histories)
            return _show(run.report, has_exports=exports > 0)


def formats_for(name: str) -> dict[str, HistoryFormat]:
    """All formats. Raises `click.ClickException` if none has that name."""
    formats = history_formats()
    if name not in {AUTO, AMPLIFIERD, *formats}:
        known = ", ".join([AUTO, AMPLIFIERD, *formats])
        raise click.ClickException(f"No format is called {name!r}; known are {known}.")
    return formats


def chosen_formats(formats: dict[str, HistoryFormat], name: str | None) -> list[HistoryFormat]:
    """The formats to try: all, or only the named one."""
    return [form for form in formats.values() if name in {None, form.name}]


async def _import_histories(run: HistoryImport, sources: list[Source]) -> None:
    size = sum(source.size for source in sources)
    with steps_bar(size, "Bytes read") as progress:
        await run.run(sources, progress)


def _show(report: Report, *, has_exports: bool) -> bool:
    for sentence in report.sentences():
        click.echo(sentence, err=True)
    if report.is_empty and not has_exports:
        raise click.ClickException("No file was recognized.")
    return report.is_clean


async def _import_export(source: Source, job: ImportPaths, storage: Storage, reader: LineReader) -> bool:
    """Import a source if it is an export of amplifierd. Returns whether it is one."""
    if job.format_name not in {AUTO, AMPLIFIERD}:
        return False
    try:
        with source.open() as file:
            if job.format_name == AUTO and not _is_export(read_head(file)):
                return False
            show(await import_export(file, storage, job.workspace, reader, job.on_conflict))
            return True
    except OSError as error:
        if not source.is_named:
            # The report lists it with the other faults.
            return False
        raise click.ClickException(f"Cannot read {source.name}: {error.strerror or error}.") from error


def _is_export(head: Head) -> bool:
    return bool(head.records) and head.records[0].keys() <= _LINES


def show(report: ImportReport) -> None:
    """Print the report of an export."""
    click.echo(
        f"Imported {conversations(report.sessions, report.messages)}; "
        f"skipped {report.skipped}, renamed {report.renamed}, extended {report.extended}.",
        err=True,
    )
