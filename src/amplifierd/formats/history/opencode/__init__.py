"""Conversations of opencode: in its database since version 1.2, in a folder of JSON files before."""

from collections.abc import Iterable, Iterator
from pathlib import PurePath
from typing import IO

from ..interface import Head, Step
from .database import is_database, read_opencode_database
from .records import NAME
from .storage_files import files_in_order, is_storage, read_storage, storage_of


class OpenCode:
    """A session for each session of opencode; an agent's session belongs to the session of its caller."""

    name = NAME

    def recognizes(self, head: Head, /) -> bool:
        """See `HistoryFormat`."""
        return is_database(head) or is_storage(head)

    def read(self, source: IO[bytes], /) -> Iterator[Step]:
        """See `HistoryFormat`."""
        start = source.read(1)
        source.seek(0)
        return read_storage(source) if start == b"{" else read_opencode_database(source)

    def folder_of(self, path: PurePath, /) -> PurePath | None:
        """See `FolderFormat`."""
        return storage_of(path)

    def in_order(self, paths: Iterable[str], /) -> Iterator[str]:
        """See `FolderFormat`."""
        return files_in_order(paths)


__all__ = ["OpenCode"]
