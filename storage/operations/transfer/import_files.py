"""Checks the files of an import as they arrive, and keeps them in a temporary file until they are written."""

import hashlib
from collections.abc import Iterator
from typing import IO

import msgspec

from ...model.errors import ImportInvalid
from ...model.records import ExportFile
from ...sql.temporary_files import LimitedFile, TemporaryDisk, spool_errors
from ..bulk.removal import CHUNKS_AT_ONCE
from ..files import CHUNK_BYTES

_encode_lines = msgspec.json.Encoder().encode_lines
_decode = msgspec.json.Decoder(ExportFile).decode


class StagedFile:
    """A file of an import, read in chunks."""

    def __init__(self, file: ExportFile, spool: IO[bytes]) -> None:
        self.file = file
        # The number of chunks read so far.
        self.place = 0
        self._spool = spool
        self._left = file.size

    def read(self) -> list[bytes]:
        """The next chunks, none at the end."""
        piece = self._spool.read(min(self._left, CHUNKS_AT_ONCE * CHUNK_BYTES))
        self._left -= len(piece)
        chunks = [piece[start : start + CHUNK_BYTES] for start in range(0, len(piece), CHUNK_BYTES)]
        self.place += len(chunks)
        return chunks


class StagedFiles:
    """Collects files: call `begin`, `add` for the bytes, and `end` for each, then `read` for all in the same order.

    They are on `disk` until `close`.
    """

    def __init__(self, disk: TemporaryDisk) -> None:
        self.count = 0
        self._written = LimitedFile(disk)
        self._spool = self._written.file
        self._file: ExportFile | None = None
        self._left = 0
        self._digest = hashlib.sha256()

    def begin(self, file: ExportFile) -> None:
        """Begin a file."""
        self.count += 1
        self._file, self._left, self._digest = file, file.size, hashlib.sha256()
        self._written.write(_encode_lines([file]))

    def add(self, data: bytes, line: int) -> None:
        """Add bytes to the current file. Raises `ImportInvalid` with the number of the `line`."""
        if self._file is None:
            raise ImportInvalid(line, "a chunk comes after its file")
        self._left -= len(data)
        if self._left < 0:
            raise ImportInvalid(line, f"file {self._file.id} has more bytes than its size of {self._file.size}")
        self._digest.update(data)
        self._written.write(data)

    def end(self, line: int) -> None:
        """End the current file, if there is one. Raises `ImportInvalid` if its bytes do not match its size and id."""
        if self._file is None:
            return
        if self._left:
            has = self._file.size - self._left
            raise ImportInvalid(line, f"file {self._file.id} has {has} bytes, but its size is {self._file.size}")
        if self._digest.hexdigest() != self._file.id:
            raise ImportInvalid(line, f"the bytes of file {self._file.id} do not match its id")
        self._file = None

    def read(self) -> Iterator[StagedFile]:
        """Each file. Read its chunks before the next file is taken, or not at all."""
        position = 0
        with spool_errors():
            self._spool.flush()
        for _ in range(self.count):
            self._spool.seek(position)
            file = _decode(self._spool.readline())
            position = self._spool.tell() + file.size
            yield StagedFile(file, self._spool)

    def close(self) -> None:
        """Delete the temporary file."""
        self._written.close()
