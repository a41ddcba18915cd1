"""The JSON values of a file: one on each line, the elements of an array, or one value. Each is decoded separately.

A value that is not JSON is a fault of its line, and reading continues with the next value. So is any other text between
two objects, such as an element of the array that is not an object.
"""

import json
import math
import re
from collections.abc import Callable, Iterator
from itertools import islice
from typing import IO, Any, NamedTuple

import msgspec

from .interface import Fault, Head, Object, Step

# A longer value is not decoded, so that memory stays bounded.
MAX_BYTES = 64 * 1024 * 1024
CHUNK_BYTES = 256 * 1024
_HEAD_RECORDS = 20
_BOM = b"\xef\xbb\xbf"
_SPACE = b" \t\r\n"

_OUTSIDE = re.compile(rb'["\[\]{}]')
_IN_STRING = re.compile(rb'["\\]')
_OTHER = re.compile(rb"[^\s,]")
_SURROGATE = re.compile("[\ud800-\udfff]")
_decode = msgspec.json.Decoder().decode


class Record(NamedTuple):
    """A JSON object and the line on which it begins, from 1."""

    line: int
    value: Object


class _Raw(NamedTuple):
    line: int
    text: bytes
    size: int


def read_head(source: IO[bytes]) -> Head:
    """The beginning of a source. Restores the source's position."""
    start = source.read(CHUNK_BYTES)
    source.seek(0)
    found = (each.value for each in read_records(source) if isinstance(each, Record))
    records = [] if start.startswith(b"SQLite format 3\0") else [*islice(found, _HEAD_RECORDS)]
    source.seek(0)
    return Head(start, records)


def read_records(source: IO[bytes]) -> Iterator[Record | Fault]:
    """The objects of a source, in its order, and a fault for each other value."""
    for raw in _raw_values(source):
        if isinstance(raw, Fault):
            yield raw
            continue
        if raw.size > MAX_BYTES:
            sentence = f"The record has {raw.size} bytes; the limit is {MAX_BYTES}."
            yield Fault(kind="too large", line=raw.line, sentence=sentence)
            continue
        yield from _read(raw)


def read_steps(source: IO[bytes], read: Callable[[Record], Iterator[Step]]) -> Iterator[Step]:
    """The steps that `read` makes of each object of a source, and the faults of the other values."""
    for record in read_records(source):
        if isinstance(record, Fault):
            yield record
        else:
            yield from read(record)


def _read(raw: _Raw) -> Iterator[Record | Fault]:
    try:
        value, note = decode(raw.text)
    except ValueError as error:
        yield Fault(kind="not JSON", line=raw.line, sentence=f"The record is not JSON: {error}.")
        return
    if note is not None:
        yield Fault(kind="text replaced", line=raw.line, sentence=note)
    if isinstance(value, dict):
        yield Record(raw.line, value)
    else:
        yield Fault(kind="not an object", line=raw.line, sentence=f"The record is a {type(value).__name__}.")


def decode(text: bytes) -> tuple[Any, str | None]:
    """The value of a JSON text, and a sentence about what was replaced in it. Raises `ValueError`."""
    try:
        return _decode(text), None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        # The code below finds the fault, and reads the value nevertheless if it can.
        pass
    note = None
    try:
        decoded = text.decode()
    except UnicodeDecodeError as error:
        note = f"Byte {error.start} of the record is not UTF-8, and was replaced by U+FFFD."
        decoded = text.decode(errors="replace")
    try:
        value = json.loads(decoded, parse_constant=str, parse_float=_float)
        plain = json.dumps(value, ensure_ascii=False)
    except RecursionError:
        raise ValueError("it nests too deeply") from None
    if _SURROGATE.search(plain):
        note = "Half of a surrogate pair was replaced by U+FFFD."
        value = json.loads(_SURROGATE.sub("\ufffd", plain))
    return value, note


def _float(text: str) -> float | str:
    """A number; a number out of the range of a double stays a string."""
    value = float(text)
    return value if math.isfinite(value) else text


def _raw_values(source: IO[bytes]) -> Iterator[_Raw | Fault]:
    is_lines, first = _layout_of(source)
    if is_lines:
        yield from _lines(source)
    else:
        yield from _values(source, 1 if first == b"[" else 0)


def _layout_of(source: IO[bytes]) -> tuple[bool, bytes]:
    """Whether each line of a source is a value, and the first byte of the source. Restores the source's position."""
    is_lines, first = False, b""
    for _ in range(_HEAD_RECORDS):
        line = source.readline(MAX_BYTES).removeprefix(_BOM)
        first = first or line.lstrip(_SPACE)[:1]
        if first == b"[" or not line:
            break
        # In indented JSON, no object is complete on the line on which it begins.
        if line.startswith(b"{") and is_json(line):
            is_lines = True
            break
    source.seek(0)
    return is_lines, first


def has_lines(source: IO[bytes]) -> bool:
    """Whether each line of a source is a value; its position is set to the beginning."""
    source.seek(0)
    return _layout_of(source)[0]


def is_json(line: bytes) -> bool:
    """Whether a line is a value."""
    try:
        decode(line)
    except ValueError:
        return False
    return True


def _lines(source: IO[bytes]) -> Iterator[_Raw]:
    number = 0
    while line := source.readline(MAX_BYTES + 1):
        number += 1
        size = len(line)
        while not line.endswith(b"\n") and (more := source.readline(CHUNK_BYTES)):
            size += len(more)
            line = more
        text = (line.removeprefix(_BOM) if number == 1 else line).strip(_SPACE)
        if text or size > MAX_BYTES:
            yield _Raw(number, text, size)


def _values(source: IO[bytes], level: int) -> Iterator[_Raw | Fault]:
    """The objects at a level of nesting: 0 for those of the source, 1 for the elements of its array."""
    splitter = _Splitter(level)
    if source.read(len(_BOM)) != _BOM:
        source.seek(0)
    while chunk := source.read(CHUNK_BYTES):
        yield from splitter.feed(chunk)
    yield from splitter.end()


class _Splitter:
    """Finds where the objects at a level begin and end, and what else is at that level."""

    def __init__(self, level: int) -> None:
        self._level = level
        self._depth = 0
        self._in_string = False
        self._is_escaped = False
        self._line = 1
        self._first_line: int | None = None
        # The line of the first value since the last object that is not an object.
        self._other_line: int | None = None
        self._parts: list[bytes] = []
        self._size = 0

    def feed(self, chunk: bytes) -> Iterator[_Raw | Fault]:
        """The objects that end in a chunk, and a fault for all other values between two of them."""
        place = 1 if self._is_escaped else 0
        self._is_escaped = False
        start = 0 if self._first_line is not None else None
        counted = 0
        while found := (_IN_STRING if self._in_string else _OUTSIDE).search(chunk, place):
            begin, place, byte = place, found.end(), found[0]
            if start is None:
                is_own = byte in b"]}" or self._begins_object(byte) or (byte == b"[" and self._depth < self._level)
                self._find_other(chunk, begin, found.start() if is_own else place, counted)
            if byte == b"\\":
                self._is_escaped = place == len(chunk)
                place += 1
            elif byte == b'"':
                self._in_string = not self._in_string
            elif byte in b"[{":
                if self._begins_object(byte):
                    self._line += chunk.count(b"\n", counted, found.start())
                    start, counted = found.start(), found.start()
                    self._first_line = self._line
                    yield from self._take_other()
                self._depth += 1
            else:
                self._depth = max(0, self._depth - 1)
                if self._depth == self._level and self._first_line is not None:
                    yield self._take_value(chunk[start:place])
                    start = None
        if start is None:
            self._find_other(chunk, place, len(chunk), counted)
        self._line += chunk.count(b"\n", counted)
        if start is not None:
            self._keep(chunk[start:])

    def end(self) -> Iterator[_Raw | Fault]:
        """The incomplete value at the end of the source."""
        yield from self._take_other()
        if self._first_line is not None:
            yield self._take_value(b"")

    def _begins_object(self, byte: bytes) -> bool:
        return byte == b"{" and self._depth == self._level

    def _find_other(self, chunk: bytes, begin: int, end: int, counted: int) -> None:
        """Find a value that is not an object in a part of a chunk; the lines up to `counted` are counted."""
        if self._other_line is None and self._depth <= self._level and (found := _OTHER.search(chunk, begin, end)):
            self._other_line = self._line + chunk.count(b"\n", counted, found.start())

    def _take_other(self) -> Iterator[Fault]:
        line, self._other_line = self._other_line, None
        if line is not None:
            sentence = "What begins here is not an object; everything up to the next object is left out."
            yield Fault(kind="not an object", line=line, sentence=sentence)

    def _keep(self, part: bytes) -> None:
        self._size += len(part)
        if self._size <= MAX_BYTES:
            self._parts.append(part)

    def _take_value(self, last: bytes) -> _Raw:
        self._keep(last)
        raw = _Raw(self._first_line or 1, b"".join(self._parts), self._size)
        self._first_line, self._parts, self._size = None, [], 0
        return raw
