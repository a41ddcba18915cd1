"""Keeps the write-ahead log so small that the disk can take it into the database.

A page of the log that is beyond the end of the database needs free space when the log is moved. Without that space the
log could not shrink, and not even deletions would fit on the disk.
"""

import os
from contextlib import closing
from pathlib import Path

import apsw

from .connection import WriteTransaction, connect_reader
from .files.database_files import log_bytes, log_of
from .files.reserve import is_out_of_space

# The free space is read again when the log or the database has grown by this size, or before each commit if less than
# SCARCE_BYTES are left.
LOOK_BYTES = 4_000_000
SCARCE_BYTES = 64 * 1024 * 1024
# What the file system and the index of the log need as well.
_MARGIN_BYTES = 128 * 1024

# https://www.sqlite.org/fileformat2.html#the_write_ahead_log
_HEADER_BYTES = 32
_FRAME_HEADER_BYTES = 24


class LogSpace:
    """Checks the free space for the log of the database at `path`, before `writer` commits."""

    def __init__(self, writer: apsw.Connection, path: str) -> None:
        self._writer = writer
        self._path = Path(path)
        # A file that another program has made may have pages of another size.
        self._page_bytes: int = writer.pragma("page_size")
        self._looked_at = self._looked_at_size = 0
        self._is_scarce = True

    def check(self, pages: int) -> None:
        """Raises `apsw.FullError` if the disk could not take the log with the open transaction into the database.

        `pages` is the size of the log at the last commit.
        """
        # With the open transaction, which may be larger than everything since the last time.
        size: int = self._writer.pragma("page_count")
        log_growth, growth = pages - self._looked_at, size - self._looked_at_size
        if not self._is_scarce and log_growth >= 0 and max(log_growth, growth) * self._page_bytes < LOOK_BYTES:
            return
        self._looked_at, self._looked_at_size = pages, size
        self._is_scarce = self._spare_bytes() < SCARCE_BYTES
        if self._is_scarce and not self._has_room():
            error = apsw.exception_for(apsw.SQLITE_FULL)
            error.args = ("its disk is full",)
            raise error

    def _has_room(self) -> bool:
        try:
            # Write the transaction to the log before measuring.
            self._writer.cache_flush()
        except apsw.Error as error:
            if is_out_of_space(error):
                return False
            raise
        return self._spare_bytes() >= _MARGIN_BYTES

    def _spare_bytes(self) -> int:
        disk = os.statvfs(self._path)
        size: int = self._writer.pragma("page_count") * self._page_bytes
        growth = size - self._path.stat().st_size
        return disk.f_bavail * disk.f_frsize - max(0, growth)


def cut_log(writer: apsw.Connection, path: str) -> None:
    """Give back the space that transactions without a commit take at the end of the log.

    Call it after a lack of space, outside of a transaction: SQLite keeps that space for the next commits, but the
    database may need it to grow.
    """
    with closing(connect_reader(path)) as other, WriteTransaction(writer):
        # Nobody adds to the log now, and nobody reads past its last commit. SQLite before 3.51 moves pages here.
        [(_, pages, _)] = other.execute("PRAGMA wal_checkpoint(NOOP)")
        end = _HEADER_BYTES + pages * (_FRAME_HEADER_BYTES + writer.pragma("page_size"))
        if 0 <= end < log_bytes(Path(path)):
            os.truncate(log_of(Path(path)), end)
