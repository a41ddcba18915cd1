"""Which messages of a transcript a request means; sequences have no gaps, so it is arithmetic."""


def sequences(
    message_count: int, limit: int | None, after_sequence: int | None, before_sequence: int | None
) -> tuple[int, int]:
    """The first and the last sequence of the messages that `Storage.list_messages` means; none where first > last."""
    first = 1 if after_sequence is None else after_sequence + 1
    last = message_count if before_sequence is None else min(message_count, before_sequence - 1)
    if limit is None:
        return first, last
    if before_sequence is None:
        return first, min(last, first + limit - 1)
    return max(first, last - limit + 1), last
