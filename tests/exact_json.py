"""JSON held to the letter: the order of keys and the digits of numbers count, how a string is escaped does not."""

import json
from typing import Any


class Digits(str):
    """A number as it is written."""

    __slots__ = ()


class Members(tuple[tuple[str, Any], ...]):
    """An object's members in their order."""

    __slots__ = ()


def tree(text: bytes | str) -> Any:
    """What a text holds; two texts that say the same to the letter are equal as trees."""
    return json.loads(text, parse_int=Digits, parse_float=Digits, object_pairs_hook=Members)


def text_of(value: Any) -> str:
    """The compact text of a tree."""
    if isinstance(value, Members):
        return "{" + ",".join(f"{text_of(name)}:{text_of(member)}" for name, member in value) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(text_of, value)) + "]"
    return value if isinstance(value, Digits) else json.dumps(value, ensure_ascii=False)


def merged(target: Any, patch: Any) -> Any:
    """A tree after a patch (RFC 7396, section 2); members that come are put last."""
    if not isinstance(patch, Members):
        return patch
    result = dict(target) if isinstance(target, Members) else {}
    for name, value in patch:
        if value is None:
            result.pop(name, None)
        else:
            result[name] = merged(result.get(name), value)
    return Members(result.items())
