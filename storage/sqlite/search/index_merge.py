"""Removes the words of deleted messages from the search index.

FTS5 only marks a deleted row of a contentless table: its words stay in the index until their segment is merged. FTS5's
option 'secure-delete' has no effect on a table with `contentless_delete`, and on a table without it deleting a message
took about a hundred times as long as appending it
(https://www.sqlite.org/fts5.html#the_secure_delete_configuration_option). So the segments are merged into one, a few
pages at a time, between writes and before the storage is closed.
"""

import time

import apsw

# The size of one step: a write that arrives during a step waits for it.
PAGES_AT_ONCE = 16
# A merge reads the whole index, so the next one begins after a pause of REST times its duration.
REST = 10

# Rows of the index with this id or a higher one mark deleted rows (FTS5_TOMBSTONE_ROWID in FTS5's fts5_index.c).
FIRST_MARK = 1 << 53

HAS_MARKS = f"""
SELECT 1
FROM search_data
WHERE id >= {FIRST_MARK}
LIMIT 1
"""  # noqa: S608  # of the number above

# See https://www.sqlite.org/fts5.html#the_merge_command
MERGE = """
INSERT INTO search (search, rank)
VALUES ('merge', :pages)
"""

# A step without effect changes fewer rows.
_LEAST_CHANGES = 2


def merge_some(connection: apsw.Connection, pages: int = PAGES_AT_ONCE) -> bool:
    """Merge segments of about the same size, within a transaction. Returns whether there was anything to merge."""
    before = connection.total_changes()
    connection.execute(MERGE, {"pages": pages})
    return connection.total_changes() - before >= _LEAST_CHANGES


class IndexMerge:
    """Merges the segments of the search index until none of them has words of deleted messages."""

    def __init__(self) -> None:
        self._started_at: float | None = None
        self._rest_until = 0.0

    def step(self, connection: apsw.Connection, *, resting: bool = True) -> bool:
        """Merge some pages, within a transaction. Returns whether more is left to do now.

        With `resting` it does nothing during the pause after a merge.
        """
        now = time.monotonic()
        if resting and self._started_at is None and now < self._rest_until:
            return False
        if connection.execute(HAS_MARKS).fetchone() is None:
            self._end(now)
            return False
        return self._merge(connection, now)

    def _merge(self, connection: apsw.Connection, now: float) -> bool:
        # A negative number begins a merge of all segments, a positive one continues it.
        is_first = self._started_at is None
        if not merge_some(connection, -PAGES_AT_ONCE if is_first else PAGES_AT_ONCE):
            self._end(now)
            # A merge without segments would restart forever.
            return not is_first
        if is_first:
            self._started_at = now
        return True

    def _end(self, now: float) -> None:
        if self._started_at is not None:
            self._rest_until = now + REST * (now - self._started_at)
        self._started_at = None
