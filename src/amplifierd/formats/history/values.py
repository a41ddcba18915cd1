"""Converts values of a source to values that the contract allows: ids, names, labels, times, usage."""

import math
import re
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any
from uuid import NAMESPACE_URL, UUID, uuid5

from .interface import Object

# The time of a message if its source has no time at all.
NO_TIME = "1970-01-01T00:00:00.000000Z"

_NAMESPACE = uuid5(NAMESPACE_URL, "urn:amplifierd:history")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# strftime does not fill earlier years with zeros.
_FIRST_YEAR = 1000
# Times as numbers past one of these are in nanoseconds, microseconds or milliseconds: each is the year 5138 in the unit
# before it.
_UNITS = ((10**17, 10**9), (10**14, 10**6), (10**11, 10**3), (0, 1))
_MAX_INTEGER = 2**31 - 1
_MAX_CHARACTERS = 200
_CONTROL = re.compile(r"[\x00-\x1f\x7f]+")
# Possessive: a name that is given back, a character at a time, would make a long text without an end take hours.
_ELEMENT = re.compile(r"<([A-Za-z][\w-]*+)[^<>]*+>")
_UUID = re.compile(r"[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}")
# Fewer digits may be a year, or a day without hyphens.
_NUMBER = re.compile(r"[0-9]{9,19}(?P<fraction>\.[0-9]{1,9})?")
_ZONE = re.compile(r" ?(?:UTC|GMT|[Zz])$")
_MAX_TIME_CHARACTERS = 64


def session_id_of(format_name: str, *keys: str) -> str:
    """The id of a session: the source's own if it is a UUID, else a UUID derived from it, always the same."""
    if len(keys) == 1 and _UUID.fullmatch(keys[0]):
        return str(UUID(keys[0]))
    return str(uuid5(_NAMESPACE, "\0".join((format_name, *keys))))


def message_id_of(key: str) -> str:
    """The id of a message: its key, or a digest of one that is too long."""
    if 0 < len(key) <= _MAX_CHARACTERS and not _CONTROL.search(key):
        return key
    return sha256(key.encode()).hexdigest()


def line_of(text: Any) -> str | None:
    """A text as a name or the value of a label: on one line, at most 200 characters; None if it is blank."""
    if not isinstance(text, str):
        return None
    return _CONTROL.sub(" ", text).strip()[:_MAX_CHARACTERS].strip() or None


def name_of_prompt(text: str) -> str | None:
    """The name of a session whose source has none, from a message of the user: its first line that is not blank.

    None if it has no such line, or if it is one element, which a program wrote:
    `<environment_context>…</environment_context>`.
    """
    own = text.strip()
    element = _ELEMENT.match(own)
    if element is not None and own.endswith(f"</{element[1]}>"):
        return None
    return line_of(own.partition("\n")[0])


def labels_of(**values: Any) -> dict[str, str]:
    """Labels of those values that are texts."""
    lines = {key.replace("_", "-"): line_of(value) for key, value in values.items()}
    return {key: value for key, value in lines.items() if value is not None}


def time_of(value: Any) -> str | None:
    """A time of a source, in RFC 3339; None if it is not a time.

    Numbers, also as texts, are seconds, milliseconds, microseconds or nanoseconds since 1970. Texts are in ISO 8601; a
    day is its beginning, and without an offset a time is in UTC. MongoDB writes `{"$date": …}`.
    """
    if isinstance(value, dict):
        value = value.get("$date")
    try:
        moment = _moment_of_text(value.strip()) if isinstance(value, str) else _moment_of_number(value)
    except (ValueError, OverflowError):
        return None
    return None if moment is None or moment.year < _FIRST_YEAR else moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def first_time(*values: Any) -> Any:
    """The first of these values that is a time, in RFC 3339; without one, the first that is not empty."""
    times = (time for value in values if (time := time_of(value)) is not None)
    return next(times, None) or next((value for value in values if value), None)


def _moment_of_text(text: str) -> datetime | None:
    if len(text) > _MAX_TIME_CHARACTERS:
        return None
    if number := _NUMBER.fullmatch(text):
        return _moment_of_number(float(text) if number["fraction"] else int(text))
    moment = datetime.fromisoformat(_ZONE.sub("+00:00", text.upper()))
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def _moment_of_number(value: Any) -> datetime | None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    unit = next(unit for least, unit in _UNITS if abs(value) >= least)
    if isinstance(value, int):
        return _EPOCH + timedelta(microseconds=value * 10**6 // unit)
    return _EPOCH + timedelta(seconds=value / unit)


def usage_of(**counts: Any) -> Object:
    """The usage of a message, of those counts that are numbers."""
    return {
        name: min(count, _MAX_INTEGER)
        for name, count in counts.items()
        if isinstance(count, int) and not isinstance(count, bool) and count >= 0
    }


def texts_of(value: Any, *keys: str) -> list[str | None]:
    """Members of an object that are texts, None for others."""
    found = value if isinstance(value, dict) else {}
    return [found[key] if isinstance(found.get(key), str) and found[key] else None for key in keys]


def list_of(value: Any) -> list[Any]:
    """A value that is a list, else an empty one."""
    return value if isinstance(value, list) else []


def object_of(value: Any) -> Object:
    """A value that is an object, else an empty one."""
    return value if isinstance(value, dict) else {}


def text_part(text: str) -> Object:
    """A part that is a text."""
    return {"type": "text", "text": text}


def without(source: Object, *keys: str) -> Object:
    """The other members of an object."""
    return {key: value for key, value in source.items() if key not in keys}
