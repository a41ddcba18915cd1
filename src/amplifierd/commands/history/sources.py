"""Finds histories: files, all files below a directory, the files in a zip archive, standard input."""

import os
import stat
import sys
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from hashlib import blake2b
from pathlib import Path, PurePosixPath
from shutil import copyfileobj
from tempfile import TemporaryFile
from typing import IO, NamedTuple
from zipfile import ZipInfo

import click

from ...formats.history import HistoryFormat
from ...formats.imports import Archive, Folder, FolderFiles
from ...formats.imports.archive import MAGIC
from ...storage.sql.temporary_files import Unlimited
from ..output import STANDARD
from .database_files import database_of, log_stamp, open_with_log
from .whole_lines import whole_lines


class Stamp(NamedTuple):
    """Values that change if a file is written: a file with the same values is treated as unchanged.

    For a folder, `inode` is a digest of the stamps of its files.
    """

    size: int
    modified: int
    inode: int


class Source(NamedTuple):
    """A file to read, or the files of a `folder`. `stamp` is the stamp of the file on disk, or of its archive.

    `problem` is the reason why it cannot be opened. `is_named` is set if the user named it; `is_growing` if an
    incomplete last line must not be read yet.
    """

    name: str
    path: Path | None = None
    copied: IO[bytes] | None = None
    stamp: Stamp | None = None
    archive_path: Path | None = None
    archive: Archive | None = None
    member: ZipInfo | None = None
    folder: Folder | None = None
    problem: OSError | None = None
    is_named: bool = True
    is_growing: bool = False

    @property
    def size(self) -> int:
        """The number of bytes, if it is known."""
        return self.member.file_size if self.member else self.stamp.size if self.stamp else 0

    @contextmanager
    def open(self) -> Iterator[IO[bytes]]:
        """Open it for reading from its beginning; the file is seekable. Raises `OSError`."""
        if self.problem is not None:
            raise self.problem
        if self.copied is not None:
            self.copied.seek(0)
            yield self.copied
        elif self.folder is not None:
            with self.folder.open() as file:
                yield file
        elif self.archive is not None and self.member is not None:
            with self.archive.open(self.member, Unlimited()) as file:
                yield file
        elif self.path is not None:
            with open_with_log(self.path) as file:
                yield whole_lines(file) if self.is_growing else file


def find_sources(paths: Iterable[str], formats: Iterable[HistoryFormat], close: ExitStack) -> Iterator[Source]:
    """The files of paths; files of a directory are in the order of their names. Raises `click.ClickException`.

    A file that is not seekable, such as a pipe, is copied to a temporary file, which `close` deletes.
    """
    for name in paths:
        path = Path(name)
        if name == STANDARD:
            yield _copy("standard input", sys.stdin.buffer, close)
        elif path.is_dir():
            yield from sources_below(path, formats)
        elif path.is_file() or not path.exists():
            yield from file_at(path, formats, is_named=True)
        else:
            with path.open("rb") as pipe:
                yield _copy(name, pipe, close)


def sources_below(folder: Path, formats: Iterable[HistoryFormat]) -> Iterator[Source]:
    """All files below a directory, in the order of their names; then the folders whose files are read together."""
    together = FolderFiles(formats)
    for path in paths_below(folder):
        if not together.take(path.absolute(), partial(_open, path)):
            yield from file_at(path, formats, is_named=False)
    for found in together.folders():
        root = Path(found.path)
        yield Source(str(root), root, stamp=_stamp_of_files(root, found.files), folder=found, is_named=False)


def _open(path: Path) -> IO[bytes]:
    return path.open("rb")


def _stamp_of_files(root: Path, names: Iterable[str]) -> Stamp:
    digest, size, modified = blake2b(digest_size=7), 0, 0
    for name in sorted(names):
        try:
            status = (root / name).stat()
        except OSError:
            # The reason is reported when it is read.
            continue
        size += status.st_size
        modified = max(modified, status.st_mtime_ns)
        digest.update(
            f"{name}\0{status.st_size}\0{status.st_mtime_ns}\0{status.st_ino}\0".encode("utf-8", "surrogateescape")
        )
    return Stamp(size, modified, int.from_bytes(digest.digest()))


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


def file_at(path: Path, formats: Iterable[HistoryFormat], *, is_named: bool) -> Iterator[Source]:
    """A file, or the files of an archive; nothing if it is not a regular file. Raises `click.ClickException`."""
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            return
        is_archive = _begins_as_archive(path)
    except OSError as error:
        if is_named:
            raise click.ClickException(f"Cannot read {path}: {error.strerror}.") from error
        if not isinstance(error, FileNotFoundError):
            yield Source(str(path), path.absolute(), stamp=Stamp(0, 0, 0), problem=error, is_named=False)
        return
    log_size, log_modified = log_stamp(path)
    stamp = Stamp(status.st_size + log_size, max(status.st_mtime_ns, log_modified), status.st_ino)
    if is_archive:
        yield from _members(path, stamp, formats, is_named=is_named)
    else:
        yield Source(str(path), path.absolute(), stamp=stamp, is_named=is_named)


def _begins_as_archive(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(len(MAGIC)) == MAGIC


def _members(path: Path, stamp: Stamp, formats: Iterable[HistoryFormat], *, is_named: bool) -> Iterator[Source]:
    try:
        archive = Archive(path)
    except OSError as error:
        if not is_named:
            yield Source(str(path), path.absolute(), stamp=stamp, problem=error, is_named=False)
            return
        raise click.ClickException(f"Cannot read the archive {path}: {error.strerror or error}.") from error
    source = Source(str(path), stamp=stamp, archive_path=path, archive=archive, is_named=False)
    together = FolderFiles(formats)
    for member in archive.members:
        if not together.take(PurePosixPath(member.filename), partial(archive.open, member, Unlimited())):
            yield source._replace(name=f"{path}/{member.filename}", member=member)
    for folder in together.folders():
        yield source._replace(name=str(path / folder.path), folder=folder)
