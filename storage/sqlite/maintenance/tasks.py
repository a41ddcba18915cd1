"""Maintenance of a SQLite file."""

from collections.abc import AsyncGenerator, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import apsw

from ...model.database_errors import ReadLine
from ...model.maintenance import Compacted, Contents, Finding, Maintenance, Progress, Restored, no_progress
from ..connection import as_storage_error
from ..files.database_files import log_bytes
from ..files.machine_lock import locked_for_this_machine
from ..opening import open_current
from . import backup, compaction
from .file_check import check_file
from .repair import Repairs


class SQLiteMaintenance(Maintenance):
    """Implements `Maintenance` for the file at `path`."""

    def __init__(self, path: Path, read_line: ReadLine) -> None:
        self._path = path
        self._read_line = read_line
        self._repairs = Repairs(path, read_line)

    async def back_up(self, file: Path, *, replace: bool, progress: Progress) -> Contents:
        with locked_for_this_machine(self._path):
            return backup.back_up(self._path, file, replace=replace, progress=progress)

    async def restore(self, file: Path, *, replace: bool, progress: Progress) -> Restored:
        with locked_for_this_machine(self._path):
            return backup.restore(file, self._path, replace=replace, progress=progress)

    async def compact(self, *, full: bool, progress: Progress) -> Compacted:
        with _errors():
            open_current(self._path).close()
            before = _size(self._path)
            if full:
                compaction.rebuild(self._path, progress)
            else:
                compaction.compact(self._path, progress)
            return Compacted(before, _size(self._path))

    async def check(self, progress: Progress = no_progress) -> AsyncGenerator[Finding, None]:
        with locked_for_this_machine(self._path), _errors(), closing(open_current(self._path)) as connection:
            async for finding in check_file(connection, progress, self._read_line):
                yield finding

    async def repair(self, finding: Finding) -> str | None:
        with locked_for_this_machine(self._path):
            return await self._repairs.repair(finding)

    async def contents(self) -> Contents:
        with locked_for_this_machine(self._path), _errors(), closing(open_current(self._path)) as connection:
            return backup.contents(connection)


def _size(path: Path) -> int:
    """The size of a database and its log, in bytes."""
    return path.stat().st_size + log_bytes(path)


@contextmanager
def _errors() -> Iterator[None]:
    try:
        yield
    except (apsw.Error, UnicodeDecodeError) as error:
        raise as_storage_error(error) from error
