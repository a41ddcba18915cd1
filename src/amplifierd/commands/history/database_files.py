"""The files of an SQLite database: while a program has it open, its latest writes may be in a log beside it."""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import IO
from urllib.parse import quote

_SQLITE = b"SQLite format 3\0"
_LOG = "-wal"
_ENDINGS = (_LOG, "-shm", "-journal")


def database_of(path: Path) -> Path:
    """The database of a file that SQLite writes beside it (such as `-wal`); the path itself for any other file."""
    for ending in _ENDINGS:
        name = path.name.removesuffix(ending)
        if name and name != path.name and path.with_name(name).is_file():
            return path.with_name(name)
    return path


def log_stamp(path: Path) -> tuple[int, int]:
    """The size and modification time of a database's log; zeros without one."""
    try:
        status = path.with_name(path.name + _LOG).stat()
    except OSError:
        return 0, 0
    return status.st_size, status.st_mtime_ns


@contextmanager
def open_with_log(path: Path) -> Iterator[IO[bytes]]:
    """Open a file; a database with a log is copied, including the content of the log. Raises `OSError`."""
    with path.open("rb") as file:
        is_database = file.read(len(_SQLITE)) == _SQLITE
        file.seek(0)
        if not is_database or log_stamp(path)[0] == 0:
            yield file
            return
    with TemporaryDirectory(prefix=f"amplifierd-{os.getpid()}-") as folder:
        copy = Path(folder, "copy.db")
        try:
            _copy(path, copy)
        except sqlite3.Error as error:
            raise OSError(0, f"the database cannot be read: {error}") from error
        with copy.open("rb") as file:
            yield file


def _copy(path: Path, copy: Path) -> None:
    with (
        closing(sqlite3.connect(f"file:{quote(str(path))}?mode=ro", uri=True)) as source,
        closing(sqlite3.connect(copy)) as target,
    ):
        source.backup(target)
