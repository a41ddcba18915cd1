"""Exports all sessions, or some, in the format of amplifierd, as one export with its header and its end."""

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing

import msgspec
from msgspec import UNSET

from ...storage.model.interface import Storage
from ...storage.model.records import ExportEnd, ExportFile, ExportHeader, ExportLine, Message, Session

# Lines as text, and the number of sessions among them.
Block = tuple[bytes, int]

_encode_lines = msgspec.json.Encoder().encode_lines


async def all_lines(storage: Storage, workspace: str, *, files: bool) -> AsyncGenerator[Block, None]:
    """The export of a workspace."""
    export = await storage.export_sessions(workspace, files=files)
    async with aclosing(export.batches) as batches:
        async for lines in batches:
            yield _encode_lines(lines), sum(isinstance(line.session, Session) for line in lines)


async def lines_of(
    storage: Storage, workspace: str, ids: AsyncIterator[str], *, files: bool
) -> AsyncGenerator[Block, None]:
    """The export of some sessions, each followed by its files, unless the export already contains them."""
    some = _SomeSessions()
    # The first lines are returned together: if the first session is missing, nothing was written.
    header = [ExportLine(header=ExportHeader())]
    async for session_id in ids:
        export = await storage.export_session(workspace, session_id, files=files)
        async with aclosing(export.batches) as batches:
            async for lines in batches:
                found = [line for line in lines if some.takes(line)]
                yield _encode_lines(header + found), sum(isinstance(line.session, Session) for line in found)
                header = []
    yield _encode_lines([*header, ExportLine(end=some.end)]), 0


class _SomeSessions:
    """Joins the exports of single sessions into one, and counts their lines."""

    def __init__(self) -> None:
        self._sessions = self._messages = 0
        self._files: set[str] = set()
        self._is_new_file = True

    @property
    def end(self) -> ExportEnd:
        """The end of the export."""
        return ExportEnd(self._sessions, self._messages, len(self._files))

    def takes(self, line: ExportLine) -> bool:
        """Whether a line belongs to the export: it has one header, one end, and each file once."""
        self._sessions += isinstance(line.session, Session)
        self._messages += isinstance(line.message, Message)
        if isinstance(line.file, ExportFile):
            self._is_new_file = line.file.id not in self._files
            self._files.add(line.file.id)
        is_file = line.file is not UNSET or line.chunk is not UNSET
        return line.header is UNSET and line.end is UNSET and (self._is_new_file or not is_file)
