"""Moves the write-ahead log into the database in a separate thread, so that no commit waits for it, and bounds the log.

It also truncates the log, which would otherwise keep old pages, with text that has been deleted since.
"""

import logging
import threading
import time
from pathlib import Path

import apsw

from .connection import connect_writer
from .files.database_files import log_bytes
from .files.reserve import Reserve, is_out_of_space
from .log_space import LogSpace, cut_log

logger = logging.getLogger(__name__)

# The log is moved in portions of this size. A page that is written repeatedly is then moved once, and one sync serves
# many pages: moving them after each commit would cost a fifth of all writes.
CHECKPOINT_PAGES = 4_000
# Under continuous writes the thread below never reaches the end of the log, and the log never starts over. At this size
# the writer itself moves the rest between two commits, while all writes wait for about 15 ms; at half the size, that
# would take one per cent of the time. 48,000 pages are 188 MiB.
MAX_LOG_PAGES = 48_000
# At this size another program has an old snapshot open: no part of the log is reused until that ends. The warning is
# repeated each time the log doubles in size.
WARNED_LOG_PAGES = 2 * MAX_LOG_PAGES
# The log is truncated after the first time without a write, and at the latest after the second, despite writes.
IDLE_SECONDS = 1.0
MAX_SECONDS = 60.0
# A reader prevents truncation. Writers wait during an attempt, so attempts are limited to one in this time.
RETRY_SECONDS = 2.0
BUSY_TIMEOUT_MS = 50


class Checkpointer:
    """Watches the log of `writer`, and fills the reserve after the first commit, and as the database grows.

    `close` it before the writer's connection.
    """

    def __init__(self, writer: apsw.Connection, path: str, reserve: Reserve) -> None:
        self._writer = writer
        self._path = path
        self._reserve = reserve
        self._space = LogSpace(writer, path)
        self._warn_at = WARNED_LOG_PAGES
        self._connection = connect_writer(path)
        self._connection.set_busy_timeout(BUSY_TIMEOUT_MS)
        self._wanted = threading.Event()
        self._closing = False
        # A checkpoint waits for a running one; if it were skipped instead, the log would grow.
        self._turn = threading.Lock()
        # In pages: the size of the log, and the part of it, from its start, that is in the database.
        self._pages = 0
        self._moved = 0
        # Whether the log has commits since the last truncation, and the latest time of the next one.
        self._is_filled = log_bytes(Path(path)) > 0
        self._committed_at = time.monotonic()
        self._deadline = self._committed_at + MAX_SECONDS
        self._thread = threading.Thread(target=self._run, name="amplifierd-checkpointer", daemon=True)
        self._thread.start()
        writer.set_wal_hook(self._after_commit)

    def close(self) -> None:
        """Stop, and truncate the log: another process that has the file open may never write, and never truncate it."""
        self._closing = True
        self._wanted.set()
        self._thread.join()
        if self._is_filled:
            self.truncate()
        self._connection.close()

    def check_space(self) -> None:
        """Raises `apsw.FullError` if the writer's open transaction makes the log too large (see log_space.py)."""
        self._space.check(self._pages)

    def _after_commit(self, writer: apsw.Connection, _database: str, pages: int) -> int:
        self._committed_at = time.monotonic()
        self._pages = pages
        if pages < self._moved:
            # The log has started over.
            self._moved = 0
            self._warn_at = WARNED_LOG_PAGES
        if pages >= self._warn_at:
            self._warn(pages)
        if pages >= MAX_LOG_PAGES:
            self._checkpoint(writer)
        elif pages >= self._moved + CHECKPOINT_PAGES or not self._is_filled:
            if not self._is_filled:
                self._deadline = self._committed_at + MAX_SECONDS
            self._is_filled = True
            self._wanted.set()
        return apsw.SQLITE_OK

    def _warn(self, pages: int) -> None:
        self._warn_at = 2 * pages
        logger.warning(
            "The write-ahead log %s-wal has grown to %d MiB, because a program reads the database in one long "
            "transaction. End that program, which `fuser %s` names, or its transaction: the log shrinks then.",
            self._path,
            log_bytes(Path(self._path)) // 1024**2,
            self._path,
        )

    def _run(self) -> None:
        while not self._closing:
            self._wanted.wait(self._wait_seconds())
            if self._pages >= self._moved + CHECKPOINT_PAGES:
                self._checkpoint(self._connection)
            if self._wait_seconds() == 0:
                self.truncate()
            if not self._closing:
                self._reserve.fill()
            # A checkpoint that was requested meanwhile is due when the log has grown again.
            self._wanted.clear()

    def _wait_seconds(self) -> float | None:
        """The time until the log is truncated; None if it is empty."""
        if not self._is_filled:
            return None
        return max(0.0, min(self._committed_at + IDLE_SECONDS, self._deadline) - time.monotonic())

    def truncate(self) -> None:
        """Move the whole log into the database, and truncate it, if readers allow that. Any thread may call it."""
        self._is_filled = False
        # The writer only waits for the last part of this.
        self._checkpoint(self._connection)
        if self._checkpoint(self._connection, "TRUNCATE"):
            self._pages = 0
        else:
            self._is_filled = True
            self._deadline = time.monotonic() + RETRY_SECONDS
            self._committed_at = self._deadline - IDLE_SECONDS

    def empty(self) -> None:
        """Make the log as small as readers allow, after a lack of space. Only the writer calls it."""
        try:
            cut_log(self._writer, self._path)
        except (apsw.Error, OSError) as error:
            logger.warning("The write-ahead log keeps the space of a rolled-back write: %s", error)
        self.truncate()

    def _checkpoint(self, connection: apsw.Connection, mode: str = "PASSIVE", *, in_reserve: bool = False) -> bool:
        """Run a checkpoint (https://www.sqlite.org/pragma.html#pragma_wal_checkpoint). False if others prevent it.

        On a full disk it gets the reserve: the database may have to grow before the log can shrink.
        """
        try:
            with self._turn:
                [(busy, _, moved)] = connection.execute(f"PRAGMA wal_checkpoint({mode})")
            if not busy:
                self._moved = moved
                return True
        except (apsw.BusyError, apsw.LockedError):
            logger.debug("Another checkpoint is running; the next commit will retry.")
        except Exception as error:  # noqa: BLE001  # what left the writer's hook would make the commit before it look failed
            if not in_reserve and is_out_of_space(error):
                with self._reserve.released():
                    return self._checkpoint(connection, mode, in_reserve=True)
            logger.warning("The write-ahead log could not be moved into the database: %s", error)
        return False
