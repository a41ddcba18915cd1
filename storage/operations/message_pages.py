"""Pages of the messages of one role: each looks at a bounded number of messages."""

from ..model.records import MessageQuery
from ..sql.ports import Bindings, Reader
from ..sql.statements import message_lists

# As many messages are looked at for one page.
MAX_SCANNED = 10_000


async def range_of_page(
    rows: Reader, query: MessageQuery, key: Bindings, first: int, last: int
) -> tuple[int, int, str | None]:
    """The first and the last sequence that a page is in, of those from `first` to `last`; where the next begins.

    It has as many messages of the role as its limit says, or as there are among those that were looked at.
    """
    if query.from_end:
        start = max(first, last - MAX_SCANNED + 1)
        start = await _last_of_page(rows, query, key, start, last) or start
        return start, last, str(start) if start > first else None
    end = min(last, first + MAX_SCANNED - 1)
    end = await _last_of_page(rows, query, key, first, end) or end
    return first, end, str(end) if end < last else None


async def _last_of_page(rows: Reader, query: MessageQuery, key: Bindings, first: int, last: int) -> int | None:
    assert query.limit is not None
    bindings = key | {"role": query.role, "first": first, "last": last, "skipped": query.limit - 1}
    row = await rows.row(message_lists.last_of_page(from_end=query.from_end), bindings)
    return None if row is None else row[0]
