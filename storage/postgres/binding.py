"""Converts statements with named parameters for a driver with numbered ones."""

import re
from collections.abc import Mapping
from functools import cache

# Not a cast (`::`), and not in a string.
_PARAMETER = re.compile(r"(?<![:\w]):([a-z]\w*)")


def bound(statement: str, bindings: Mapping[str, object]) -> tuple[str, list[object]]:
    """The statement with `$1` for its first parameter, and so on, and their values."""
    text, names = _by_place(statement)
    return text, [_storable_value(bindings[name]) for name in names]


def storable(text: str) -> str:
    """A text without NUL, which PostgreSQL refuses.

    A search for such a text finds nothing, because no stored name has a control character. (Other texts are stored as
    JSON, which escapes it.)
    """
    return text.replace("\0", "\x01")


@cache
def _by_place(statement: str) -> tuple[str, list[str]]:
    names = list(dict.fromkeys(_PARAMETER.findall(statement)))
    return _PARAMETER.sub(lambda found: f"${names.index(found[1]) + 1}", statement), names


def _storable_value(value: object) -> object:
    return storable(value) if isinstance(value, str) else value


def with_expressions(statement: str, expressions: Mapping[str, str]) -> str:
    """The statement with expressions in place of its parameters, for use in a function."""
    return _PARAMETER.sub(lambda found: expressions[found[1]], statement)
