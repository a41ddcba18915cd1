"""The files that a format reads together, found among others by their paths."""

from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from pathlib import PurePath
from typing import IO, NamedTuple

from ..history import FolderFormat, HistoryFormat, OpenFile, folder_of, open_folder


class Folder(NamedTuple):
    """A folder, and the files in it that `form` reads together, by their relative paths.

    An archive can have two files with the same path: files that `replaced` another one get a fault.
    """

    path: PurePath
    form: FolderFormat
    files: dict[str, OpenFile]
    replaced: set[str]

    @contextmanager
    def open(self) -> Iterator[IO[bytes]]:
        """The files as one source. Raises `OSError`."""
        with closing(open_folder(self.form, self.files, self.replaced)) as source:
            yield source


class FolderFiles:
    """Collects files by their folders."""

    def __init__(self, formats: Iterable[HistoryFormat]) -> None:
        self._formats = [form for form in formats if isinstance(form, FolderFormat)]
        self._found: dict[PurePath, Folder] = {}

    def take(self, path: PurePath, opened: OpenFile) -> bool:
        """Add a file if it is read with others of its folder. Returns whether it was added."""
        found = folder_of(self._formats, path)
        if found is None:
            return False
        form, folder = found
        into = self._found.setdefault(folder, Folder(folder, form, {}, set()))
        name = path.relative_to(folder).as_posix()
        if name in into.files:
            into.replaced.add(name)
        into.files[name] = opened
        return True

    def folders(self) -> Iterator[Folder]:
        """The folders, in the order in which they were found."""
        yield from self._found.values()
