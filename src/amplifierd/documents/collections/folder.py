"""The files of a folder; symbolic links that lead out of the folder are refused."""

import os
import posixpath
import re
import stat
from dataclasses import dataclass, field
from pathlib import Path

from ...storage.model.collections import CollectionProblem

MAX_ENTRIES = 20_000
MAX_DEPTH = 16
# The limit of all paths together: they are stored and listed.
MAX_PATH_CHARACTERS = 1024 * 1024
MAX_PROBLEMS = 1_000

_LEFT_OUT = {"__pycache__", "node_modules"}
_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:")


class FolderError(Exception):
    """The folder cannot be read, or is too large; the text says why."""


@dataclass(slots=True)
class Folder:
    """The relative paths of a folder's files, in order, and the problems of others; `root` has no symbolic links."""

    root: Path
    files: list[str] = field(default_factory=list)
    problems: list[CollectionProblem] = field(default_factory=list)

    def add_problem(self, detail: str, file: str, line: int | None = None) -> None:
        """Add a problem, a sentence without its period, unless there are 1,000."""
        if len(self.problems) < MAX_PROBLEMS:
            place = {} if line is None else {"line": line}
            self.problems.append(CollectionProblem(f"{detail}.", file, **place))

    def read(self, path: str, most_bytes: int) -> bytes:
        """The bytes of a file. Raises `FolderError` if it is too long, was deleted, or leads out."""
        resolved = without_links(self.root / path)
        if not resolved.is_relative_to(self.root):
            raise FolderError("It leads out of the collection")
        try:
            number = _open(self.root, resolved.relative_to(self.root))
        except OSError as error:
            raise FolderError(f"It cannot be read: {error.strerror}") from None
        with os.fdopen(number, "rb") as file:
            if not stat.S_ISREG(os.fstat(number).st_mode):
                raise FolderError("It is not a regular file")
            data = file.read(most_bytes + 1)
        if len(data) > most_bytes:
            raise FolderError(f"It has more than {most_bytes} bytes, which is the limit")
        return data

    def fault_of(self, reference: str) -> str | None:
        """The fault of a reference from a file of the collection; None for a path in the collection, or a URL."""
        if _URL.match(reference) and not reference.lower().startswith(("file:", "git+file:")):
            return None
        outside = f"{reference[:200]!r} leads out of the collection"
        if reference.startswith(("/", "~", "file:", "git+file:")) or "\0" in reference:
            return outside
        if posixpath.normpath(reference).split("/")[0] == "..":
            return outside
        try:
            resolved = (self.root / reference).resolve()
            exists = resolved.exists()
        except (OSError, RuntimeError, ValueError):
            return f"{reference[:200]!r} is not a valid path"
        if not resolved.is_relative_to(self.root):
            return outside
        return None if exists else f"{reference[:200]!r} does not exist in the collection"


def without_links(path: Path) -> Path:
    """A path without symbolic links. Raises `FolderError` if they are a loop."""
    try:
        resolved = path.resolve()
    except RuntimeError:
        # Python 3.13 returns the path instead.
        resolved = path
    if resolved.is_symlink():
        raise FolderError("a symbolic link leads to itself")
    return resolved


def scan(path: Path) -> Folder:
    """List the files of a folder. Raises `FolderError` if it cannot be read, or has too many or too deep ones."""
    root = path.resolve()
    folder = Folder(root)
    _Scan(folder).add("", 0)
    folder.files.sort()
    return folder


def _open(root: Path, path: Path) -> int:
    """Open a file without following links: one could be created meanwhile and lead out of the folder."""
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC
    folder = os.open(root, flags | os.O_DIRECTORY)
    try:
        for name in path.parts[:-1]:
            inner = os.open(name, flags | os.O_DIRECTORY, dir_fd=folder)
            os.close(folder)
            folder = inner
        # Opening a pipe would block forever.
        return os.open(path.name or ".", flags | os.O_NONBLOCK, dir_fd=folder)
    finally:
        os.close(folder)


class _Scan:
    """Counts the files and folders that a scan examines."""

    def __init__(self, folder: Folder) -> None:
        self._folder = folder
        self._entries = 0
        self._characters = 0

    def add(self, path: str, depth: int) -> None:
        if depth > MAX_DEPTH:
            raise FolderError(f"folders are nested deeper than {MAX_DEPTH} levels, which is the limit")
        try:
            with os.scandir(self._folder.root / path) as entries:
                found = list(entries)
        except OSError as error:
            raise FolderError(f"the folder {path or '.'} cannot be read: {error.strerror}") from None
        self._entries += len(found)
        if self._entries > MAX_ENTRIES:
            raise FolderError(f"it has more than {MAX_ENTRIES} files and folders, which is the limit")
        for entry in sorted(found, key=lambda entry: entry.name):
            if not entry.name.startswith(".") and entry.name not in _LEFT_OUT:
                self._add_entry(entry, f"{path}/{entry.name}" if path else entry.name, depth)

    def _add_entry(self, entry: os.DirEntry[str], path: str, depth: int) -> None:
        self._characters += len(path)
        if self._characters > MAX_PATH_CHARACTERS:
            raise FolderError(f"its paths have more than {MAX_PATH_CHARACTERS} characters, which is the limit")
        if not path.isprintable():
            self._folder.add_problem("Its name has characters that cannot be printed", repr(path)[1:-1])
        elif entry.is_symlink():
            self._add_link(entry, path)
        elif entry.is_dir(follow_symlinks=False):
            self.add(path, depth + 1)
        elif entry.is_file(follow_symlinks=False):
            self._folder.files.append(path)

    def _add_link(self, entry: os.DirEntry[str], path: str) -> None:
        try:
            target = Path(entry.path).resolve(strict=True)
        except (OSError, RuntimeError):
            self._folder.add_problem("It is a symbolic link that leads nowhere", path)
            return
        if not target.is_relative_to(self._folder.root):
            self._folder.add_problem("It is a symbolic link that leads out of the collection", path)
        elif target.is_file():
            self._folder.files.append(path)
        else:
            self._folder.add_problem("It is a symbolic link to a folder, which is not followed", path)
