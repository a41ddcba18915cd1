"""The time as the storage writes it: RFC 3339, UTC, six digits, so that its texts sort by time."""

from datetime import UTC, datetime, timedelta


def now() -> str:
    """The time of this machine's clock."""
    return text_of(datetime.now(UTC))


def later_than(earlier: str) -> str:
    """The clock's time, or the next microsecond after `earlier` where the clock is not past it."""
    return max(now(), text_of(datetime.fromisoformat(earlier) + timedelta(microseconds=1)))


def text_of(moment: datetime) -> str:
    """`moment`, which is in UTC, as the storage writes it."""
    return moment.isoformat(timespec="microseconds").removesuffix("+00:00") + "Z"
