"""Times in the form that the storage writes: RFC 3339, UTC, six digits, so that texts sort by time."""

import re
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from threading import Lock

DAY_SECONDS = 24 * 3_600
FIRST_MOMENT = "0001-01-01T00:00:00.000000Z"
LAST_MOMENT = "9999-12-31T23:59:59.999999Z"
# A leap second, which no stored time has (see `is_clock_time`): it sorts after every stored time.
AFTER_LAST_MOMENT = "9999-12-31T23:59:60.000000Z"
# A time that its offset moves before the stored years, into the year 0: it sorts before every stored time.
BEFORE_FIRST_MOMENT = "0000-12-31T23:59:59.999999Z"

_DIGITS = 6
_MINUTE = len("2025-11-21T19:33")
_LEAP_SECOND = "60"
_STORED = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{6}Z")
_RFC_3339 = re.compile(
    r"(?P<date>[0-9]{4}-[0-9]{2}-[0-9]{2})[Tt](?P<minute>[0-9]{2}:[0-9]{2}):(?P<second>[0-9]{2})"
    r"(?:\.(?P<fraction>[0-9]+))?(?P<offset>[Zz]|[+-][0-9]{2}:[0-9]{2})"
)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
# If a clock is set back by more than this, it was far ahead by mistake: keeping the order of writes would date all
# later writes in the future for as long as the process runs.
_MAX_AHEAD = DAY_SECONDS * 1_000_000


class Clock:
    """Assigns times to writes, each later than all before. If `machine` goes back, it continues from its last time.

    If `machine` goes back by more than a day, the time goes back with it: it is never more than a day ahead of the
    machine's. `machine` returns nanoseconds since 1970, and may be set; `steady` returns nanoseconds since an
    arbitrary moment, and never goes back.
    """

    def __init__(
        self, machine: Callable[[], int] = time.time_ns, steady: Callable[[], int] = time.monotonic_ns
    ) -> None:
        self._machine = machine
        self._steady = steady
        # The largest lead of the machine's clock over the steady one so far.
        self._ahead = machine() // 1_000 - steady() // 1_000
        self._last = 0
        self._lock = Lock()

    def now(self) -> str:
        """The time: later than any that was returned, or caught up with, before."""
        with self._lock:
            # In this order, so that a pause between the two calls does not advance the time.
            machine = self._machine() // 1_000
            steady = self._steady() // 1_000
            self._ahead = max(self._ahead, machine - steady)
            if steady + self._ahead > machine + _MAX_AHEAD:
                self._ahead, self._last = machine - steady, 0
            self._last = max(self._last + 1, steady + self._ahead)
            return text_at(self._last)

    def catch_up(self, moment: str | None) -> None:
        """Continue from `moment`, a time that is already stored, if that is later; a damaged one is ignored."""
        if moment is None or not is_clock_time(moment):
            return
        with self._lock:
            self._last = max(self._last, microseconds_of(moment))
            self._ahead = max(self._ahead, self._last - self._steady() // 1_000)

    def machine_time(self) -> str:
        """The time by the machine's clock, which may be earlier than a stored time."""
        return text_at(self._machine() // 1_000)

    def horizon(self) -> str:
        """A day from now by the machine's clock: a later time was not assigned by a storage, but imported."""
        return text_at(self._machine() // 1_000 + _MAX_AHEAD)


def later_than(earlier: str, moment: str) -> str:
    """`moment`, or the next microsecond after `earlier` if `moment` is not later; `LAST_MOMENT` is the maximum."""
    if earlier >= LAST_MOMENT:
        return LAST_MOMENT
    return max(moment, text_of(datetime.fromisoformat(earlier) + _MICROSECOND))


def earlier_than(moment: str) -> str:
    """The microsecond before `moment`, a stored time; before the first one that is `BEFORE_FIRST_MOMENT`."""
    if moment <= FIRST_MOMENT:
        return BEFORE_FIRST_MOMENT
    return text_of(datetime.fromisoformat(moment) - _MICROSECOND)


def after(moment: str, seconds: float) -> str:
    """The time `seconds` after `moment`, or before it if negative."""
    return text_of(datetime.fromisoformat(moment) + timedelta(seconds=seconds))


def text_of(moment: datetime) -> str:
    """`moment`, which is in UTC, in the form that the storage writes."""
    return moment.isoformat(timespec="microseconds").removesuffix("+00:00") + "Z"


def text_at(microseconds: int) -> str:
    """The time at a number of microseconds since 1970."""
    seconds, fraction = divmod(microseconds, 1_000_000)
    return f"{_second_at(seconds)}.{fraction:06}Z"


@lru_cache(maxsize=16)
def _second_at(seconds: int) -> str:
    return text_of(_EPOCH + timedelta(seconds=seconds)).partition(".")[0]


def microseconds_of(moment: str) -> int:
    """The number of microseconds from the start of 1970 to `moment`. Raises ValueError unless it `is_clock_time`."""
    return (datetime.fromisoformat(moment) - _EPOCH) // _MICROSECOND


def is_clock_time(moment: str) -> bool:
    """Whether `moment` is a time that a clock shows: second 60 and the year 0 are not."""
    try:
        datetime.fromisoformat(moment)
    except ValueError:
        return False
    return True


def is_rfc_3339(text: str) -> bool:
    """Whether `text` is a time by RFC 3339 in the years from 1 to 9999; any minute may have a leap second."""
    parts = _RFC_3339.fullmatch(text)
    if parts is None or parts["second"] > _LEAP_SECOND:
        return False
    return is_clock_time(f"{parts['date']}T{parts['minute']}{parts['offset'].upper()}")


def is_stored_form(text: str) -> bool:
    """Whether `text` is a time in the form that the storage writes."""
    return _STORED.fullmatch(text) is not None and is_clock_time(text)


def nearest_stored(moment: str) -> str:
    """A time by RFC 3339 as the storage writes it: a leap second is the last microsecond before it ends.

    A time outside of the years 1 to 9999 in UTC becomes the first or the last moment of this range.
    """
    moment = in_utc(moment)
    if moment[_MINUTE:].startswith(":60"):
        moment = f"{moment[:_MINUTE]}:59.999999Z"
    return min(max(moment, FIRST_MOMENT), LAST_MOMENT)


def in_utc(moment: str) -> str:
    """A time by RFC 3339, which the contract has validated, in the form that the storage writes, cut to six digits.

    Times that the offset moves out of the years 1 to 9999 become `BEFORE_FIRST_MOMENT` or `AFTER_LAST_MOMENT`.
    """
    if _STORED.fullmatch(moment):
        return moment
    parts = _RFC_3339.fullmatch(moment)
    assert parts is not None, "The contract takes RFC 3339 alone."
    date, minute, second, fraction, offset = parts.groups(default="")
    if offset in "Zz":
        whole = f"{date}T{minute}"
    elif date < FIRST_MOMENT:
        return BEFORE_FIRST_MOMENT
    else:
        try:
            whole = text_of(datetime.fromisoformat(f"{date}T{minute}{offset}").astimezone(UTC))[:_MINUTE]
        except OverflowError:
            return BEFORE_FIRST_MOMENT if date.startswith("0001") else AFTER_LAST_MOMENT
    return f"{whole}:{second}.{fraction[:_DIGITS]:0<{_DIGITS}}Z"
