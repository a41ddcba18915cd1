"""The time as the storage writes it: RFC 3339, UTC, six digits, so that its texts sort by time."""

from datetime import UTC, datetime, timedelta

DAY_SECONDS = 24 * 3_600

_DIGITS = 6


def now() -> str:
    """The time of this machine's clock."""
    return text_of(datetime.now(UTC))


def later_than(earlier: str, moment: str) -> str:
    """`moment`, or the next microsecond after `earlier` where it is not past that."""
    return max(moment, text_of(datetime.fromisoformat(earlier) + timedelta(microseconds=1)))


def after(moment: str, seconds: float) -> str:
    """The time so many seconds after `moment`, or before it where they are negative."""
    return text_of(datetime.fromisoformat(moment) + timedelta(seconds=seconds))


def text_of(moment: datetime) -> str:
    """`moment`, which is in UTC, as the storage writes it."""
    return moment.isoformat(timespec="microseconds").removesuffix("+00:00") + "Z"


def completed(moment: str) -> str:
    """A time in UTC of fewer digits as the storage writes it: `2025-11-21T19:33:19.5Z`, or without a fraction."""
    whole, _, fraction = moment.removesuffix("Z").partition(".")
    return f"{whole}.{fraction:0<{_DIGITS}}Z"
