"""The contract's paths as a tree of segments, which finds the operations and the parameters of a request's path.

A parameter is one segment; one whose pattern matches `a/a` is any number of segments, whether their slashes are
percent-encoded or not. Literal segments take precedence over parameters, and fewer segments over more.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from urllib.parse import unquote

from starlette.types import Scope

from .document import Document, Json
from .problems import Problem

# The number of paths whose items are cached, and the bytes of the longest one.
MAX_REMEMBERED = 1_024
MAX_REMEMBERED_BYTES = 256


@dataclass(frozen=True, slots=True)
class Item:
    """A path of the contract: the names of its parameters in order, and its operations by method."""

    parameters: tuple[str, ...]
    operations: dict[str, Json]


# An item, with the values of its parameters, which are not to be changed.
Found = tuple[Item, Mapping[str, str]]


@dataclass(slots=True)
class _Node:
    literals: "dict[str, _Node]" = field(default_factory=dict)
    parameter: "_Node | None" = None
    spans: bool = False
    item: Item | None = None

    def ends(self, position: int, length: int) -> range:
        """The positions where a parameter that begins at this position may end."""
        return range(position + 1, (length if self.spans else position + 1) + 1)


class Paths:
    """Finds a path of the contract in time independent of their number."""

    def __init__(self, document: Document) -> None:
        self._prefix = f"{document.base_path}/".encode()
        self._root = _Node()
        # Clients mostly request the same few sessions.
        self._remembered = lru_cache(maxsize=MAX_REMEMBERED)(self._find)
        by_path: dict[str, dict[str, Json]] = {}
        for path, method, operation in document.operations():
            by_path.setdefault(path, {})[method] = operation
        for path, operations in by_path.items():
            self._add(path, operations, _slash_parameters(document, path, operations))

    def find(self, raw_path: bytes) -> Found | None:
        """The item of a request's path, as sent, with the values of its parameters; None for an unknown path."""
        return self._remembered(raw_path) if len(raw_path) <= MAX_REMEMBERED_BYTES else self._find(raw_path)

    def _find(self, raw_path: bytes) -> Found | None:
        if not raw_path.startswith(self._prefix):
            return None
        try:
            text = without_trailing_slash(raw_path)[len(self._prefix) :].decode("ascii")
            segments = text.split("/")
            if "%" in text:
                # Decoded after the split: an encoded slash is not a separator (RFC 3986, section 2.2).
                segments = [unquote(segment, errors="strict") for segment in segments]
        except UnicodeDecodeError:
            return None
        return _find_directly(self._root, segments) or self._search(segments)

    def _search(self, segments: list[str]) -> Found | None:
        places: list[slice] = []
        item = _find(self._root, segments, 0, places)
        if item is None:
            return None
        values = ("/".join(segments[place]) for place in places)
        return item, dict(zip(item.parameters, values, strict=True))

    def operations(self, raw_path: bytes) -> dict[str, Json]:
        """The operations of a request's path by method; none for an unknown path."""
        found = self.find(raw_path)
        return {} if found is None else found[0].operations

    def _add(self, path: str, operations: dict[str, Json], spanning: set[str]) -> None:
        node, names = self._root, []
        for segment in path.removeprefix("/").split("/"):
            if segment.startswith("{"):
                names.append(segment.strip("{}"))
                node.spans = node.spans or names[-1] in spanning
                node.parameter = node.parameter or _Node()
                node = node.parameter
            else:
                node = node.literals.setdefault(segment, _Node())
        by_method = {method.upper(): operation for method, operation in operations.items()}
        if "GET" in by_method:
            # HTTP has HEAD wherever it has GET (RFC 9110, section 9.3.2).
            by_method["HEAD"] = by_method["GET"]
        node.item = Item(tuple(names), by_method)


def _slash_parameters(document: Document, path: str, operations: dict[str, Json]) -> set[str]:
    """The parameters of a path that can contain slashes."""
    parameters = (each for operation in operations.values() for each in document.parameters(path, operation))
    schemas = {each["name"]: document.resolve(each["schema"]) for each in parameters if each["in"] == "path"}
    return {name for name, schema in schemas.items() if "pattern" in schema and re.search(schema["pattern"], "a/a")}


def _find_directly(node: _Node, segments: list[str]) -> Found | None:
    """The result of `_find` without backtracking, which is enough for nearly every request."""
    values = []
    for segment in segments:
        literal = node.literals.get(segment)
        if literal is not None:
            node = literal
        elif node.parameter is not None and not node.spans and segment:
            node = node.parameter
            values.append(segment)
        else:
            return None
    return None if node.item is None else (node.item, dict(zip(node.item.parameters, values, strict=True)))


def _find(node: _Node, segments: list[str], position: int, places: list[slice]) -> Item | None:
    if position == len(segments):
        return node.item
    segment = segments[position]
    literal = node.literals.get(segment)
    if literal is not None:
        item = _find(literal, segments, position + 1, places)
        if item is not None:
            return item
    if node.parameter is None or not segment:
        return None
    for end in node.ends(position, len(segments)):
        places.append(slice(position, end))
        item = _find(node.parameter, segments, end, places)
        if item is not None:
            return item
        places.pop()
    return None


def without_trailing_slash(raw_path: bytes) -> bytes:
    """A request's path, as sent, without a trailing slash, which is not significant; an encoded slash is kept."""
    return raw_path.removesuffix(b"/") or b"/"


def not_allowed(scope: Scope, methods: Iterable[str]) -> Problem:
    """The 405 problem for a path with other methods."""
    allowed = ", ".join(sorted(methods))
    detail = f"{scope['method']} is not allowed on {scope['raw_path'].decode('latin-1')}; use {allowed}."
    return Problem(405, "method-not-allowed", detail, headers={"Allow": allowed})
