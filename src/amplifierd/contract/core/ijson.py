"""I-JSON (RFC 7493): JSON that every parser reads in the same way.

Refuses duplicate keys, lone surrogates, NaN and Infinity, numbers outside the range of a double, including integers
(section 2.2), bytes that are not UTF-8, and, against stack exhaustion, more than 100 levels; each error has the place.
More than 100,000 values are refused before they are decoded, because all other requests wait during the decoding.

Three more limits come from the strictest known parsers: 1,000 characters for a number and 50,000 for a member's name
(Jackson's `StreamReadConstraints`), and no NUL at the start of a name (PHP's `json_decode` to objects).
"""

import json
import math
import re
from collections.abc import Callable, Iterable
from typing import Any

import msgspec

from ...storage.values.json_text import MAX_VALUES, has_more_values, nesting_depth
from .executor import run_and_yield
from .problems import shorten

MAX_DEPTH = 100
MAX_NUMBER_CHARACTERS = 1_000
MAX_NAME_CHARACTERS = 50_000

_NUL = "\0"
# A string that begins with NUL, in the only spelling that JSON has for it.
_BEGINS_WITH_NUL = rb'"\u0000'
# A double reaches 1.8e308; an integer with fewer digits is within its range.
_MAX_INTEGER_DIGITS = 309
_MAX_SHOWN = 200
# Up to this size, the fastest check compares a body with its value encoded again, unless it has escapes.
_SHORT_BYTES = 4 * 1024

_plain_value = msgspec.json.Decoder().decode
_plain_text = msgspec.json.Encoder().encode

# For a text without escapes; an unterminated string extends to the end of the text, so that none is scanned twice.
_STRING_OR_BRACKET = re.compile(rb'"[^"]*(?:"|\Z)|[\[{\]}]')
_DIGITS = frozenset(b"0123456789")
_DIGITS_ALIKE = bytes(ord("0") if chr(byte) in "0123456789" else ord(" ") for byte in range(256))
_TOO_MANY_DIGITS = b"0" * _MAX_INTEGER_DIGITS


class NotIJson(ValueError):
    """The text is not I-JSON; the message says what is wrong, and where.

    `pointer` is the place as a JSON Pointer (RFC 6901), None if the text could not be parsed that far.
    """

    def __init__(self, reason: str, pointer: str | None = None) -> None:
        place = "" if pointer is None else f", at {shorten(pointer, _MAX_SHOWN) or 'the root'}"
        super().__init__(reason + place)
        self.reason = reason
        self.pointer = pointer


class TooManyValues(ValueError):
    """The text has more values than allowed."""


def decode(body: bytes, deepest: int = MAX_DEPTH, most_values: int = MAX_VALUES) -> tuple[Any, bytes]:
    """Decode `body`; return its value, and its text without spaces.

    Raises `NotIJson`, `TooManyValues`.
    """
    if len(body) > most_values and has_more_values(body, most_values):
        raise TooManyValues(f"more than {most_values} values")
    if len(body) > deepest and _has_more_openings(body, deepest) and nesting_depth(body) > deepest:
        raise NotIJson(f"it nests deeper than {deepest} levels at byte {_offset_of_level(body, deepest + 1)}")
    try:
        return _decode_strictly(body)
    except (_Refused, msgspec.DecodeError, ValueError, RecursionError):
        # The place is found below.
        return _decode_with_place(body), run_and_yield(_compact, body)


def is_surely_i_json(text: bytes, deepest: int = MAX_DEPTH, most_values: int = MAX_VALUES) -> bool:
    """Whether a text that msgspec's encoder wrote is I-JSON within the limits; if unsure, False.

    Such a text has no spaces, duplicate keys or lone surrogates; but an integer may be out of range, and a name may
    begin with NUL.
    """
    return (
        len(text) < MAX_NAME_CHARACTERS
        and not _has_more_openings(text, deepest)
        and (len(text) <= most_values or not has_more_values(text, most_values))
        and not _may_have_a_large_integer(text)
        and _BEGINS_WITH_NUL not in text
    )


def _decode_strictly(body: bytes) -> tuple[Any, bytes]:
    """The value of a body, and its text without spaces. Its errors lack the place of the fault."""
    if len(body) > _SHORT_BYTES or body.find(b"\\u") >= 0 or _may_have_a_large_integer(body):
        # The second refuses halves of surrogate pairs, the first everything else.
        return run_and_yield(_strict_value, body.decode()), run_and_yield(_compact, body)
    value = _plain_value(body)
    text = _plain_text(value)
    # A body that is encoded again unchanged has no duplicate key or anything else that is refused.
    if text == body:
        return value, text
    compact = _compact(body)
    return value if text == compact else run_and_yield(_strict_value, body.decode()), compact


def pointer_to(path: list[str]) -> str:
    """The JSON Pointer (RFC 6901) for a path of names and numbers."""
    return "".join("/" + step.replace("~", "~0").replace("/", "~1") for step in path)


def _compact(body: bytes) -> bytes:
    return msgspec.json.format(body, indent=-1)


def _has_more_openings(body: bytes, most: int) -> bool:
    """Whether more than `most` braces and brackets, one or more, open in a text, inside strings or outside."""
    # Most bodies are one object with texts: finding that there are no others is faster than counting them.
    if body.find(b"[") < 0 and body.find(b"{", 1) < 0:
        return False
    return body.count(b"[") + body.count(b"{") > most


def _may_have_a_large_integer(body: bytes) -> bool:
    # A run of _MAX_INTEGER_DIGITS digits includes one of these places, so that most texts need no full scan.
    places = body[_MAX_INTEGER_DIGITS - 1 :: _MAX_INTEGER_DIGITS]
    return not _DIGITS.isdisjoint(places) and _TOO_MANY_DIGITS in body.translate(_DIGITS_ALIKE)


def _with_escapes_as_text(body: bytes) -> bytes:
    """A text of the same length in which every quote begins or ends a string."""
    return body.replace(b"\\\\", b"__").replace(b'\\"', b"__")


class _Refused(Exception):
    """A part of a value is refused; `name` is the member that is at fault, if any."""

    def __init__(self, reason: str, name: str | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.name = name


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) != len(pairs):
        name = _first_double(pairs)
        raise _Refused(f"the key {json.dumps(shorten(name, _MAX_SHOWN))} occurs twice in one object", name)
    # Objects are many, and their names together are mostly short.
    names = "".join(value)
    if len(names) > MAX_NAME_CHARACTERS and (longest := max(map(len, value))) > MAX_NAME_CHARACTERS:
        raise _Refused(f"a key has {longest} characters; the limit is {MAX_NAME_CHARACTERS}")
    if _NUL in names:
        _refuse_nul_at_the_start(value)
    return value


def _refuse_nul_at_the_start(names: Iterable[str]) -> None:
    for name in names:
        if name.startswith(_NUL):
            raise _Refused(f"the key {json.dumps(shorten(name, _MAX_SHOWN))} begins with NUL", name)


def _integer(text: str) -> int:
    digits = len(text.removeprefix("-"))
    if digits > _MAX_INTEGER_DIGITS or (digits == _MAX_INTEGER_DIGITS and math.isinf(float(text))):
        raise _Refused(_exceeds_a_double(text))
    return int(text)


def _float(text: str) -> float:
    if len(text) > MAX_NUMBER_CHARACTERS:
        raise _Refused(f"a number has {len(text)} characters; the limit is {MAX_NUMBER_CHARACTERS}")
    value = float(text)
    if math.isinf(value):
        raise _Refused(_exceeds_a_double(text))
    return value


def _constant(name: str) -> Any:
    raise _Refused(f"{name} is not a JSON value")


Hook = Callable[[Any], Any]


def _decoder(adapted: Callable[[Hook], Hook]) -> json.JSONDecoder:
    return json.JSONDecoder(
        object_pairs_hook=adapted(_object),
        parse_int=adapted(_integer),
        parse_float=adapted(_float),
        parse_constant=adapted(_constant),
    )


_strict_value = _decoder(lambda hook: hook).decode


def _decode_with_place(body: bytes) -> Any:
    """The value of `body`. Raises `NotIJson` with the place of the fault."""
    try:
        text = body.decode()
    except UnicodeDecodeError as error:
        raise NotIJson(f"it is not UTF-8 at byte {error.start}") from None
    examination = _Examination()
    try:
        value = run_and_yield(examination.value_of, text)
    except json.JSONDecodeError as error:
        raise NotIJson(f"{error.msg} at line {error.lineno}, column {error.colno}") from None
    except RecursionError:
        # Quotes that do not open a string can hide brackets from the count.
        raise NotIJson("it nests too deeply") from None
    if examination.has_refused:
        _raise_refused(value)
    if "\\ud" in text or "\\uD" in text:
        _refuse_lone_surrogates(value)
    return value


def _offset_of_level(body: bytes, target: int) -> int:
    level = 0
    for match in _STRING_OR_BRACKET.finditer(_with_escapes_as_text(body)):
        level += {b"[": 1, b"{": 1, b"]": -1, b"}": -1}.get(match[0], 0)
        if level == target:
            return match.start()
    return len(body)


class _Examination:
    """Decodes a text; `has_refused` says whether anything in its value is a `_Refused`."""

    def __init__(self) -> None:
        self.has_refused = False
        self._decoder = _decoder(self._collecting)

    def value_of(self, text: str) -> Any:
        """The value of a text. Raises `json.JSONDecodeError`, `RecursionError`."""
        return self._decoder.decode(text)

    def _collecting(self, hook: Hook) -> Hook:
        """Wrap a hook so that it returns a refused part instead of raising, so that its place can be found."""

        def kept(part: Any) -> Any:
            # Only the first fault is reported; no number contains it.
            if self.has_refused and isinstance(part, str):
                return None
            try:
                return hook(part)
            except _Refused as refused:
                self.has_refused = True
                # There may be thousands, and each would keep its frames.
                return refused.with_traceback(None)

        return kept


def _exceeds_a_double(text: str) -> str:
    return f"the number {shorten(text, 40)} is out of the range of a double"


def _first_double(pairs: list[tuple[str, Any]]) -> str:
    seen: set[str] = set()
    for name, _ in pairs:
        if name in seen:
            break
        seen.add(name)
    return name


def _raise_refused(value: Any) -> None:
    path, refused = _find(value, lambda part: isinstance(part, _Refused))
    below = [] if refused.name is None else [refused.name]
    raise NotIJson(refused.reason, _readable(pointer_to(path + below)))


def _refuse_lone_surrogates(value: Any) -> None:
    try:
        run_and_yield(json.dumps, value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        path, text = _find(value, _has_lone_surrogate)
        [half, *_] = re.findall("[\ud800-\udfff]", text)
        reason = f"the escape \\u{ord(half):04x} is half of a surrogate pair"
        raise NotIJson(reason, _readable(pointer_to(path))) from None


def _has_lone_surrogate(part: Any) -> bool:
    if not isinstance(part, str):
        return False
    try:
        part.encode()
    except UnicodeEncodeError:
        return True
    return False


def _find(value: Any, is_wanted: Callable[[Any], bool]) -> tuple[list[str], Any]:
    """The path to the first refused part of a value, and the part; a member's name counts as part of its object."""
    found = _search(value, is_wanted)
    assert found is not None, "The value has such a part."
    return found


def _search(value: Any, is_wanted: Callable[[Any], bool]) -> tuple[list[str], Any] | None:
    if is_wanted(value):
        return [], value
    if not isinstance(value, dict | list):
        return None
    for step, part in value.items() if isinstance(value, dict) else enumerate(value):
        if is_wanted(step):
            return [], step
        if (found := _search(part, is_wanted)) is not None:
            return [str(step), *found[0]], found[1]
    return None


def _readable(pointer: str) -> str:
    """A pointer without halves of surrogate pairs, which no response can contain."""
    return pointer.encode("utf-8", "backslashreplace").decode()
