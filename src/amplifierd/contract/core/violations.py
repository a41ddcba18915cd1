"""Finds the places where a value violates its schema one by one, so that the caller can stop early.

jsonschema-rs creates all errors of a value before it returns the first, at about 40 us each. So each schema is compiled
without the schemas of its members and elements, which are checked one after another.
"""

from collections.abc import Iterator
from itertools import islice
from typing import Any

import jsonschema_rs
from jsonschema_rs import ValidationErrorKind

from .document import Json
from .ijson import pointer_to
from .problems import Violation, shorten

_COMPONENTS = "#/components/schemas/"
_MAX_POINTER_CHARACTERS = 1_024

# Keywords that do not depend on the content of an object's members or an array's elements. With any other
# keyword, such as `oneOf`, the whole value is validated at once.
_PLAIN = {
    *("type", "format", "pattern", "enum", "minLength", "maxLength", "required", "minProperties", "maxProperties"),
    *("minItems", "maxItems", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"),
    *("properties", "additionalProperties", "items", "description", "title", "example", "default", "nullable"),
}
_INSIDE = ("properties", "additionalProperties", "items")

Path = list[str | int]


class UnionNode:
    """A schema with several branches (`oneOf`); the value of one member, the discriminator, selects the branch."""

    def __init__(self, schema: Json, components: Json) -> None:
        self._components = components
        self._name: str = schema["discriminator"]["propertyName"]
        self._references: dict[str, str] = schema["discriminator"]["mapping"]
        self._branches: dict[str, Node] = {}

    def violations(self, value: Any, path: Path) -> Iterator[Violation]:
        """The violations in a value at `path`, according to the branch that its discriminator selects."""
        steps = [str(step) for step in path]
        if not isinstance(value, dict):
            yield violation(pointer_to(steps), _SENTENCES["type"].format("object"))
        elif self._name not in value:
            yield violation(pointer_to([*steps, self._name]), "is required")
        elif not isinstance(value[self._name], str) or value[self._name] not in self._references:
            words = ", ".join(self._references)
            yield violation(pointer_to([*steps, self._name]), _SENTENCES["enum"].format(words))
        else:
            yield from self._branch(value[self._name]).violations(value, path)

    def _branch(self, name: str) -> "Node":
        if name not in self._branches:
            self._branches[name] = node_of({"$ref": self._references[name]}, self._components)
        return self._branches[name]


class SchemaNode:
    """A schema (draft 7, see `schema`); the schemas of its members and elements are compiled on demand."""

    def __init__(self, schema: Json, components: Json) -> None:
        self._components = components
        self._is_nullable, schema = self._resolve(schema)
        self._is_whole = not (set(schema) <= _PLAIN)
        own = schema if self._is_whole else {key: node for key, node in schema.items() if key not in _INSIDE}
        self._own = jsonschema_rs.Draft7Validator(
            {"allOf": [own], "components": {"schemas": components if self._is_whole else {}}}, validate_formats=True
        )
        self._schema = schema
        # Responses have the names of requests in camelCase.
        self._names = {_in_camel_case(name): name for name in schema.get("properties", ())}
        self._members: dict[str, Node] = {}
        self._elements: Node | None = None

    def violations(self, value: Any, path: Path) -> Iterator[Violation]:
        """The violations in a value at `path`; members and elements beyond the limits of the schema are not checked."""
        if value is None and self._is_nullable:
            return
        errors = self._own.iter_errors(value if self._is_whole else self._outline(value))
        # A text of a wrong length mostly violates the pattern too, which says nothing more.
        for error in islice(errors, 1 if isinstance(value, str) else None):
            yield violation_of(error.kind, [*path, *error.instance_path])
        if self._is_whole:
            return
        if isinstance(value, dict):
            yield from self._in_object(value, path)
        elif isinstance(value, list) and "items" in self._schema:
            if self._elements is None:
                self._elements = node_of(self._schema["items"], self._components)
            for number, element in enumerate(islice(value, self._schema.get("maxItems"))):
                yield from self._elements.violations(element, [*path, number])

    def _resolve(self, schema: Json) -> tuple[bool, Json]:
        """Whether null is allowed, and the schema that a reference or a single `allOf` leads to."""
        is_nullable = False
        while True:
            match schema:
                case {"$ref": str(reference)}:
                    schema = self._components[reference.removeprefix(_COMPONENTS)]
                case {"anyOf": [inner, {"type": "null"}]}:
                    is_nullable, schema = True, inner
                case {"allOf": [inner], **rest} if set(rest) <= {"description", "default", "example", "components"}:
                    schema = inner
                case _:
                    return is_nullable, schema

    def _outline(self, value: Any) -> Any:
        """The part of a value that the schema itself checks: errors copy the value, so it is kept short."""
        if isinstance(value, dict):
            names = (name for name in self._schema.get("required", ()) if name in value)
            return dict.fromkeys([*names, *islice(value, _plus_one(self._schema.get("maxProperties", 0)))])
        if isinstance(value, list):
            return [None] * min(len(value), _plus_one(self._schema.get("maxItems", 0)))
        return value

    def _in_object(self, value: dict[str, Any], path: Path) -> Iterator[Violation]:
        properties: Json = self._schema.get("properties", {})
        other = self._schema.get("additionalProperties", True)
        if other is False:
            for name in value:
                if name not in properties:
                    declared = self._names.get(name)
                    detail = f"is unknown; its name in requests is {declared}" if declared else "is unknown"
                    yield violation(pointer_to([*map(str, path), name]), detail)
        for name in properties:
            if name in value:
                yield from self._member(name, properties[name]).violations(value[name], [*path, name])
        if isinstance(other, dict):
            for name in islice(value, self._schema.get("maxProperties")):
                if name not in properties:
                    yield from self._member("", other).violations(value[name], [*path, name])

    def _member(self, name: str, schema: Json) -> "Node":
        if name not in self._members:
            self._members[name] = node_of(schema, self._components)
        return self._members[name]


Node = SchemaNode | UnionNode


def node_of(schema: Json, components: Json) -> Node:
    """The node that finds violations of a schema."""
    resolved = schema
    while "$ref" in resolved:
        resolved = components[resolved["$ref"].removeprefix(_COMPONENTS)]
    return UnionNode(resolved, components) if "discriminator" in resolved else SchemaNode(schema, components)


def _in_camel_case(name: str) -> str:
    first, *others = name.split("_")
    return first + "".join(map(str.capitalize, others))


def _plus_one(most: int) -> int:
    return most + 1


def violation(pointer: str, detail: str) -> Violation:
    """One violation; a very long pointer is cut."""
    return Violation(shorten(pointer, _MAX_POINTER_CHARACTERS), detail)


def violation_of(kind: ValidationErrorKind, path: Path) -> Violation:
    """The violation of a keyword at a path, in a sentence."""
    steps = [str(step) for step in path]
    if isinstance(kind, ValidationErrorKind.Required):
        return violation(pointer_to([*steps, kind.property]), "is required")
    return violation(pointer_to(steps), _sentence(kind))


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
_DATE_TIME = "must be a date-time, such as 2025-11-21T19:33:49Z"
_SENTENCES_OF_ONE = {
    **dict.fromkeys(("minLength", "minItems", "minProperties"), "must not be empty"),
    "maxLength": "must have at most 1 character",
    "maxItems": "must have at most 1 item",
    "maxProperties": "must have at most 1 property",
}


def _sentence(kind: ValidationErrorKind) -> str:
    value = kind.value
    if value == 1 and kind.name in _SENTENCES_OF_ONE:
        return _SENTENCES_OF_ONE[kind.name]
    if value == "date-time" and kind.name == "format":
        return _DATE_TIME
    words = ", ".join(str(item) for item in value) if isinstance(value, list) else str(value)
    return _SENTENCES.get(kind.name, f"violates the schema's {kind.name}").format(words)
