"""Moves the write-ahead log into the database beside the writer, so that no commit waits for it, and bounds the log."""

import logging
import threading

import apsw

from .connection import connect_writer

logger = logging.getLogger(__name__)

# So much of the log is moved at a time. A page that is written again and again is moved once then, and a sync serves it
# with many others: moved after each commit, pages would cost a fifth of all writes.
CHECKPOINT_PAGES = 4_000
# Under writes without a pause the thread below never reaches the log's end, and the log never starts over: then the
# writer itself does the rest between two commits. All writes wait for that, some 15 ms: twice as often, it would be a
# hundredth of all time. 48,000 pages are 188 MiB.
MOST_LOG_PAGES = 48_000


class Checkpointer:
    """Watches `writer`'s log; `close` it before the writer's connection."""

    def __init__(self, writer: apsw.Connection, path: str) -> None:
        self._connection = connect_writer(path)
        self._wanted = threading.Event()
        self._closing = False
        # Who is at it is waited for: the log would grow on meanwhile.
        self._turn = threading.Lock()
        # How much of the log, in pages from its start, is in the database.
        self._moved = 0
        self._thread = threading.Thread(target=self._run, name="amplifierd-checkpointer", daemon=True)
        self._thread.start()
        writer.set_wal_hook(self._committed)

    def close(self) -> None:
        """Stop; the last connection to close checkpoints what is left."""
        self._closing = True
        self._wanted.set()
        self._thread.join()
        self._connection.close()

    def _committed(self, writer: apsw.Connection, _database: str, pages: int) -> int:
        if pages < self._moved:
            # The log has begun anew.
            self._moved = 0
        if pages >= MOST_LOG_PAGES:
            self._checkpoint(writer)
        elif pages >= self._moved + CHECKPOINT_PAGES:
            self._wanted.set()
        return apsw.SQLITE_OK

    def _run(self) -> None:
        while not self._closing:
            self._wanted.wait()
            if not self._closing:
                self._checkpoint(self._connection)
            # What was wanted meanwhile is due when the log has grown again.
            self._wanted.clear()

    def _checkpoint(self, connection: apsw.Connection) -> None:
        try:
            with self._turn:
                [(busy, _, moved)] = connection.execute("PRAGMA wal_checkpoint(PASSIVE)")
            if not busy:
                self._moved = moved
        except (apsw.BusyError, apsw.LockedError):
            logger.debug("Another checkpoint is at it; the next commit asks again.")
        except Exception as error:  # noqa: BLE001  # what left the writer's hook would make the commit before it look failed
            logger.warning("The write-ahead log could not be moved into the database: %s", error)
