"""The files in a zip archive, which may be hostile: each is unpacked to a temporary file of bounded size."""

import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from lzma import LZMAError
from pathlib import Path
from typing import IO
from zipfile import BadZipFile, ZipFile, ZipInfo

from ...storage.model.files import TemporarySpace
from ...storage.sql.temporary_files import LimitedFile, spool_errors

MAGIC = b"PK\x03\x04"
_CHUNK_BYTES = 256 * 1024
# The errors of Python's module for an archive that is damaged, encrypted, or compressed with an unknown method.
_ERRORS = (BadZipFile, RuntimeError, NotImplementedError, EOFError, ValueError, zlib.error, LZMAError, struct.error)


class Archive:
    """An archive. It is open from the first read of a member until the last one, or `close`."""

    def __init__(self, source: Path | IO[bytes]) -> None:
        """Read the list of its members. Raises `OSError`."""
        self._source = source
        self._zip: ZipFile | None = None
        with _errors(), ZipFile(source) as found:
            self.members = [member for member in found.infolist() if not member.is_dir()]

    def close(self) -> None:
        """Close the archive."""
        if self._zip is not None:
            with suppress(OSError):
                self._zip.close()
            self._zip = None

    @contextmanager
    def open(self, member: ZipInfo, space: TemporarySpace) -> Iterator[IO[bytes]]:
        """Unpack a member to a temporary file.

        Raises `OSError` if it cannot be unpacked, and `StorageUnavailable` if it takes more than `space` has.
        """
        copied = LimitedFile(space)
        try:
            with _errors():
                self._unpack(member, copied)
            with spool_errors():
                copied.file.seek(0)
            yield copied.file
        finally:
            copied.close()
            if member is self.members[-1]:
                self.close()

    def _unpack(self, member: ZipInfo, copied: LimitedFile) -> None:
        if self._zip is None:
            self._zip = ZipFile(self._source)
        with self._zip.open(member) as packed:
            # At most the declared size of the member is unpacked.
            while chunk := packed.read(_CHUNK_BYTES):
                copied.write(chunk)


@contextmanager
def _errors() -> Iterator[None]:
    """Converts every error of an archive to `OSError`."""
    try:
        yield
    except _ERRORS as error:
        raise OSError(0, f"the archive cannot be unpacked: {error}") from error
