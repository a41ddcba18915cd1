"""JSON texts: the number of values and the depth, without parsing; the largest integer that is read exactly."""

from array import array
from itertools import accumulate

from msgspec import Raw, Struct, UnsetType
from msgspec.structs import astuple

# The largest integer that every JSON parser reads exactly (RFC 7493, section 2.2); sums are capped at it.
MAX_SAFE_INTEGER = 2**53 - 1

# Decoding this number of values takes tens of milliseconds, during which all other requests wait.
MAX_VALUES = 100_000

# Most fields of most records.
_WITHOUT_TEXT = frozenset({int, bool, type(None), UnsetType})

_STEPS = bytes.maketrans(b"[{]}", b"\x01\x01\xff\xff")
_NO_BRACKETS = bytes(set(range(256)) - set(b"[{]}"))


def raw_text(value: Raw) -> str:
    """The text of a value, as the database stores it."""
    return bytes(value).decode()


def text_size(value: object) -> int:
    """The approximate size in bytes of the texts in a record, or in a list of records."""
    if isinstance(value, (str, bytes)):
        return len(value)
    if isinstance(value, Raw):
        # A view: its bytes would be a copy.
        return memoryview(value).nbytes
    if isinstance(value, Struct):
        # Most texts are fields: counting them here saves a call for each.
        return sum(
            [
                len(field) if type(field) is str else text_size(field)
                for field in astuple(value)
                if type(field) not in _WITHOUT_TEXT
            ]
        )
    return sum(map(text_size, value)) if isinstance(value, (list, tuple)) else 0


def has_more_values(text: bytes, most: int) -> bool:
    """Whether a text has more than `most` values: itself, and each element and member at every level."""
    # Each value but the outermost comes after a comma or an opening bracket.
    if text.count(b",") + _openings(text) < most:
        return False
    plain = _without_escapes(text)
    # A value has at most a name, and is at most a string: four quotes.
    if plain.count(b'"') > 4 * most:
        return True
    outside = _outside_strings(plain).translate(None, b" \t\r\n")
    # The first in a container comes after its bracket, each other after a comma.
    return 1 + outside.count(b",") + _openings(outside) - outside.count(b"[]") - outside.count(b"{}") > most


def nesting_depth(text: bytes) -> int:
    """The depth to which the arrays and objects of a text are nested."""
    brackets = _outside_strings(_without_escapes(text)).translate(_STEPS, _NO_BRACKETS)
    return max(accumulate(array("b", brackets)), default=0)


def _openings(text: bytes) -> int:
    return text.count(b"[") + text.count(b"{")


def _without_escapes(text: bytes) -> bytes:
    return text.replace(b"\\\\", b"").replace(b'\\"', b"")


def _outside_strings(plain: bytes) -> bytes:
    # A string becomes a zero, so that an array of one is not empty.
    return b"0".join(plain.split(b'"')[::2])
