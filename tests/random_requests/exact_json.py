"""Compares JSON exactly: the order of keys and the digits of numbers matter, escapes in strings do not."""

import json
from typing import Any


class Digits(str):
    """A number in its original spelling."""

    __slots__ = ()


class Members(tuple[tuple[str, Any], ...]):
    """The members of an object, in order."""

    __slots__ = ()


def tree(text: bytes | str) -> Any:
    """The tree of a JSON text. Trees are equal if their texts differ only in escapes and whitespace."""
    return json.loads(text, parse_int=Digits, parse_float=Digits, object_pairs_hook=Members)
