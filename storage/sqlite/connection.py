"""Connections to the SQLite file, configured so that a commit is on disk when it returns."""

import ctypes
import logging
import random
import time
from contextlib import closing
from pathlib import Path

import apsw

from ..model.database_errors import DatabaseDamaged
from ..model.errors import StorageUnavailable
from .files.database_files import log_of
from .files.reserve import is_out_of_space

logger = logging.getLogger(__name__)

BUSY_TIMEOUT_MS = 5_000
# Interrupts are repeated at this interval, because the first may fall between two statements.
INTERRUPT_SECONDS = 0.02
# Less than half of the pause between two pieces of a large write (see operations/bulk/removal.py).
BUSY_RETRY_SECONDS = 0.002
# The limit, for all connections of the process together, of page caches that are kept for the next request.
KEPT_BYTES = 8 * 1024 * 1024
CLOSING_ATTEMPTS = 3
# https://www.sqlite.org/pragma.html#pragma_auto_vacuum
_INCREMENTAL = 2
CLOSING_SECONDS = 0.02

_UNAVAILABLE = (
    apsw.BusyError,
    apsw.LockedError,
    apsw.IOError,
    apsw.FullError,
    apsw.CantOpenError,
    apsw.ReadOnlyError,
    apsw.NoMemError,
    apsw.ProtocolError,
    # Reads are interrupted when the storage is closed.
    apsw.InterruptError,
    # apsw's error for a file that cannot be read, if a search begins with the FTS5 module.
    apsw.NoFTS5Error,
    OSError,
)

# Text that is not UTF-8 is damaged too.
_DAMAGED = (apsw.CorruptError, apsw.NotADBError, UnicodeDecodeError)
# The storage writes no invalid JSON. SQLite has no other sign of this than the text of its error.
_INVALID_JSON = "malformed JSON"


def connect_writer(path: str) -> apsw.Connection:
    """A connection for writes; it creates the file if it does not exist.

    `synchronous=FULL` syncs the log on every commit; NORMAL would lose acknowledged writes in a power failure.
    `secure_delete` overwrites deleted data with zeros, in pages that stay in use and in those that become free. A new
    file records the parent of each page, so that it can be made smaller while it is served.
    """
    connection = apsw.Connection(path)
    wait_for_locks(connection)
    if connection.pragma("auto_vacuum") != _INCREMENTAL:
        # If the file has this mode already, setting it would write the first page. With tables, setting has no effect.
        connection.pragma("auto_vacuum", "incremental")
    connection.pragma("secure_delete", True)
    connection.pragma("synchronous", "full")
    connection.pragma("foreign_keys", True)
    _keep_plans(connection)
    return connection


def wait_for_locks(connection: apsw.Connection) -> None:
    """Let a connection wait up to BUSY_TIMEOUT_MS for the lock of another writer."""
    connection.set_busy_handler(_BusyHandler())


class _BusyHandler:
    """Waits for the lock of another writer, with frequent attempts.

    SQLite's own time-out soon retries only every 100 ms: it can miss the pauses of a long write for seconds.
    """

    def __init__(self) -> None:
        self._deadline = 0.0

    def __call__(self, attempts: int) -> bool:
        """Wait, and return whether to retry, after this number of earlier attempts."""
        now = time.monotonic()
        if attempts == 0:
            self._deadline = now + BUSY_TIMEOUT_MS / 1_000
        time.sleep(BUSY_RETRY_SECONDS)
        return now < self._deadline


def switch_to_wal(connection: apsw.Connection) -> None:
    """Switch the file to a write-ahead log, permanently."""
    # Processes that create the file together conflict here, and SQLite's own time-out does not apply.
    deadline = time.monotonic() + BUSY_TIMEOUT_MS / 1_000
    while True:
        try:
            connection.pragma("journal_mode", "wal")
        except apsw.BusyError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.01)
        else:
            return


def remove_left_log(path: str) -> None:
    """Move the log into the file if it is left although no connection is open.

    The last connection to close does that (https://www.sqlite.org/wal.html#the_wal_file), but if two close at the same
    moment, each may assume that the other one stays open.
    """
    log = log_of(Path(path))
    for _ in range(CLOSING_ATTEMPTS):
        if not log.exists():
            return
        time.sleep(random.uniform(0, CLOSING_SECONDS))  # noqa: S311  # so that two processes do not collide again
        try:
            with closing(connect_reader(path)) as connection:
                connection.pragma("schema_version")
        except apsw.Error as error:
            logger.warning(
                "The write-ahead log of %s could not be removed; it is read when the file is opened again: %s",
                path,
                error,
            )
            return


class FileMoved(StorageUnavailable):
    """The file is no longer in its place: a write to it would be lost."""

    def __init__(self) -> None:
        super().__init__(
            "its file was moved, deleted or replaced; put it back, or restart the daemon. A restart loses a deleted "
            "file: copy it before, as the documentation of backups describes"
        )


def check_not_replaced(connection: apsw.Connection) -> None:
    """Raises `FileMoved` if the file was moved, deleted or replaced."""
    moved = ctypes.c_int()
    connection.file_control("main", apsw.SQLITE_FCNTL_HAS_MOVED, ctypes.addressof(moved))
    if moved.value:
        raise FileMoved


class WriteTransaction:
    """A transaction that has the write lock from its start: a transaction that reads first cannot wait for it later.

    It commits at the end of its `with`, rolls back if that ends with an error, and can be used again. apsw's own
    `with connection` would hold Python's global lock while it waits for SQLite's lock and for the disk.
    """

    def __init__(self, connection: apsw.Connection) -> None:
        self._connection = connection

    def __enter__(self) -> None:
        self._connection.execute("BEGIN IMMEDIATE")

    def __exit__(self, error: type[BaseException] | None, *_: object) -> None:
        if error is not None:
            self._undo()
            return
        try:
            self._connection.execute("COMMIT")
        except apsw.Error as failure:
            self._undo()
            _write_over_failed_commit(self._connection, failure)
            raise

    def _undo(self) -> None:
        # After some errors, such as a full disk, SQLite has rolled the transaction back already.
        if self._connection.in_transaction:
            self._connection.execute("ROLLBACK")


def _write_over_failed_commit(connection: apsw.Connection, failure: apsw.Error) -> None:
    """Prevent a recovery of the log from applying the commit that has just failed.

    If only the final sync failed, the whole commit is in the log. Readers of the log validate commits by chained
    checksums (https://www.sqlite.org/fileformat2.html#walformat). Another commit, of the first page alone, starts at
    the same place and breaks the chain to the remains of the failed one, even if its own sync fails as well.
    """
    try:
        write_nothing(connection)
    except apsw.Error as error:
        # A commit for which the disk has no space is not complete. apsw's stubs lack the attribute.
        if not is_out_of_space(failure) and getattr(error, "extendedresult", None) != apsw.SQLITE_IOERR_FSYNC:
            logger.warning("A failed commit may reappear if the machine crashes before the next write: %s", error)


def write_nothing(connection: apsw.Connection) -> None:
    """Write the first page unchanged."""
    connection.pragma("user_version", connection.pragma("user_version"))


def release_pages(connection: apsw.Connection, most: int) -> int:
    """Give up to `most` free pages back to the file system, within a transaction. Returns the number of those left."""
    connection.execute(f"PRAGMA incremental_vacuum({most})").fetchall()
    free_pages: int = connection.pragma("freelist_count")
    return free_pages


def connect_reader(path: str, *, busy_timeout_ms: int = BUSY_TIMEOUT_MS) -> apsw.Connection:
    """A connection for reads, to an existing file."""
    connection = apsw.Connection(path, flags=apsw.SQLITE_OPEN_READWRITE)
    connection.set_busy_timeout(busy_timeout_ms)
    connection.pragma("query_only", True)
    _keep_plans(connection)
    return connection


def _keep_plans(connection: apsw.Connection) -> None:
    # Otherwise a SQLite that is built with STAT4, as apsw's is, prepares a cached statement again whenever a bound
    # value changes, which is most of the cost of reading one row.
    connection.config(apsw.SQLITE_DBCONFIG_ENABLE_QPSG, 1)


def shrink(connection: apsw.Connection) -> None:
    """Release the page cache of a connection if the caches of all connections exceed KEPT_BYTES."""
    memory, _ = apsw.status(apsw.SQLITE_STATUS_MEMORY_USED)
    if memory > KEPT_BYTES:
        connection.release_memory()


def as_storage_error(error: Exception) -> Exception:
    """Convert SQLite's error: to `StorageUnavailable` for a lock or the disk, to `DatabaseDamaged` for a damaged file.

    Returns any other error unchanged.
    """
    if isinstance(error, _DAMAGED) or str(error) == _INVALID_JSON:
        return DatabaseDamaged(str(error))
    return StorageUnavailable(str(error)) if isinstance(error, _UNAVAILABLE) else error
