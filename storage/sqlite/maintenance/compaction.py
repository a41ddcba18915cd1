"""Shrinks a database file to the size of its content, and removes the remains of deleted text."""

import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TypeVar

import apsw

from ...model.database_errors import RebuildNeeded
from ...model.maintenance import Progress
from ..connection import WriteTransaction, connect_writer, release_pages, switch_to_wal, wait_for_locks
from ..files.database_files import in_use
from ..files.reserve import Reserve, is_out_of_space
from ..log_space import LogSpace, cut_log
from ..search.index_merge import IndexMerge

Result = TypeVar("Result")

# Daemons that write wait for one step, and can write during the pause after it.
STEP_SECONDS = 0.05
PAUSE = 2
SHORTEST_PAUSE_SECONDS = 0.01
FIRST_PAGES = 100
MAX_PAGES = 2_000
# On a full disk a step writes less than the smallest reserve to the log, which is moved after each step.
PAGES_ON_FULL_DISK = 32
LOG_PAGES_ON_FULL_DISK = 16
# A reader, or another program's checkpoint, may prevent the truncation of the log for a while.
LOG_ATTEMPTS = 20

# See https://www.sqlite.org/pragma.html#pragma_auto_vacuum
_INCREMENTAL = 2


def compact(path: Path, progress: Progress) -> None:
    """Make the file smaller in short steps; daemons may serve it meanwhile. On a full disk it gets the reserve.

    Raises `RebuildNeeded` if the file does not record the parents of its pages.
    """
    connection = connect_writer(str(path))
    try:
        if connection.pragma("auto_vacuum") != _INCREMENTAL:
            raise RebuildNeeded(path)
        try:
            _shrink(connection, progress)
        except apsw.Error as error:
            if not is_out_of_space(error):
                raise
            _shrink_on_full_disk(connection, progress, path)
    finally:
        connection.close()


def _shrink(connection: apsw.Connection, progress: Progress) -> None:
    _merge_index(connection)
    _free_pages(connection, progress)
    _empty_log(connection)


def _shrink_on_full_disk(connection: apsw.Connection, progress: Progress, path: Path) -> None:
    reserve = Reserve(path)
    try:
        with reserve.released():
            cut_log(connection, str(path))
            connection.wal_autocheckpoint(LOG_PAGES_ON_FULL_DISK)
            _empty_log(connection)
            # What is free already gives the merge its space.
            _free_pages(connection, progress, PAGES_ON_FULL_DISK)
            _empty_log(connection)
            _merge_index(connection)
            _free_pages(connection, progress, PAGES_ON_FULL_DISK)
            _empty_log(connection)
    finally:
        reserve.fill()


def rebuild(path: Path, progress: Progress) -> None:
    """Write the whole file again, which needs free space of twice its size.

    Raises `MaintenanceRefused` if a program has it open.
    """
    progress(0, 1)
    connection = connect_writer(str(path))
    try:
        connection.pragma("locking_mode", "exclusive")
        try:
            connection.pragma("journal_mode", "delete")
        except apsw.BusyError as error:
            raise in_use(path) from error
        _merge_index(connection)
        connection.execute("VACUUM")
        connection.pragma("locking_mode", "normal")
        switch_to_wal(connection)
    finally:
        connection.close()
    progress(1, 1)


def merge_index(connection: apsw.Connection) -> bool:
    """Remove deleted messages from the search index of a file that nobody else has open. False if there were none."""
    merge, steps = IndexMerge(), 0
    while merge.step(connection, resting=False):
        steps += 1
    return steps > 0


def _merge_index(connection: apsw.Connection) -> None:
    merge = IndexMerge()

    def step() -> bool:
        with WriteTransaction(connection):
            is_left = merge.step(connection, resting=False)
            LogSpace(connection, connection.db_filename("main")).check(0)
            return is_left

    while _timed(step)[0]:
        continue


def _free_pages(connection: apsw.Connection, progress: Progress, most: int = MAX_PAGES) -> None:
    """Move the last pages of the file, up to `most` in a step, to the places of free pages, until none is free."""
    total = free = connection.pragma("freelist_count")
    pages = min(FIRST_PAGES, most)
    while free:
        remaining, seconds = _timed(partial(_free_some, connection, pages))
        # There may be more than at the start, if others have deleted something meanwhile.
        progress(max(0, total - remaining), total)
        if remaining >= free:
            return
        free = remaining
        pages = min(2 * pages, most) if seconds < STEP_SECONDS / 2 else max(1, pages // 2)


def _free_some(connection: apsw.Connection, pages: int) -> int:
    with WriteTransaction(connection):
        return release_pages(connection, pages)


def _timed(step: Callable[[], Result]) -> tuple[Result, float]:
    """Run a step, and pause for other writers. Returns its result, and its duration in seconds without the pause."""
    began = time.monotonic()
    result = step()
    seconds = time.monotonic() - began
    time.sleep(max(SHORTEST_PAUSE_SECONDS, PAUSE * seconds))
    return result, seconds


def _empty_log(connection: apsw.Connection) -> None:
    connection.set_busy_timeout(0)
    try:
        for _ in range(LOG_ATTEMPTS):
            [(busy, _, _)] = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
            if not busy:
                return
            time.sleep(STEP_SECONDS)
    finally:
        wait_for_locks(connection)
