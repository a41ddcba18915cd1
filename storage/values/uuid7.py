"""Ids of sessions: UUIDs of version 7 (RFC 9562, section 5.7) that sort in the order of creation.

The twelve bits after the milliseconds hold the microseconds (section 6.2, method 3): the order of ids is the order of
creation, to the last digit of `created_at`. Times before 1970 count as its first moment.
"""

import os
from collections.abc import Callable

from .clock import microseconds_of

# An id as it is stored: in lower case, because case has no meaning (RFC 9562, section 4).
canonical_id: Callable[[str], str] = str.lower


def new_session_id(created_at: str) -> str:
    """A new id for a session of that time."""
    return derived_session_id(created_at, int.from_bytes(os.urandom(8)))


def derived_session_id(created_at: str, number: int) -> str:
    """The id for a session of that time whose last 62 bits are those of `number`."""
    milliseconds, microseconds = divmod(max(0, microseconds_of(created_at)), 1_000)
    time = milliseconds << 16 | 7 << 12 | microseconds * 4_096 // 1_000
    digits = f"{time:016x}{2 << 62 | number & (1 << 62) - 1:016x}"
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"
