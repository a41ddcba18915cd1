"""Reads the texts to which the agents and the context of profiles refer: files, and the Markdown files of folders."""

import posixpath

from ...storage.model.profile_records import MAX_TEXT_BYTES, NewProfile
from .folder import Folder, FolderError

# The limit for all profiles of a collection; a text that several profiles use counts once.
MAX_BYTES = 4 * 1024 * 1024
_SUFFIX = ".md"


class ReferredTexts:
    """Reads each file once, within limits for all of them together."""

    def __init__(self, folder: Folder) -> None:
        self._folder = folder
        self._read: dict[str, str] = {}
        self._bytes = 0
        # Each set of files is kept as one.
        self._sets: dict[tuple[str, ...], int] = {}

    def of(self, profile: NewProfile) -> dict[str, str]:
        """The texts of a profile by their paths, in order.

        Raises `FolderError` if one cannot be read, or if they are too long.
        """
        references = [*profile.agents.values(), *profile.context.values()]
        paths = sorted({path for reference in references for path in self._files(reference)})
        texts = {path: self._text(path) for path in paths}
        size = sum(len(text.encode()) for text in texts.values())
        if size > MAX_TEXT_BYTES:
            raise FolderError(f"Its agents and its context have more than {MAX_TEXT_BYTES} bytes, which is the limit")
        self._sets[tuple(paths)] = size
        if sum(self._sets.values()) > MAX_BYTES:
            raise FolderError(f"The agents and contexts of all profiles have more than {MAX_BYTES} bytes")
        return texts

    def _files(self, reference: str) -> list[str]:
        """The files to which a reference leads; none for a URL, or a file that the folder excludes."""
        path = posixpath.normpath(reference)
        if path in self._folder.files:
            return [path]
        below = "" if path == "." else f"{path}/"
        return [file for file in self._folder.files if file.startswith(below) and file.endswith(_SUFFIX)]

    def _text(self, path: str) -> str:
        if path not in self._read:
            try:
                self._read[path] = self._folder.read(path, MAX_TEXT_BYTES).decode()
            except UnicodeDecodeError as error:
                raise FolderError(f"{path} is not UTF-8 at byte {error.start}") from None
            except FolderError as error:
                raise FolderError(f"{path}: {error}") from None
            self._bytes += len(self._read[path].encode())
            if self._bytes > MAX_BYTES:
                raise FolderError(f"The agents and contexts of all profiles have more than {MAX_BYTES} bytes")
        return self._read[path]
