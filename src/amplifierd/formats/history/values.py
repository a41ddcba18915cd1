"""Converts values of a source to values that the contract allows: ids, names, labels, times, usage."""

import math
import re
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any
from uuid import NAMESPACE_URL, UUID, uuid5

from ...storage.values.clock import in_utc, is_clock_time
from .interface import Object

# The time of a message if its source has no time at all.
NO_TIME = "1970-01-01T00:00:00.000000Z"

_NAMESPACE = uuid5(NAMESPACE_URL, "urn:amplifierd:history")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# Times as numbers past this one are in milliseconds: it is the year 5138 in seconds.
_MILLISECONDS = 1e11
_MAX_INTEGER = 2**31 - 1
_MAX_CHARACTERS = 200
_CONTROL = re.compile(r"[\x00-\x1f\x7f]+")
# Possessive: a name that is given back, a character at a time, would make a long text without an end take hours.
_ELEMENT = re.compile(r"<([A-Za-z][\w-]*+)[^<>]*+>")
_UUID = re.compile(r"[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}")
_RFC_3339 = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt][0-9:]{8}(\.[0-9]+)?([Zz]|[+-][0-9]{2}:[0-9]{2})")
_WITHOUT_ZONE = re.compile(r"([0-9]{4}-[0-9]{2}-[0-9]{2})[T ]([0-9:]{8}(\.[0-9]+)?)")


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
    """A time of a source, in RFC 3339; None if it is not a time. Numbers are seconds or milliseconds since 1970."""
    if isinstance(value, str):
        return _time_of_text(value.strip())
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        if not math.isfinite(value):
            return None
        seconds = value / 1_000 if abs(value) > _MILLISECONDS else value
        moment = _EPOCH + timedelta(seconds=seconds)
    except OverflowError:
        return None
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ") if moment.year >= 1000 else None


def _time_of_text(text: str) -> str | None:
    if bare := _WITHOUT_ZONE.fullmatch(text):
        text = f"{bare[1]}T{bare[2]}Z"
    if not _RFC_3339.fullmatch(text) or not is_clock_time(text):
        return None
    return in_utc(text)


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
