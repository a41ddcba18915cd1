"""Moves the write-ahead log into the database beside the writer, so that no commit waits for it, and bounds the log."""

import logging
import threading

import apsw

from .connection import connect_writer

logger = logging.getLogger(__name__)

CHECKPOINT_PAGES = 1_000
# Under writes without a pause the thread below never reaches the log's end, and the log never starts over: then the
# writer itself does the rest between two commits. 16,000 pages are 64 MiB.
MOST_LOG_PAGES = 16_000


class Checkpointer:
    """Watches `writer`'s log; `close` it before the writer's connection."""

    def __init__(self, writer: apsw.Connection, path: str) -> None:
        self._connection = connect_writer(path)
        self._wanted = threading.Event()
        self._closing = False
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
        if pages >= MOST_LOG_PAGES:
            _checkpoint(writer)
        elif pages >= CHECKPOINT_PAGES:
            self._wanted.set()
        return apsw.SQLITE_OK

    def _run(self) -> None:
        while True:
            self._wanted.wait()
            if self._closing:
                return
            self._wanted.clear()
            _checkpoint(self._connection)


def _checkpoint(connection: apsw.Connection) -> None:
    try:
        connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()
    except (apsw.BusyError, apsw.LockedError):
        logger.debug("Another checkpoint is at it; the next commit asks again.")
    except Exception as error:  # noqa: BLE001  # what left the writer's hook would make the commit before it look failed
        logger.warning("The write-ahead log could not be moved into the database: %s", error)
