"""Compares JSON exactly: the order of keys and the digits of numbers count, the escapes in strings do not."""

import json
from typing import Any


class Digits(str):
    """A number as it is written."""

    __slots__ = ()


class Members(tuple[tuple[str, Any], ...]):
    """An object's members in their order."""

    __slots__ = ()


def tree(text: bytes | str) -> Any:
    """The tree of a JSON text; trees of texts that are the same apart from escapes and spaces are equal."""
    return json.loads(text, parse_int=Digits, parse_float=Digits, object_pairs_hook=Members)
