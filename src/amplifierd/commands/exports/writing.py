"""Writes the sessions of `amplifierd export` into one file, or each into its own file in a folder."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import aclosing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import click
import msgspec
from msgspec.structs import replace

from ...formats.exports import ExportFormat, Losses, export_formats
from ...formats.exports.reading import Place, embed_files, omit_files, write_session
from ...storage.model.errors import FileNotFound, SessionNotFound
from ...storage.model.interface import Storage
from ...storage.model.queries import SessionQuery, all_records
from ...storage.model.records import Listing, SessionSummary
from ..database_transfer import refuse_unknown
from ..output import STANDARD, steps_bar, writing
from .folder import Folder
from .own_format import all_lines, lines_of

AMPLIFIERD = "amplifierd"
_PAGE = 500

_decode_page = msgspec.json.Decoder(list[SessionSummary]).decode


@dataclass(frozen=True, slots=True)
class ExportTarget:
    """An export: its sessions (one, those of a query, or all), its format, whether it includes files, and its output.

    The output is `file`, or a file for each session in the folder `output`.
    """

    format_name: str
    session: str | None
    query: SessionQuery | None
    files: bool
    file: str
    output: Path | None


async def export_to(target: ExportTarget, storage: Storage, workspace: str) -> int:
    """Write sessions of a workspace. Returns their number.

    Shows progress, and what was lost. The output is on disk at the end. Raises `click.ClickException` if it cannot be
    written, `WorkspaceNotFound` and `SessionNotFound`.
    """
    form = _format_of(target)
    losses = Losses()
    async with storage:
        await refuse_unknown(storage, workspace)
        size = 1 if target.session is not None else await storage.count_sessions(workspace)
        with steps_bar(size, "Sessions exported") as progress:
            run = _Export(target, storage, workspace, losses, progress)
            exported = await (run.own_lines() if form is None else run.sessions(form))
    for sentence in losses.sentences():
        click.echo(sentence, err=True)
    return exported


def _format_of(target: ExportTarget) -> ExportFormat | None:
    """The format; None for amplifierd's own. Raises `click.ClickException`."""
    formats = export_formats()
    name = target.format_name
    if target.session is not None and target.query is not None:
        raise click.UsageError("--session selects one session; leave out the filters.")
    if name != AMPLIFIERD and name not in formats:
        raise click.ClickException(f"No format is called {name!r}; known are {', '.join([AMPLIFIERD, *formats])}.")
    form = formats.get(name) if name != AMPLIFIERD else None
    is_document = form is not None and form.is_document
    if target.output is not None and not is_document:
        raise click.UsageError(f"The format {name} is written to one FILE; --output is a folder for markdown and html.")
    if target.output is None and is_document and target.session is None:
        raise click.UsageError(f"The format {name} has a file for each session: name a folder with --output.")
    return form


class _Export:
    """An export in progress."""

    def __init__(
        self, target: ExportTarget, storage: Storage, workspace: str, losses: Losses, update: Callable[[int], None]
    ) -> None:
        self._target = target
        self._storage = storage
        self._workspace = workspace
        self._losses = losses
        self._update = update

    async def own_lines(self) -> int:
        """Write the sessions in amplifierd's own format. Returns their number."""
        target = self._target
        if target.session is None and target.query is None:
            export = all_lines(self._storage, self._workspace, files=target.files)
        else:
            export = lines_of(self._storage, self._workspace, self._ids(), files=target.files)
        exported = 0
        with _output(target.file) as file:
            async with aclosing(export) as blocks:
                async for text, sessions in blocks:
                    await asyncio.to_thread(file.write, text)
                    exported += sessions
                    self._update(sessions)
        return exported

    async def sessions(self, form: ExportFormat) -> int:
        """Write the sessions in a format. Returns their number."""
        if self._target.output is not None:
            return await self._into_folder(form, Folder(self._target.output, form.suffix))
        exported = 0
        place = embed_files(self._storage, self._workspace) if self._target.files else omit_files
        with _output(self._target.file) as file:
            async for session_id in self._ids():
                exported += await self._write(form, session_id, place, file)
        return exported

    async def _into_folder(self, form: ExportFormat, folder: Folder) -> int:
        exported = 0
        async for session_id in self._ids():
            try:
                session = await self._storage.get_session(self._workspace, session_id)
            except SessionNotFound:
                self._refuse_missing(session_id)
                continue
            name = session.name if isinstance(session.name, str) else ""
            with _output(str(folder.path_of(session_id, name))) as file:
                exported += await self._write(form, session_id, self._place(form, folder), file)
        return exported

    def _place(self, form: ExportFormat, folder: Folder) -> Place:
        if not self._target.files:
            return omit_files
        if form.has_files_beside:
            return folder.place_files(self._storage, self._workspace)
        return embed_files(self._storage, self._workspace)

    async def _write(self, form: ExportFormat, session_id: str, place: Place, file: IO[bytes]) -> int:
        text = write_session(
            form,
            self._storage,
            self._workspace,
            session_id,
            self._losses,
            place,
            asyncio.to_thread,
        )
        is_begun = False
        try:
            async with aclosing(text) as blocks:
                async for block in blocks:
                    is_begun = True
                    await asyncio.to_thread(file.write, block)
        except SessionNotFound:
            self._refuse_missing(session_id, is_begun=is_begun)
            return 0
        except FileNotFound as error:
            raise click.ClickException(
                f"{error}: it was deleted meanwhile, or its data is damaged. Run `amplifierd check`, and export again."
            ) from error
        self._update(1)
        return 1

    def _refuse_missing(self, session_id: str, *, is_begun: bool = False) -> None:
        """Leave out a session that was deleted after it was listed. Raises if a part of it is already written."""
        if is_begun:
            raise click.ClickException(f"Session {session_id} was deleted meanwhile; export again.")
        if self._target.session is not None:
            raise SessionNotFound(session_id)

    async def _ids(self) -> AsyncIterator[str]:
        if self._target.session is not None:
            yield self._target.session
            return
        query = self._target.query or SessionQuery(sort="created_at")

        async def page(cursor: str | None) -> Listing:
            return await self._storage.list_sessions(self._workspace, replace(query, limit=_PAGE, cursor=cursor))

        async for summary in all_records(page, _decode_page):
            yield summary.id


@contextmanager
def _output(path: str) -> Iterator[IO[bytes]]:
    try:
        with writing(path) as file:
            yield file
    except BrokenPipeError:
        # The reader has closed the pipe.
        raise
    except OSError as error:
        name = "standard output" if path == STANDARD else path
        raise click.ClickException(f"Cannot write the export to {name}: {error.strerror}.") from error
