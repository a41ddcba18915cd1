"""I-JSON (RFC 7493): JSON that every reader reads alike.

Refused are duplicate keys, lone surrogates, NaN and Infinity, numbers past the range of a double that are not integers,
bytes that are not UTF-8, and, against stack exhaustion, more than 100 levels. Integers may have any size. More than
100,000 values are refused before they are taken apart: everybody else waits for that.
"""

import json
import math
import re
from typing import Any, NoReturn

import msgspec

from ..storage.extent import MOST_VALUES, has_more_values, levels_in

DEEPEST = 100

# Python refuses to turn longer texts into integers; for a bound in a schema, the first digits are as far off.
_MOST_DIGITS = 4_300

_plain_value = msgspec.json.Decoder().decode
_plain_text = msgspec.json.Encoder().encode

_SURROGATE_ESCAPE = re.compile(r"\\u[dD][89a-fA-F]")


class NotIJson(ValueError):
    """The text is not I-JSON; says what, and where as far as that is known."""


class TooManyValues(ValueError):
    """The text has more values than it may have."""


def decode(body: bytes, deepest: int = DEEPEST, most_values: int = MOST_VALUES) -> tuple[Any, bytes]:
    """The value of `body`, and its text without spaces; an integer of more than 4,300 digits is cut to its first ones.

    Raises `NotIJson`, `TooManyValues`.
    """
    # So few bytes and brackets are neither too many values nor too many levels.
    if len(body) <= most_values and body.count(b"[") + body.count(b"{") <= deepest:
        try:
            value, compact = _plain_value(body), msgspec.json.format(body, indent=-1)
        except (msgspec.DecodeError, UnicodeDecodeError):
            # What is wrong with it, and where, is found below.
            pass
        else:
            # What comes out again as it went in has no key twice, and nothing else that is refused. Most bodies do, and
            # this takes a third of the time.
            if _plain_text(value) == compact:
                return value, compact
    return _examined(body, deepest, most_values), msgspec.json.format(body, indent=-1)


def _examined(body: bytes, deepest: int, most_values: int) -> Any:
    """The value of `body`, or what is wrong with it, and where."""
    try:
        text = body.decode()
    except UnicodeDecodeError as error:
        raise NotIJson(f"it is not UTF-8 at byte {error.start}") from None
    if len(body) > most_values and has_more_values(body, most_values):
        raise TooManyValues(f"more than {most_values} values")
    try:
        value = _DECODER.decode(text)
    except json.JSONDecodeError as error:
        raise NotIJson(f"{error.msg} at line {error.lineno}, column {error.colno}") from None
    except RecursionError:
        raise NotIJson(f"it nests deeper than {deepest} levels") from None
    if text.count("[") + text.count("{") > deepest and levels_in(body) > deepest:
        raise NotIJson(f"it nests deeper than {deepest} levels")
    if _SURROGATE_ESCAPE.search(text):
        _refuse_lone_surrogates(value)
    return value


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) != len(pairs):
        raise NotIJson(f"the key {json.dumps(_first_double(pairs))[:200]} stands twice in one object")
    return value


def _first_double(pairs: list[tuple[str, Any]]) -> str:
    seen: set[str] = set()
    for name, _ in pairs:
        if name in seen:
            break
        seen.add(name)
    return name


def _integer(text: str) -> int:
    return int(text[:_MOST_DIGITS])


def _float(text: str) -> float:
    value = float(text)
    if math.isinf(value):
        raise NotIJson(f"the number {text[:40]} is out of the range of a double")
    return value


def _constant(name: str) -> NoReturn:
    raise NotIJson(f"{name} is no JSON value")


_DECODER = json.JSONDecoder(object_pairs_hook=_object, parse_int=_integer, parse_float=_float, parse_constant=_constant)


def _refuse_lone_surrogates(value: Any) -> None:
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError as error:
        raise NotIJson(f"the escape \\u{ord(error.object[error.start]):04x} is half of a surrogate pair") from None
