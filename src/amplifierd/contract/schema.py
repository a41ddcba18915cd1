"""The contract's schemas as validators: OpenAPI 3.0's dialect turned into JSON Schema draft 7.

The two differ in `nullable` and in `exclusiveMinimum` and `exclusiveMaximum`, booleans in OpenAPI 3.0
(https://spec.openapis.org/oas/v3.0.3#schema-object). References stay references, so schemas may be recursive.
"""

from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any

import jsonschema_rs
from jsonschema_rs import ValidationError, ValidationErrorKind

from .document import ContractError, Document, Json
from .problems import Violation, shorten

MOST_VIOLATIONS = 1_000
_COMPONENTS = "#/components/schemas/"
_LONGEST_POINTER = 1_024


class Schemas:
    """Compiles validators for schemas of one document."""

    def __init__(self, document: Document) -> None:
        self._components = _convert(document.spec.get("components", {}).get("schemas", {}))

    def validator(self, schema: Json) -> "Validator":
        """A validator for a schema of the document."""
        return _compile(self._with_components(schema))

    def closed_validator(self, schema: Json) -> "Validator":
        """One that also refuses properties which the schema does not name: what a server sends is all declared."""
        return _compile(_close(self._with_components(schema)))

    def _with_components(self, schema: Json) -> Json:
        """A schema with those that it refers to: all of them would take a validator a megabyte."""
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
    """Holds values against one schema."""

    def __init__(self, compiled: jsonschema_rs.Draft7Validator) -> None:
        self.is_valid: Callable[[Any], bool] = compiled.is_valid
        self._compiled = compiled

    def violations(self, value: Any) -> list[Violation]:
        """Each place where `value` breaks the schema, up to 1,000 of them, in the order of the schema."""
        found = (violation for error in self._compiled.iter_errors(value) for violation in _violations(error))
        return list(islice(found, MOST_VIOLATIONS))


def _compile(schema: Json) -> Validator:
    try:
        return Validator(jsonschema_rs.Draft7Validator(schema, validate_formats=True))
    except (ValidationError, jsonschema_rs.ReferencingError, ValueError) as error:
        raise ContractError(f"A schema of the contract can't be compiled: {error}") from error


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


def _violations(error: ValidationError) -> Iterator[Violation]:
    match error.kind:
        case ValidationErrorKind.Required(property=name):
            yield _violation([*error.instance_path, name], "is required")
        case ValidationErrorKind.AdditionalProperties(unexpected=names):
            for name in names:
                yield _violation([*error.instance_path, name], "is unknown")
        case ValidationErrorKind.AnyOf(context=[errors, _]):
            # What may be null (see `_convert`): why it is not what else it may be.
            for each in errors:
                yield from _violations(each)
        case kind:
            yield _violation(error.instance_path, _sentence(kind))


def _violation(path: list[str | int], detail: str) -> Violation:
    pointer = "".join("/" + str(step).replace("~", "~0").replace("/", "~1") for step in path)
    return Violation(shorten(pointer, _LONGEST_POINTER), detail)


_SENTENCES = {
    "type": "must be of type {}",
    "enum": "must be one of {}",
    "format": "must be a {}",
    "pattern": "must match {}",
    "minLength": "must have at least {} characters",
    "maxLength": "must have at most {} characters",
    "minimum": "must be at least {}",
    "maximum": "must be at most {}",
    "exclusiveMinimum": "must be more than {}",
    "exclusiveMaximum": "must be less than {}",
    "multipleOf": "must be a multiple of {}",
    "minItems": "must have at least {} items",
    "maxItems": "must have at most {} items",
    "uniqueItems": "must not have the same item twice",
    "minProperties": "must have at least {} properties",
    "maxProperties": "must have at most {} properties",
}


def _sentence(kind: ValidationErrorKind) -> str:
    value = kind.value
    words = ", ".join(str(item) for item in value) if isinstance(value, list) else str(value)
    return _SENTENCES.get(kind.name, f"breaks the schema's {kind.name}").format(words)
