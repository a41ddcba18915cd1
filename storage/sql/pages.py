"""Pages of lists: their sizes, and positions in lists as opaque texts.

A page has at most a number of records, and of bytes, because clients choose the sizes of records.

A position in the list of sessions is a text of 32 characters (base64url, RFC 4648): eight bytes of microseconds since
1970, negative for earlier times, and the sixteen bytes of the session's id. Any such text is a valid position, so that
a client that invents one gets a page and no error.
"""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Sequence
from uuid import UUID

from ..values.clock import FIRST_MOMENT, LAST_MOMENT, microseconds_of, text_at
from .dialect import Dialect
from .ports import Bindings, Reader

# The limit of the records of a page, in bytes of JSON.
PAGE_BYTES = 4 * 1024 * 1024
# The limit of the ancestors of a session, and of its children.
MAX_RELATIVES = 1_000
# The ancestors, or children, end with the record that reaches this number of bytes of JSON.
RELATIVES_BYTES = 1024 * 1024

_FIRST_MICROSECOND = microseconds_of(FIRST_MOMENT)
_LAST_MICROSECOND = microseconds_of(LAST_MOMENT)
# The form of a position by time.
_LENGTH = 32


async def first_records(
    rows: Reader, dialect: Dialect, statement: str, bindings: Bindings, most_bytes: int
) -> list[bytes]:
    """The first records that a statement lists, until they reach `most_bytes`; at least one, if there is one."""
    found = await rows.block(dialect.until_bytes.format(statement), bindings, most_bytes)
    return [record for (record,) in found]


def page_of(records: Sequence[bytes], limit: int) -> tuple[list[bytes], bool]:
    """The first records that fit in a page, and whether others may follow.

    There is at least one, if there is any: others may follow one that is larger than a page, even if none is known.
    """
    size = 0
    for count, record in enumerate(records[:limit]):
        size += len(record)
        if size > PAGE_BYTES:
            return [*records[: max(count, 1)]], True
    return [*records[:limit]], len(records) > limit


def encode(updated_at: str, session_id: str) -> str:
    """The position of a session in a list by update time."""
    microseconds = microseconds_of(updated_at).to_bytes(8, "big", signed=True)
    return urlsafe_b64encode(microseconds + bytes.fromhex(session_id.replace("-", ""))).decode()


def decode(cursor: str) -> tuple[str, str]:
    """The `updated_at` and the id of a position; a time outside the years 1 to 9999 is the first or the last moment."""
    position = urlsafe_b64decode(cursor[:_LENGTH])
    microseconds = int.from_bytes(position[:8], "big", signed=True)
    return text_at(max(_FIRST_MICROSECOND, min(microseconds, _LAST_MICROSECOND))), str(UUID(bytes=position[8:]))


def encode_session_name(name: str, session_id: str) -> str:
    """The position of a session in a list by names."""
    return urlsafe_b64encode(bytes(8) + bytes.fromhex(session_id.replace("-", "")) + name.encode()).decode().rstrip("=")


def decode_session_name(cursor: str) -> tuple[str, str]:
    """The name and the id of a position; any text of 32 or more characters of the alphabet is valid."""
    position = _decode(cursor)
    return position[24:].decode(errors="replace"), str(UUID(bytes=position[8:24]))


def encode_name(name: str) -> str:
    """The position after a name in a list by names, as a text in the same alphabet."""
    return urlsafe_b64encode(name.encode()).decode().rstrip("=")


def decode_name(cursor: str) -> str:
    """The name of a position; any text in the alphabet is valid."""
    return _decode(cursor).decode(errors="replace")


def _decode(cursor: str) -> bytes:
    # One character after the last group of four encodes no byte.
    whole = cursor[:-1] if len(cursor) % 4 == 1 else cursor
    return urlsafe_b64decode(whole + "=" * (-len(whole) % 4))
