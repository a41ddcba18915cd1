"""Background work of the writer on the search index, in short steps between other writes."""

import time
from collections.abc import Callable

import apsw

from .index_merge import IndexMerge, merge_some
from .indexing import STEP_SECONDS, Indexer, Outcome

# Other writes run between two steps.
PAUSE_SECONDS = 0.002
# The pause while another thread splits a long message into words.
BLOCKED_SECONDS = 0.02
# Each step adds a segment to the index, and a search reads all segments.
STEPS_BEFORE_MERGE = 8
# A merge may take as many steps as the index has pages: messages are indexed between its steps.
MERGES_AT_ONCE = 32


class IndexWork:
    """Indexes messages, merges the segments of the index, and removes words of deleted messages from it.

    `written` returns the workspaces that were written to since the last call; `left` are others that may have messages
    to index.
    """

    def __init__(self, indexer: Indexer, written: Callable[[], set[str]], workspaces: set[str]) -> None:
        self._indexer = indexer
        self._written = written
        # In the order of indexing. Another thread adds workspaces, so the object is only changed in place.
        self._left = dict.fromkeys(sorted(workspaces))
        self._merge = IndexMerge()
        # An earlier program may have left unmerged segments.
        self._unmerged = STEPS_BEFORE_MERGE
        self._merged = 0

    def begin(self, workspace: str) -> None:
        """Index this workspace, even if another process wrote to it."""
        self._left.setdefault(workspace)

    def step(self, connection: apsw.Connection, *, resting: bool = True) -> float | None:
        """Do one step, within a transaction. Returns the seconds until the next step, None if nothing is left."""
        if self._unmerged >= STEPS_BEFORE_MERGE:
            if self._merged < MERGES_AT_ONCE and merge_some(connection):
                self._merged += 1
                return PAUSE_SECONDS
            self._unmerged = self._merged = 0
        delay = self._index(connection)
        if delay is not None:
            self._unmerged += 1
            return delay
        if merge_some(connection) or self._merge.step(connection, resting=resting):
            return PAUSE_SECONDS
        return None

    def _index(self, connection: apsw.Connection) -> float | None:
        self._left |= dict.fromkeys(self._written())
        until = time.thread_time() + STEP_SECONDS
        delay = None
        for workspace in [*self._left]:
            if time.thread_time() >= until:
                return PAUSE_SECONDS
            before = connection.total_changes()
            outcome = self._indexer.index_some(connection, workspace, until)
            if outcome is Outcome.BLOCKED:
                delay = BLOCKED_SECONDS
            elif outcome is Outcome.MORE or connection.total_changes() > before:
                # The next step checks that this one was committed; other workspaces come first.
                self._left[workspace] = self._left.pop(workspace)
                return PAUSE_SECONDS
            else:
                self._left.pop(workspace)
        return delay
