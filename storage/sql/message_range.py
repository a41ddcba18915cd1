"""Which messages of a transcript a query means; sequences have no gaps, so it is arithmetic."""

from ..model.records import MessageQuery


def sequences(message_count: int, query: MessageQuery) -> tuple[int, int]:
    """The first and the last sequence of the messages that a query means; none where first > last.

    With a filter they are those among which the messages are, and its limit is another matter.
    """
    first = 1 if query.after_sequence is None else query.after_sequence + 1
    last = message_count if query.before_sequence is None else min(message_count, query.before_sequence - 1)
    if query.limit is None or query.is_filtered:
        return first, last
    if query.from_end:
        return max(first, last - query.limit + 1), last
    return first, min(last, first + query.limit - 1)
