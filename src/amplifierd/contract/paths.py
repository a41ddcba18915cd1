"""The contract's paths as a tree of segments: which operations a request's path has, and what its parameters are."""

from dataclasses import dataclass, field

from .document import Document, Json


@dataclass(frozen=True, slots=True)
class Item:
    """A path of the contract: the names of its parameters in order, its operations by method."""

    parameters: tuple[str, ...]
    operations: dict[str, Json]


@dataclass(slots=True)
class _Node:
    literals: "dict[str, _Node]" = field(default_factory=dict)
    parameter: "_Node | None" = None
    item: Item | None = None


class Paths:
    """Finds a path of the contract in a time that does not grow with their number."""

    def __init__(self, document: Document) -> None:
        self.base_path = document.base_path
        self._prefix = document.base_path + "/"
        self._root = _Node()
        by_path: dict[str, dict[str, Json]] = {}
        for path, method, operation in document.operations():
            by_path.setdefault(path, {})[method] = operation
        for path, operations in by_path.items():
            self._add(path, operations)

    def find(self, path: str) -> tuple[Item, dict[str, str]] | None:
        """The item of a request's path with the values of its parameters; None for an unknown path."""
        if not path.startswith(self._prefix):
            return None
        values: list[str] = []
        item = _find(self._root, path[len(self._prefix) :].split("/"), 0, values)
        return None if item is None else (item, dict(zip(item.parameters, values, strict=True)))

    def operations(self, path: str) -> dict[str, Json]:
        """The operations of a request's path by method; none for an unknown path."""
        found = self.find(path)
        return {} if found is None else found[0].operations

    def _add(self, path: str, operations: dict[str, Json]) -> None:
        node, names = self._root, []
        for segment in path.removeprefix("/").split("/"):
            if segment.startswith("{"):
                names.append(segment.strip("{}"))
                node.parameter = node.parameter or _Node()
                node = node.parameter
            else:
                node = node.literals.setdefault(segment, _Node())
        by_method = {method.upper(): operation for method, operation in operations.items()}
        if "GET" in by_method:
            # HTTP has HEAD wherever it has GET (RFC 9110, section 9.3.2).
            by_method["HEAD"] = by_method["GET"]
        node.item = Item(tuple(names), by_method)


def _find(node: _Node, segments: list[str], position: int, values: list[str]) -> Item | None:
    if position == len(segments):
        return node.item
    segment = segments[position]
    literal = node.literals.get(segment)
    if literal is not None:
        item = _find(literal, segments, position + 1, values)
        if item is not None:
            return item
    if node.parameter is None or not segment:
        return None
    values.append(segment)
    item = _find(node.parameter, segments, position + 1, values)
    if item is None:
        values.pop()
    return item
