"""Where histories are: files, all files below a directory, those in a zip archive, standard input."""

import os
import stat
import sys
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from shutil import copyfileobj
from tempfile import TemporaryFile
from typing import IO, NamedTuple
from zipfile import ZipInfo

import click

from ...formats.imports import Archive
from ...formats.imports.archive import MAGIC
from ...storage.sql.temporary_files import Unlimited
from ..output import STANDARD
from .database_files import database_of, log_stamp, open_with_log
from .whole_lines import whole_lines


class Stamp(NamedTuple):
    """What differs after a file was written: a file with the same values is taken as unchanged."""

    size: int
    modified: int
    inode: int


class Source(NamedTuple):
    """A file to read. `stamp` is that of a file on disk, also that of an archive.

    `is_named` if it was asked for by its name; `is_growing` if a last line that is not whole is not to be read yet.
    """

    name: str
    path: Path | None = None
    copied: IO[bytes] | None = None
    stamp: Stamp | None = None
    archive_path: Path | None = None
    archive: Archive | None = None
    member: ZipInfo | None = None
    is_named: bool = True
    is_growing: bool = False

    @property
    def size(self) -> int:
        """The number of bytes, if it is known."""
        return self.member.file_size if self.member else self.stamp.size if self.stamp else 0

    @contextmanager
    def open(self) -> Iterator[IO[bytes]]:
        """Open it for reading from its beginning; it can be sought. Raises `OSError`."""
        if self.copied is not None:
            self.copied.seek(0)
            yield self.copied
        elif self.archive is not None and self.member is not None:
            with self.archive.open(self.member, Unlimited()) as file:
                yield file
        elif self.path is not None:
            with open_with_log(self.path) as file:
                yield whole_lines(file) if self.is_growing else file


def find_sources(paths: Iterable[str], close: ExitStack) -> Iterator[Source]:
    """The files of paths, those of a directory in the order of their names. Raises `click.ClickException`.

    What cannot be sought, such as a pipe, is copied to a temporary file, which `close` deletes.
    """
    for name in paths:
        path = Path(name)
        if name == STANDARD:
            yield _copy("standard input", sys.stdin.buffer, close)
        elif path.is_dir():
            for each in paths_below(path):
                yield from file_at(each, is_named=False)
        elif path.is_file() or not path.exists():
            yield from file_at(path, is_named=True)
        else:
            with path.open("rb") as pipe:
                yield _copy(name, pipe, close)


def _copy(name: str, pipe: IO[bytes], close: ExitStack) -> Source:
    copied = close.enter_context(TemporaryFile())  # noqa: SIM115  # it stays open until `close`
    copyfileobj(pipe, copied)
    return Source(name, copied=copied, stamp=Stamp(copied.tell(), 0, 0))


def paths_below(folder: Path) -> Iterator[Path]:
    """The paths of all files below a directory, in the order of their names."""
    for parent, folders, names in os.walk(folder):
        folders.sort()
        paths = (Path(parent, name) for name in sorted(names))
        yield from (path for path in paths if database_of(path) == path)


def file_at(path: Path, *, is_named: bool) -> Iterator[Source]:
    """A file, or those of an archive; none if it is not a regular one. Raises `click.ClickException`."""
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            return
        is_archive = _begins_as_archive(path)
    except OSError as error:
        if is_named:
            raise click.ClickException(f"Cannot read {path}: {error.strerror}.") from error
        # It disappeared, or belongs to another user.
        return
    log_size, log_modified = log_stamp(path)
    stamp = Stamp(status.st_size + log_size, max(status.st_mtime_ns, log_modified), status.st_ino)
    if is_archive:
        yield from _members(path, stamp)
    else:
        yield Source(str(path), path.absolute(), stamp=stamp, is_named=is_named)


def _begins_as_archive(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(len(MAGIC)) == MAGIC


def _members(path: Path, stamp: Stamp) -> Iterator[Source]:
    try:
        archive = Archive(path)
    except OSError as error:
        raise click.ClickException(f"Cannot read the archive {path}: {error.strerror or error}.") from error
    for member in archive.members:
        name = f"{path}/{member.filename}"
        yield Source(name, stamp=stamp, archive_path=path, archive=archive, member=member, is_named=False)
