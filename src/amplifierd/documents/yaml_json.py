"""YAML (https://yaml.org/spec/1.2.2/) as JSON text, by the core schema (section 10.3): `on` is a string, `010` is ten.

Numbers keep their digits. It reads the parser's events, so that aliases or depth cannot create huge values.
"""

import math
import re
from collections.abc import Callable, Iterator
from typing import Any

import msgspec
import yaml

from ..contract import DecodedBody, DecodeError, LineTree

# The same depth as for JSON.
MAX_DEPTH = 100
MAX_CHARACTERS = 512 * 1024
# The limit for the text itself, for the characters to which aliases expand, and for the resulting JSON.
MAX_VALUES = 100_000

_TAG = "tag:yaml.org,2002:"
_NULL = re.compile(r"null|Null|NULL|~|")
_BOOLEAN = re.compile(r"true|True|TRUE|false|False|FALSE")
_OTHER_BASE = re.compile(r"0o[0-7]{1,64}|0x[0-9a-fA-F]{1,64}")
_NUMBER = re.compile(
    # No digit may be part of two groups: backtracking over both would take cubic time.
    r"(?P<sign>[-+]?)(?=\.?[0-9])0*(?P<whole>(?:[1-9][0-9]*)?)(?:(?P<point>\.)(?P<fraction>[0-9]*))?"
    r"(?P<exponent>[eE][-+]?[0-9]+)?"
)
_NO_NUMBER = re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")

_encode = msgspec.json.Encoder().encode


Path = tuple[str, ...]


def json_of(text: str, first_line: int, is_text: Callable[[Path], bool]) -> DecodedBody:
    """Convert a YAML document that begins at `first_line` of its file to JSON.

    Plain words are always strings at the paths of names and numbers for which `is_text` is true.

    Raises `DecodeError`.
    """
    if len(text) > MAX_CHARACTERS:
        raise DecodeError(first_line, f"the YAML has more than {MAX_CHARACTERS} characters")
    reader = _Reader(first_line, is_text)
    try:
        value = reader.read(text)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = first_line + (0 if mark is None else mark.line)
        raise DecodeError(line, f"invalid YAML: {error.problem}") from None
    except yaml.reader.ReaderError as error:
        line = first_line + text.encode()[: error.position].count(b"\n")
        raise DecodeError(line, f"invalid YAML: {error.reason}") from None
    return DecodedBody(value.encode(), reader.lines)


class _Reader:
    """Reads a document; `lines` has the line of each place."""

    def __init__(self, first_line: int, is_text: Callable[[Path], bool]) -> None:
        self.lines = LineTree(first_line)
        self._first_line = first_line
        self._is_text = is_text
        self._events: Iterator[Any] = iter(())
        self._anchors: dict[str, str] = {}
        self._copied = 0
        self._values = 0

    def read(self, text: str) -> str:
        loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
        self._events = yaml.parse(text, Loader=loader)
        ignored = yaml.StreamStartEvent | yaml.DocumentStartEvent
        event = next(event for event in self._events if not isinstance(event, ignored))
        if isinstance(event, yaml.StreamEndEvent):
            return "null"
        value = self._value(event, (), self.lines)
        for after in self._events:
            if isinstance(after, yaml.DocumentStartEvent):
                raise DecodeError(self._line(after), "a second document begins")
        return value

    def _value(self, event: Any, path: Path, lines: LineTree) -> str:
        lines.line = self._line(event)
        self._values += 1
        if self._values > MAX_VALUES:
            raise DecodeError(self._line(event), f"it has more than {MAX_VALUES} values")
        if len(path) > MAX_DEPTH:
            raise DecodeError(self._line(event), f"it nests deeper than {MAX_DEPTH} levels")
        match event:
            case yaml.AliasEvent():
                return self._alias(event)
            case yaml.ScalarEvent():
                value = self._scalar(event, path)
            case yaml.MappingStartEvent():
                value = self._mapping(event, path, lines)
            case _:
                value = self._sequence(event, path, lines)
        if event.anchor is not None:
            self._anchors[event.anchor] = value
        return value

    def _mapping(self, start: Any, path: Path, lines: LineTree) -> str:
        self._check_tag(start, "map")
        members: dict[str, str] = {}
        while not isinstance(event := next(self._events), yaml.MappingEndEvent):
            if not isinstance(event, yaml.ScalarEvent):
                raise DecodeError(self._line(event), "a key must be a string")
            name = event.value
            if name in members:
                raise DecodeError(self._line(event), f"the key {name[:200]!r} occurs twice")
            lines.below[name] = below = LineTree(self._line(event))
            members[name] = self._value(next(self._events), (*path, name), below)
            below.line = self._line(event)
        return "{" + ",".join(f"{self._text(name, start)}:{value}" for name, value in members.items()) + "}"

    def _sequence(self, start: Any, path: Path, lines: LineTree) -> str:
        self._check_tag(start, "seq")
        items: list[str] = []
        while not isinstance(event := next(self._events), yaml.SequenceEndEvent):
            number = str(len(items))
            lines.below[number] = below = LineTree(self._line(event))
            items.append(self._value(event, (*path, number), below))
        return "[" + ",".join(items) + "]"

    def _alias(self, event: Any) -> str:
        value = self._anchors.get(event.anchor)
        if value is None:
            raise DecodeError(self._line(event), f"*{event.anchor} refers to no complete earlier value")
        self._copied += len(value)
        if self._copied > MAX_CHARACTERS:
            raise DecodeError(self._line(event), f"aliases expand to more than {MAX_CHARACTERS} characters")
        return value

    def _scalar(self, event: Any, path: Path) -> str:
        plain = event.style in (None, "") and event.tag is None
        if event.tag is not None and event.tag not in ("!", f"{_TAG}str"):
            plain = event.tag in {f"{_TAG}{name}" for name in ("null", "bool", "int", "float")}
            if not plain:
                raise DecodeError(self._line(event), f"the tag {event.tag!r} is not supported")
        if plain and not self._is_text(path):
            return self._plain(event)
        return self._text(event.value, event)

    def _plain(self, event: Any) -> str:
        text: str = event.value
        if _NULL.fullmatch(text):
            return "null"
        if _BOOLEAN.fullmatch(text):
            return text.lower()
        if _NO_NUMBER.fullmatch(text):
            raise DecodeError(self._line(event), f"JSON has no {text}")
        if _OTHER_BASE.fullmatch(text):
            return str(int(text, 0))
        number = _NUMBER.fullmatch(text)
        if number is None:
            return self._text(text, event)
        if (number["point"] or number["exponent"]) and math.isinf(float(text)):
            raise DecodeError(self._line(event), f"the number {text[:40]} is out of the range of a double")
        return _json_number(number)

    def _check_tag(self, event: Any, name: str) -> None:
        if event.tag not in (None, "!", f"{_TAG}{name}"):
            raise DecodeError(self._line(event), f"the tag {event.tag!r} is not supported")

    def _text(self, text: str, event: Any) -> str:
        try:
            return _encode(text).decode()
        except UnicodeEncodeError:
            raise DecodeError(self._line(event), "half of a surrogate pair is not a character") from None

    def _line(self, event: Any) -> int:
        line: int = event.start_mark.line
        return self._first_line + line


def _json_number(number: re.Match[str]) -> str:
    sign = "-" if number["sign"] == "-" else ""
    fraction = f".{number['fraction'] or '0'}" if number["point"] else ""
    return f"{sign}{number['whole'] or '0'}{fraction}{number['exponent'] or ''}"
