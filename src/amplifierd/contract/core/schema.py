"""Compiles the contract's schemas: translates OpenAPI 3.0's dialect to JSON Schema draft 7.

The two differ in `nullable` and in `exclusiveMinimum` and `exclusiveMaximum`, booleans in OpenAPI 3.0
(https://spec.openapis.org/oas/v3.0.3#schema-object). References stay references, so schemas may be recursive.
"""

from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any

import jsonschema_rs
import msgspec
from jsonschema_rs import ValidationError

from .document import ContractError, Document, Json
from .problems import Violation
from .violations import Node, node_of

# The number of places that an error lists, and the number that it counts.
MAX_LISTED = 100
MAX_COUNTED = 1_000
_COMPONENTS = "#/components/schemas/"


class Schemas:
    """Compiles validators for schemas of one document."""

    def __init__(self, document: Document) -> None:
        self._components = _convert(document.spec.get("components", {}).get("schemas", {}))
        # Most parameters share a schema with others.
        self._validators: dict[tuple[bytes, bool], Validator] = {}

    def validator(self, schema: Json) -> "Validator":
        """The validator for a schema of the document."""
        return self._validator(schema, closed=False)

    def closed_validator(self, schema: Json) -> "Validator":
        """A validator that also refuses undeclared properties, for responses: a server sends only declared ones."""
        return self._validator(schema, closed=True)

    def _validator(self, schema: Json, *, closed: bool) -> "Validator":
        key = (msgspec.json.encode(schema), closed)
        if key not in self._validators:
            whole = self._with_components(schema)
            self._validators[key] = _compile(_close(whole) if closed else whole)
        return self._validators[key]

    def _with_components(self, schema: Json) -> Json:
        """A schema with the schemas to which it refers; with all schemas a validator would take a megabyte."""
        converted = _convert(schema)
        found: Json = {}
        names = [*_references(converted)]
        while names:
            name = names.pop()
            if name not in found and name in self._components:
                found[name] = self._components[name]
                names += _references(found[name])
        return {"allOf": [converted], "components": {"schemas": found}}


class Validator:
    """Validates values against one schema."""

    def __init__(self, schema: Json) -> None:
        compiled = jsonschema_rs.Draft7Validator(schema, validate_formats=True)
        self.is_valid: Callable[[Any], bool] = compiled.is_valid
        self._schema = schema
        self._root: Node | None = None

    def violations(self, value: Any, most: int = MAX_LISTED) -> list[Violation]:
        """The first `most` places where `value` violates the schema, in the order of the schema."""
        if self.is_valid(value):
            return []
        if self._root is None:
            self._root = node_of(self._schema, self._schema["components"]["schemas"])
        return list(islice(self._root.violations(value, []), most))


def _compile(schema: Json) -> Validator:
    try:
        return Validator(schema)
    except (ValidationError, jsonschema_rs.ReferencingError, ValueError) as error:
        raise ContractError(f"Cannot compile a schema of the contract: {error}") from error


def _references(node: Any) -> Iterator[str]:
    """The names of the schemas that a schema refers to."""
    if isinstance(node, list):
        for item in node:
            yield from _references(item)
    elif isinstance(node, dict):
        if isinstance(node.get("$ref"), str):
            yield node["$ref"].removeprefix(_COMPONENTS).partition("/")[0]
        for value in node.values():
            yield from _references(value)


def _close(node: Any) -> Any:
    if isinstance(node, list):
        return [_close(item) for item in node]
    if not isinstance(node, dict):
        return node
    closed = {key: _close(value) for key, value in node.items()}
    if "properties" in closed and closed.get("type") == "object":
        closed.setdefault("additionalProperties", False)
    return closed


_BOUNDS = (("exclusiveMinimum", "minimum"), ("exclusiveMaximum", "maximum"))


def _convert(node: Any) -> Any:
    if isinstance(node, list):
        return [_convert(item) for item in node]
    if not isinstance(node, dict):
        return node
    converted = {key: _convert(value) for key, value in node.items()}
    for exclusive, inclusive in _BOUNDS:
        if converted.get(exclusive) is True:
            converted[exclusive] = converted.pop(inclusive)
        elif converted.get(exclusive) is False:
            del converted[exclusive]
    if converted.get("nullable") is True:
        return {"anyOf": [converted, {"type": "null"}]}
    return converted
