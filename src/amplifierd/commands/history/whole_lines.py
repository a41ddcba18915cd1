"""The complete lines of a file that another program is writing."""

import io
import os
from typing import IO

from ...formats.history.json_records import MAX_BYTES, has_lines, is_json

_CHUNK_BYTES = 64 * 1024


def whole_lines(file: IO[bytes]) -> IO[bytes]:
    """A file as it is now, without an incomplete last line; later writes are not read.

    If the lines of the file are not JSON, its last line is included.
    """
    size = file.seek(0, os.SEEK_END)
    end = size
    if has_lines(file):
        end = _after_last_break(file, size)
        file.seek(end)
        # A tool may end its file without a line break.
        if size - end <= MAX_BYTES and is_json(file.read(size - end)):
            end = size
    file.seek(0)
    return io.BufferedReader(_Beginning(file, end))


def _after_last_break(file: IO[bytes], size: int) -> int:
    start = size
    while start > 0:
        end, start = start, max(0, start - _CHUNK_BYTES)
        file.seek(start)
        found = file.read(end - start).rfind(b"\n")
        if found >= 0:
            return start + found + 1
    return 0


class _Beginning(io.RawIOBase):
    """The first bytes of a file."""

    def __init__(self, file: IO[bytes], size: int) -> None:
        super().__init__()
        self._file = file
        self._size = size
        self._place = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET, /) -> int:
        origin = {os.SEEK_SET: 0, os.SEEK_CUR: self._place, os.SEEK_END: self._size}[whence]
        self._place = max(0, origin + offset)
        return self._place

    def readinto(self, buffer: memoryview, /) -> int:  # type: ignore[override]  # typeshed's buffer has no length
        self._file.seek(self._place)
        found = self._file.read(min(len(buffer), max(0, self._size - self._place)))
        buffer[: len(found)] = found
        self._place += len(found)
        return len(found)
