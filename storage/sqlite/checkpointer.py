"""Moves the write-ahead log into the database beside the writer, so that no commit waits for it, and bounds the log.

It also empties the log: an old page stays in it until then, with what was deleted since.
"""

import logging
import threading
import time

import apsw

from .connection import connect_writer

logger = logging.getLogger(__name__)

# So much of the log is moved at a time. A page that is written again and again is moved once then, and a sync serves it
# with many others: moved after each commit, pages would cost a fifth of all writes.
CHECKPOINT_PAGES = 4_000
# Under writes without a pause the thread below never reaches the log's end, and the log never starts over: then the
# writer itself does the rest between two commits. All writes wait for that, some 15 ms: twice as often, it would be a
# hundredth of all time. 48,000 pages are 188 MiB.
MAX_LOG_PAGES = 48_000
# Past so many a program reads on from a moment long ago: nothing in the log is used again before it ends. Each time
# that the log has twice as many pages the warning is repeated.
WARNED_LOG_PAGES = 2 * MAX_LOG_PAGES
_PAGE_BYTES = 4_096
# The log is emptied after so long without a write, and at the latest after so long with writes.
IDLE_SECONDS = 1.0
MAX_SECONDS = 60.0
# A reader keeps the log as it is. Writers wait as long as that is looked for, and so it is not looked for all the time.
RETRY_SECONDS = 2.0
BUSY_TIMEOUT_MS = 50


class Checkpointer:
    """Watches `writer`'s log; `close` it before the writer's connection."""

    def __init__(self, writer: apsw.Connection, path: str) -> None:
        self._path = path
        self._warn_at = WARNED_LOG_PAGES
        self._connection = connect_writer(path)
        self._connection.set_busy_timeout(BUSY_TIMEOUT_MS)
        self._wanted = threading.Event()
        self._closing = False
        # Who is at it is waited for: the log would grow on meanwhile.
        self._turn = threading.Lock()
        # How long the log is, and how much of it, from its start, is in the database, in pages.
        self._pages = 0
        self._moved = 0
        # Whether something was committed since the log was last emptied, and when it is emptied at the latest.
        self._is_filled = False
        self._committed_at = self._deadline = time.monotonic()
        self._thread = threading.Thread(target=self._run, name="amplifierd-checkpointer", daemon=True)
        self._thread.start()
        writer.set_wal_hook(self._committed)

    def close(self) -> None:
        """Stop, and empty the log: others may have the file open, and write nothing that would make them do it."""
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
            # The log has begun anew.
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
            # What was wanted meanwhile is due when the log has grown again.
            self._wanted.clear()

    def _wait_seconds(self) -> float | None:
        """How long it is until the log is emptied; None if there is nothing in it."""
        if not self._is_filled:
            return None
        return max(0.0, min(self._committed_at + IDLE_SECONDS, self._deadline) - time.monotonic())

    def _empty(self) -> None:
        """Move all of the log into the database, and cut it off."""
        self._is_filled = False
        # Of this the writer waits for the last part alone.
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
            logger.debug("Another checkpoint is at it; the next commit asks again.")
        except Exception as error:  # noqa: BLE001  # what left the writer's hook would make the commit before it look failed
            logger.warning("The write-ahead log could not be moved into the database: %s", error)
        return False
