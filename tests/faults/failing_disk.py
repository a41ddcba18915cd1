"""A disk that fails on demand: a layer between SQLite and its files (https://rogerbinns.github.io/apsw/vfs.html)."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from shutil import copy
from typing import Literal

import apsw

Fault = Literal["write", "torn write", "sync", "space", "read-only", "checkpoint", "temporary file"]

_BASE = "unix"


class FailingDisk(apsw.VFS):
    """Opens the files below `folder` for everything in this process; `fault` is what fails at the moment."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.fault: Fault | None = None
        super().__init__("failing", _BASE, makedefault=True)

    def xOpen(self, name: str | apsw.URIFilename | None, flags: list[int]) -> apsw.VFSFile:  # noqa: N802  # apsw's
        path = name.filename() if isinstance(name, apsw.URIFilename) else name
        if path is None and self.fault == "temporary file":
            raise apsw.exception_for(apsw.SQLITE_CANTOPEN)
        if path is None or not Path(path).is_relative_to(self.folder):
            return apsw.VFSFile(_BASE, name, flags)
        if self.fault == "read-only":
            flags[0] = flags[0] & ~(apsw.SQLITE_OPEN_READWRITE | apsw.SQLITE_OPEN_CREATE) | apsw.SQLITE_OPEN_READONLY
        return _File(name, flags, lambda: self.fault, is_log=path.endswith("-wal"))

    @contextmanager
    def failing(self, fault: Fault) -> Iterator[None]:
        """Let all operations of a kind fail within the `with` block."""
        self.fault = fault
        try:
            yield
        finally:
            self.fault = None

    def after_a_crash(self, target: Path) -> Path:
        """Copy to a new folder what would be on the disk if the process ended now. Returns the database."""
        target.mkdir()
        for file in self.folder.iterdir():
            # SQLite rebuilds the shared memory from the log.
            if not file.name.endswith("-shm"):
                copy(file, target)
        return target / "a.db"


class _File(apsw.VFSFile):
    def __init__(
        self,
        name: str | apsw.URIFilename | None,
        flags: list[int],
        fault: Callable[[], Fault | None],
        *,
        is_log: bool,
    ) -> None:
        super().__init__(_BASE, name, flags)
        self._fault = fault
        self._is_log = is_log

    def xWrite(self, data: bytes, offset: int) -> None:  # noqa: N802  # apsw's
        fault = self._fault()
        if fault == "torn write":
            super().xWrite(data[: len(data) // 2], offset)
        if fault in {"write", "torn write", "read-only"} or (fault == "checkpoint" and not self._is_log):
            raise apsw.exception_for(apsw.SQLITE_IOERR_WRITE)
        if fault == "space":
            raise apsw.exception_for(apsw.SQLITE_FULL)
        super().xWrite(data, offset)

    def xSync(self, flags: int) -> None:  # noqa: N802  # apsw's
        if self._fault() == "sync":
            raise apsw.exception_for(apsw.SQLITE_IOERR_FSYNC)
        super().xSync(flags)
