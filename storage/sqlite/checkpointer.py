"""Moves the write-ahead log into the database beside the writer, so that no commit waits for it, and bounds the log.

It also truncates the log: until then old pages stay in it, with text that has been deleted since.
"""

import logging
import threading
import time

import apsw

from .connection import connect_writer

logger = logging.getLogger(__name__)

# The log is moved in portions of this size. A page that is written repeatedly is then moved once, and one sync serves
# many pages: moving them after each commit would cost a fifth of all writes.
CHECKPOINT_PAGES = 4_000
# Under continuous writes the thread below never reaches the end of the log, and the log never starts over: at this size
# the writer itself moves the rest between two commits. All writes wait for that, some 15 ms: twice as often, it would
# take one per cent of the time. 48,000 pages are 188 MiB.
MAX_LOG_PAGES = 48_000
# At this size another program has an old snapshot open: no part of the log is reused until it ends. The warning is
# repeated each time the log doubles.
WARNED_LOG_PAGES = 2 * MAX_LOG_PAGES
_PAGE_BYTES = 4_096
# The log is truncated after this time without a write, and at the latest after this time with writes.
IDLE_SECONDS = 1.0
MAX_SECONDS = 60.0
# A reader prevents truncation. Writers wait during an attempt, so that attempts are not made all the time.
RETRY_SECONDS = 2.0
BUSY_TIMEOUT_MS = 50


class Checkpointer:
    """Watches the log of `writer`; `close` it before the writer's connection."""

    def __init__(self, writer: apsw.Connection, path: str) -> None:
        self._path = path
        self._warn_at = WARNED_LOG_PAGES
        self._connection = connect_writer(path)
        self._connection.set_busy_timeout(BUSY_TIMEOUT_MS)
        self._wanted = threading.Event()
        self._closing = False
        # Wait for a running checkpoint: the log would grow meanwhile.
        self._turn = threading.Lock()
        # The size of the log, and how much of it, from its start, is in the database, in pages.
        self._pages = 0
        self._moved = 0
        # Whether something was committed since the last truncation, and the latest time of the next one.
        self._is_filled = False
        self._committed_at = self._deadline = time.monotonic()
        self._thread = threading.Thread(target=self._run, name="amplifierd-checkpointer", daemon=True)
        self._thread.start()
        writer.set_wal_hook(self._committed)

    def close(self) -> None:
        """Stop, and truncate the log: another process that has the file open may never write, and so never do it."""
        self._closing = True
        self._wanted.set()
        self._thread.join()
        if self._is_filled:
            self._empty()
        self._connection.close()

    def _committed(self, writer: apsw.Connection, _database: str, pages: int) -> int:
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
            pages * _PAGE_BYTES // 1024**2,
            self._path,
        )

    def _run(self) -> None:
        while not self._closing:
            self._wanted.wait(self._wait_seconds())
            if self._pages >= self._moved + CHECKPOINT_PAGES:
                self._checkpoint(self._connection)
            if self._wait_seconds() == 0:
                self._empty()
            # A checkpoint requested meanwhile is due when the log has grown again.
            self._wanted.clear()

    def _wait_seconds(self) -> float | None:
        """The time until the log is truncated; None if it is empty."""
        if not self._is_filled:
            return None
        return max(0.0, min(self._committed_at + IDLE_SECONDS, self._deadline) - time.monotonic())

    def _empty(self) -> None:
        """Move the whole log into the database, and truncate it."""
        self._is_filled = False
        # The writer waits for the last part of this only.
        self._checkpoint(self._connection)
        if self._checkpoint(self._connection, "TRUNCATE"):
            self._pages = 0
        else:
            self._is_filled = True
            self._deadline = time.monotonic() + RETRY_SECONDS
            self._committed_at = self._deadline - IDLE_SECONDS

    def _checkpoint(self, connection: apsw.Connection, mode: str = "PASSIVE") -> bool:
        """Checkpoint (https://www.sqlite.org/pragma.html#pragma_wal_checkpoint); False if others prevent that."""
        try:
            with self._turn:
                [(busy, _, moved)] = connection.execute(f"PRAGMA wal_checkpoint({mode})")
            if not busy:
                self._moved = moved
                return True
        except (apsw.BusyError, apsw.LockedError):
            logger.debug("Another checkpoint is running; the next commit will retry.")
        except Exception as error:  # noqa: BLE001  # what left the writer's hook would make the commit before it look failed
            logger.warning("The write-ahead log could not be moved into the database: %s", error)
        return False
