"""Checks values against JSON Schemas (draft 2020-12) from third parties, which may be hostile, with limits.

A schema can refer to itself, so that applying or compiling it would never end, or would overflow the stack, and a
validator in native code cannot be stopped. So the steps are counted first, in Python, as if each had to be taken, and a
schema that needs too many is refused. References lead only to places in the same schema, so that nothing is fetched,
and patterns are matched in linear time.
"""

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

import jsonschema_rs
import msgspec
from jsonschema_rs import RegexOptions, ValidationErrorKind

from .ijson import pointer_to
from .problems import Violation
from .violations import violation, violation_of

MAX_SCHEMA_BYTES = 64 * 1024
# The limit for a schema and the schemas that it refers to, counted at each reference.
MAX_SUBSCHEMAS = 4_096
MAX_PATTERNS = 64
MAX_PATTERN_BYTES = 256 * 1024
MAX_DEPTH = 64
# The limit for a value: a step for each schema that is applied to each part of it.
MAX_STEPS = 16_384
# The limit of violations to find in a value that takes many steps: finding one costs as much as a hundred steps.
_MAX_LISTED_STEPS = 1_024
_CHARACTERS_OF_A_STEP = 64
# A reference to a value that only the runtime knows, such as a key; it stands for a value of any type.
REFERENCE = re.compile(r"\$\{env:[A-Za-z_][A-Za-z0-9_]{0,254}\}")
_DRAFT = "https://json-schema.org/draft/2020-12/schema"

_MAPS = ("properties", "patternProperties", "dependentSchemas", "$defs", "definitions")
_LISTS = ("allOf", "anyOf", "oneOf", "prefixItems")
_SINGLE = (
    *("additionalProperties", "items", "contains", "not", "if", "then", "else"),
    *("propertyNames", "unevaluatedItems", "unevaluatedProperties", "contentSchema"),
)
_REFUSED = ("$dynamicRef", "$recursiveRef", "$vocabulary")
_AGAIN = ("unevaluatedItems", "unevaluatedProperties")

Path = tuple[str, ...]


class SchemaRefused(ValueError):
    """The schema cannot be used: it is invalid, or could take too long; `path` leads to the place."""

    def __init__(self, reason: str, path: Path = ()) -> None:
        super().__init__(reason)
        self.path = path


class TooManySteps(ValueError):
    """It would take too long to check a value."""


class Steps:
    """The remaining number of steps, for all checks of a request together."""

    def __init__(self, most: int = MAX_STEPS) -> None:
        self.left = most

    def take(self, count: int = 1) -> None:
        """Use up some steps. Raises `TooManySteps`."""
        self.left -= count
        if self.left < 0:
            raise TooManySteps


class ConfigSchema:
    """A JSON Schema, which is applied to values in bounded time."""

    def __init__(self, text: bytes) -> None:
        """Compile the schema. Raises `SchemaRefused`."""
        if len(text) > MAX_SCHEMA_BYTES:
            raise SchemaRefused(f"it has more than {MAX_SCHEMA_BYTES} bytes, which is the limit")
        self._schema: Any = msgspec.json.decode(text)
        if not isinstance(self._schema, dict | bool):
            raise SchemaRefused("a schema is a mapping")
        if isinstance(self._schema, dict) and self._schema.get("$schema", _DRAFT) != _DRAFT:
            raise SchemaRefused(f"only {_DRAFT} is supported", ("$schema",))
        self.size = _SchemaSize(self._schema).count()
        try:
            self._validator = jsonschema_rs.Draft202012Validator(
                {"allOf": [self._schema]} if isinstance(self._schema, bool) else _without_names(self._schema),
                pattern_options=RegexOptions(size_limit=MAX_PATTERN_BYTES, dfa_size_limit=MAX_PATTERN_BYTES),
                offline=True,
            )
        except (jsonschema_rs.ValidationError, jsonschema_rs.ReferencingError, ValueError) as error:
            reason = getattr(error, "message", None) or str(error)
            path = tuple(str(step) for step in getattr(error, "instance_path", ()))
            raise SchemaRefused(f"it is not a JSON Schema: {reason[:500]}", path) from None

    def violations(self, value: Any, steps: Steps) -> list[Violation]:
        """The places where a value violates the schema; only the first if it takes many steps. Raises `TooManySteps`.

        Pointers are relative to the value.
        """
        before = steps.left
        _Validation(self._schema, steps).apply(self._schema, value, 0)
        secrets = [*self._secrets(value)]
        if self._validator.is_valid(value):
            return secrets
        errors = self._errors(value, one=before - steps.left > _MAX_LISTED_STEPS)
        return secrets + [
            found for error in errors if not _is_reference(error.instance) for found in _violations_of(error)
        ]

    def _secrets(self, value: Any) -> Iterator[Violation]:
        """Secret members with a value in plain text instead of a reference."""
        properties = self._schema.get("properties", {}) if isinstance(self._schema, dict) else {}
        for name, schema in properties.items() if isinstance(value, dict) else ():
            is_secret = isinstance(schema, dict) and schema.get("writeOnly") is True
            if is_secret and name in value and not _is_reference(value[name]):
                yield violation(pointer_to([name]), "is a secret; write a reference to it, such as ${env:NAME}")

    def _errors(self, value: Any, *, one: bool) -> Iterator[Any]:
        if not one:
            yield from self._validator.iter_errors(value)
            return
        try:
            self._validator.validate(value)
        except jsonschema_rs.ValidationError as error:
            yield error


@lru_cache(maxsize=128)
def config_schema(text: bytes) -> ConfigSchema:
    """A schema that was accepted before. Raises `SchemaRefused`."""
    return ConfigSchema(text)


def _is_reference(value: Any) -> bool:
    """Whether a text stands for a value that only the runtime knows."""
    return isinstance(value, str) and REFERENCE.fullmatch(value) is not None


def _violations_of(error: Any) -> Iterator[Violation]:
    path = list(error.instance_path)
    if isinstance(error.kind, ValidationErrorKind.AdditionalProperties):
        steps = [str(step) for step in path]
        yield from (violation(pointer_to([*steps, name]), "is unknown") for name in error.kind.unexpected)
    else:
        yield violation_of(error.kind, path)


def _without_names(schema: dict[str, Any]) -> dict[str, Any]:
    """The schema without its own id, so that no reference can lead to it by that id."""
    return {name: value for name, value in schema.items() if name not in ("$id", "$schema")}


def _resolve(root: Any, reference: Any, path: Path) -> Any:
    """The target of a reference. Raises `SchemaRefused`."""
    if not isinstance(reference, str) or (reference != "#" and not reference.startswith("#/")):
        raise SchemaRefused(f"the reference {str(reference)[:200]!r} leads out of the schema", path)
    found = root
    for step in reference[2:].split("/") if reference != "#" else []:
        name = step.replace("~1", "/").replace("~0", "~")
        if isinstance(found, list) and name.isdecimal() and int(name) < len(found):
            found = found[int(name)]
        elif isinstance(found, dict) and name in found:
            found = found[name]
        else:
            raise SchemaRefused(f"the reference {reference[:200]!r} leads nowhere", path)
    return found


class _SchemaSize:
    """Counts the subschemas of a schema, as a compiler that follows each reference would see them."""

    def __init__(self, root: Any) -> None:
        self._root = root
        self._subschemas = 0
        self._patterns = 0

    def count(self) -> int:
        """How many schemas there are. Raises `SchemaRefused`."""
        self._visit(self._root, (), frozenset())
        return self._subschemas

    def _visit(self, schema: Any, path: Path, followed: frozenset[str]) -> None:
        self._subschemas += 1
        if self._subschemas > MAX_SUBSCHEMAS:
            raise SchemaRefused(f"with all that it refers to, it has more than {MAX_SUBSCHEMAS} schemas", path)
        if len(path) > MAX_DEPTH:
            raise SchemaRefused(f"its schemas are nested deeper than {MAX_DEPTH} levels", path)
        if not isinstance(schema, dict):
            return
        self._check(schema, path)
        if "$ref" in schema:
            reference = schema["$ref"]
            target = _resolve(self._root, reference, (*path, "$ref"))
            if reference not in followed:
                self._visit(target, (*path, "$ref"), followed | {reference})
        for name, inner in _inner(schema):
            self._visit(inner, (*path, *name), followed)

    def _check(self, schema: dict[str, Any], path: Path) -> None:
        for keyword in _REFUSED:
            if keyword in schema:
                raise SchemaRefused(f"{keyword} is not supported", (*path, keyword))
        if path and "$id" in schema:
            raise SchemaRefused("$id is supported at the root only", (*path, "$id"))
        patterns = schema.get("patternProperties")
        self._patterns += ("pattern" in schema) + (len(patterns) if isinstance(patterns, dict) else 0)
        if self._patterns > MAX_PATTERNS:
            raise SchemaRefused(f"it has more than {MAX_PATTERNS} patterns", path)


def _inner(schema: dict[str, Any]) -> Iterator[tuple[Path, Any]]:
    """The subschemas of a schema, with their places in it."""
    for keyword in _MAPS:
        members = schema.get(keyword)
        if isinstance(members, dict):
            yield from (((keyword, name), inner) for name, inner in members.items())
    for keyword in _LISTS:
        items = schema.get(keyword)
        if isinstance(items, list):
            yield from (((keyword, str(number)), inner) for number, inner in enumerate(items))
    for keyword in _SINGLE:
        if isinstance(schema.get(keyword), dict):
            yield (keyword,), schema[keyword]


class _Validation:
    """Counts the steps of applying a schema to a value, including branches that a validator might skip."""

    def __init__(self, root: Any, steps: Steps) -> None:
        self._root = root
        self._steps = steps

    def apply(self, schema: Any, value: Any, depth: int) -> None:
        """Count the steps of applying a schema to a value. Raises `TooManySteps`."""
        self._steps.take()
        if depth > MAX_DEPTH:
            raise TooManySteps
        if not isinstance(schema, dict):
            return
        # A validator applies the whole schema once more to determine which members are evaluated.
        for _ in range(1 + sum(keyword in schema for keyword in _AGAIN)):
            self._in_place(schema, value, depth + 1)
            if isinstance(value, dict):
                self._in_object(schema, value, depth + 1)
            elif isinstance(value, list):
                self._in_array(schema, value, depth + 1)
            elif isinstance(value, str):
                self._steps.take(len(value) // _CHARACTERS_OF_A_STEP)

    def _in_place(self, schema: dict[str, Any], value: Any, depth: int) -> None:
        if "$ref" in schema:
            self.apply(_resolve(self._root, schema["$ref"], ()), value, depth)
        for keyword in ("allOf", "anyOf", "oneOf"):
            for inner in schema.get(keyword, ()):
                self.apply(inner, value, depth)
        for keyword in ("not", "if", "then", "else"):
            if keyword in schema:
                self.apply(schema[keyword], value, depth)
        if isinstance(value, dict):
            for inner in schema.get("dependentSchemas", {}).values():
                self.apply(inner, value, depth)
        self._steps.take(len(schema.get("enum", ())) // 8)

    def _in_object(self, schema: dict[str, Any], value: dict[str, Any], depth: int) -> None:
        properties = schema.get("properties", {})
        for name, member in value.items():
            if name in properties:
                self.apply(properties[name], member, depth)
        for keyword in ("additionalProperties", "unevaluatedProperties"):
            if keyword in schema:
                for member in value.values():
                    self.apply(schema[keyword], member, depth)
        for inner in schema.get("patternProperties", {}).values():
            for name, member in value.items():
                self._steps.take(len(name) // _CHARACTERS_OF_A_STEP)
                self.apply(inner, member, depth)
        if "propertyNames" in schema:
            for name in value:
                self.apply(schema["propertyNames"], name, depth)

    def _in_array(self, schema: dict[str, Any], value: list[Any], depth: int) -> None:
        if schema.get("uniqueItems") is True:
            self._steps.take(len(value) * max(1, len(value) // 64))
        for inner, element in zip(schema.get("prefixItems", ()), value, strict=False):
            self.apply(inner, element, depth)
        for keyword in ("items", "contains", "unevaluatedItems"):
            if keyword in schema:
                for element in value:
                    self.apply(schema[keyword], element, depth)
