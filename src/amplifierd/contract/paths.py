"""Which operations a path has, found without the router: for `Allow`, and to hold responses against the contract."""

import re

from .document import Document, Json

_PARAMETER = re.compile(r"\\{[^}]*\\}")


class Paths:
    """The contract's paths."""

    def __init__(self, document: Document) -> None:
        self._items: dict[str, tuple[re.Pattern[str], dict[str, Json]]] = {}
        for path, method, operation in document.operations():
            template = _PARAMETER.sub("[^/]+", re.escape(document.base_path + path))
            _, operations = self._items.setdefault(path, (re.compile(template), {}))
            operations[method.upper()] = operation

    def operations(self, path: str) -> dict[str, Json]:
        """The operations of a request's path by method, HEAD with its GET's; none for an unknown path."""
        for pattern, operations in self._items.values():
            if pattern.fullmatch(path):
                return operations | ({"HEAD": operations["GET"]} if "GET" in operations else {})
        return {}
