"""Selects the messages of a session for a query. A page with a filter examines a bounded number of messages."""

from ..model.queries import MessageQuery
from ..sql.dialect import MessageTable
from ..sql.ports import Bindings, Reader
from ..sql.statements import message_lists

# The maximum number of messages that are examined for one page.
MAX_SCANNED = 10_000


def sequences(message_count: int, query: MessageQuery) -> tuple[int, int]:
    """The first and the last sequence of the messages that a query selects; no message if first > last.

    It is computed without a read, because sequences have no gaps. With a filter the range includes all candidates,
    without regard to the limit.
    """
    first = 1 if query.after_sequence is None else query.after_sequence + 1
    last = message_count if query.before_sequence is None else min(message_count, query.before_sequence - 1)
    if query.limit is None or query.is_filtered:
        return first, last
    if query.from_end:
        return max(first, last - query.limit + 1), last
    return first, min(last, first + query.limit - 1)


async def range_of_page(
    rows: Reader, table: MessageTable, query: MessageQuery, limit: int, key: Bindings, first: int, last: int
) -> tuple[int, int, str | None]:
    """The first and the last sequence of a page, within `first` to `last`, and the cursor of the next page.

    The page ends with the matching message that reaches `limit`, or with the last examined message.
    """
    bindings = key | {"role": query.role, "skipped": limit - 1}
    start, end = await _examined_range(rows, query, key, first, last)
    row = await rows.row(message_lists.last_of_page(table, query), bindings | {"first": start, "last": end})
    if query.from_end:
        start = start if row is None else row[0]
        return start, last, str(start) if start > first else None
    end = end if row is None else row[0]
    return first, end, str(end) if end < last else None


async def _examined_range(rows: Reader, query: MessageQuery, key: Bindings, first: int, last: int) -> tuple[int, int]:
    """The first and the last sequence to examine: at most MAX_SCANNED messages, or open calls, which have an index."""
    if not query.open_calls:
        return (
            (max(first, last - MAX_SCANNED + 1), last)
            if query.from_end
            else (first, min(last, first + MAX_SCANNED - 1))
        )
    bindings = key | {"first": first, "last": last, "skipped": MAX_SCANNED - 1}
    row = await rows.row(message_lists.open_call(from_end=query.from_end), bindings)
    if row is None:
        return first, last
    return (row[0], last) if query.from_end else (first, row[0])
