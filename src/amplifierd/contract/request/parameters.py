"""Path, query and header parameters: decodes texts to values that the contract allows."""

import builtins
import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from keyword import iskeyword
from typing import Any
from urllib.parse import parse_qsl

import msgspec

from ..core.document import ContractError, Document, Json
from ..core.problems import Problem, shorten
from ..core.request_state import Fields
from ..core.schema import Schemas, Validator

# The argument of a handler that takes all query parameters as one record.
QUERY = "query"
MAX_PARAMETERS = 100
# The number of decoded queries that are cached for an operation.
MAX_REMEMBERED = 32

_INTEGER = re.compile(r"-?(0|[1-9][0-9]{0,30})")
_NUMBER = re.compile(r"-?(0|[1-9][0-9]{0,30})(\.[0-9]{1,30})?([eE][+-]?[0-9]{1,2})?")

Arguments = dict[str, Any]


class Parameter:
    """One parameter of an operation; `argument` is its name in the handler: `in_` for `in` and `id_` for `id`."""

    def __init__(self, declared: Json, schema: Json, validator: Validator, item: Json | None = None) -> None:
        self.name: str = declared["name"]
        # Keywords and names of built-in functions.
        self.argument = f"{self.name}_" if iskeyword(self.name) or hasattr(builtins, self.name) else self.name
        self.required: bool = declared.get("required", False)
        self.default = schema.get("default")
        self.is_repeated = schema["type"] == "array"
        self._parse = _PARSERS[schema["type"] if item is None else item["type"]]
        self._validator = validator

    def value(self, text: str) -> Any:
        """The value of `text`. Raises ValueError, whose text says what it must be."""
        value = self._parse(text)
        if not self._validator.is_valid(value):
            raise self._error(value)
        return value

    def values(self, texts: list[str]) -> tuple[Any, ...]:
        """The values of a parameter that `is_repeated`, in their order. Raises ValueError."""
        values = [self._parse(text) for text in texts]
        if not self._validator.is_valid(values):
            raise self._error(values)
        return tuple(values)

    def _error(self, value: Any) -> ValueError:
        return ValueError("; it ".join(violation.detail for violation in self._validator.violations(value)))


def _boolean(text: str) -> bool:
    if text not in ("true", "false"):
        raise ValueError("must be true or false")
    return text == "true"


def _integer(text: str) -> int:
    if _INTEGER.fullmatch(text) is None:
        raise ValueError("must be an integer")
    return int(text)


def _number(text: str) -> float:
    if _NUMBER.fullmatch(text) is None:
        raise ValueError("must be a number")
    return float(text)


_PARSERS: Mapping[str, Callable[[str], Any]] = {
    "string": str,
    "integer": _integer,
    "number": _number,
    "boolean": _boolean,
}


class PathParameters:
    """The path parameters of an operation, and their `names`."""

    def __init__(self, parameters: list[Parameter]) -> None:
        self._parameters = parameters
        self.names = [parameter.name for parameter in parameters]

    def bind(self, texts: Mapping[str, str], arguments: Arguments) -> None:
        """Put each parameter's value into `arguments`. Raises a 404 problem for an invalid value."""
        for parameter in self._parameters:
            text = texts[parameter.name]
            try:
                arguments[parameter.name] = parameter.value(text)
            except ValueError as error:
                detail = f"Path parameter '{parameter.name}' is {_quoted(text)}: it {error}."
                raise Problem(404, "not-found", detail) from None


class QueryParameters:
    """The query parameters of an operation, and the `names` of its handler's arguments for them.

    There is one argument for each parameter, or only `query`: a `record` of the parameters that have a value. The
    fields of the record have the parameters' names on the wire.
    """

    def __init__(self, parameters: list[Parameter], record: type[msgspec.Struct] | None) -> None:
        self._record = record
        self._fields = (
            {} if record is None else {each.encode_name: each.name for each in msgspec.structs.fields(record)}
        )
        self._parameters = {parameter.name: parameter for parameter in parameters}
        self._defaults = {parameter.argument: parameter.default for parameter in parameters}
        self._required = [parameter.name for parameter in parameters if parameter.required]
        self.names = list(self._defaults) if record is None else [QUERY]
        # Clients mostly repeat the same query.
        self._values = lru_cache(maxsize=MAX_REMEMBERED)(self._read)

    def bind(self, query: bytes, arguments: Arguments) -> None:
        """Put each parameter's value into `arguments`, its default or None if it is missing.

        Raises a 400 problem, by name, for a parameter that is unknown, repeated, malformed or missing.
        """
        arguments.update(self._values(query))

    def _read(self, query: bytes) -> Arguments:
        values = dict(self._defaults)
        given: dict[str, list[str]] = {}
        for name, text in _pairs(query) if query else []:
            texts = given.setdefault(name, [])
            if texts and not self._parameter(name).is_repeated:
                raise _bad(f"Query parameter {_quoted(name)} is given more than once; give it once.")
            texts.append(text)
        for name, texts in given.items():
            parameter = self._parameter(name)
            values[parameter.argument] = _read(parameter, texts)
        for name in self._required:
            if name not in given:
                raise _bad(f"Query parameter {_quoted(name)} is required.")
        return values if self._record is None else {QUERY: self._record(**self._present_values(values))}

    def _present_values(self, values: Arguments) -> Arguments:
        """The parameters that have a value, by the names of the record's fields."""
        fields = {self._fields[name]: values[parameter.argument] for name, parameter in self._parameters.items()}
        return {name: value for name, value in fields.items() if value is not None}

    def _parameter(self, name: str) -> Parameter:
        parameter = self._parameters.get(name)
        if parameter is None:
            raise _bad(f"Query parameter {_quoted(name)} is unknown; {self._accepted_names()}.")
        return parameter

    def _accepted_names(self) -> str:
        return (
            f"this operation takes: {', '.join(self._parameters)}" if self._parameters else "this operation takes none"
        )


def _read(parameter: Parameter, texts: list[str]) -> Any:
    try:
        return parameter.values(texts) if parameter.is_repeated else parameter.value(texts[0])
    except ValueError as error:
        raise _bad(f"Query parameter '{parameter.name}' is {_quoted('&'.join(texts))}: it {error}.") from None


class Header(Parameter):
    """A parameter in a header; `argument` is its handler's name for it, in snake_case."""

    def __init__(self, document: Document, schemas: Schemas, operation: Json, declared: Json) -> None:
        super().__init__(declared, _schema(document, operation, declared), schemas.validator(declared["schema"]))
        self.argument = self.name.lower().replace("-", "_")
        self.field = self.name.lower().encode()

    def read(self, field: bytes) -> Any:
        """The value of a field. Raises a 400 problem."""
        text = field.decode("latin-1")
        try:
            return self.value(text)
        except ValueError as error:
            raise _bad(f"Header '{self.name}' is {_quoted(text)}: it {error}.") from None

    def joined(self, fields: Fields) -> Any:
        """The value of the header, whose lines are one list (RFC 9110, section 5.3). Raises a 400 problem."""
        return self.read(b", ".join(fields[self.field])) if self.field in fields else self.default


class HeaderParameters:
    """The header parameters of an operation, by the handler's names for them."""

    def __init__(self, headers: Mapping[str, Header]) -> None:
        self._headers = headers

    def bind(self, fields: Fields, arguments: Arguments) -> None:
        """Put each header's value into `arguments`, its default or None if it is missing.

        Raises a 400 problem, by name, for one that is malformed or repeated.
        """
        for argument, header in self._headers.items():
            values = fields.get(header.field)
            if values is None:
                arguments[argument] = header.default
            elif len(values) > 1:
                raise _bad(f"Header '{header.name}' is given more than once; give it once.")
            else:
                arguments[argument] = header.read(values[0])


def _pairs(query: bytes) -> list[tuple[str, str]]:
    try:
        # An empty text between two `&` is not a parameter.
        text = re.sub("&+", "&", query.decode("ascii")).strip("&")
        return parse_qsl(text, keep_blank_values=True, errors="strict", max_num_fields=MAX_PARAMETERS)
    except UnicodeDecodeError:
        raise _bad("The query is not UTF-8, percent-encoded.") from None
    except ValueError:
        raise _bad(f"The query has more than {MAX_PARAMETERS} parameters.") from None


def _bad(detail: str) -> Problem:
    return Problem(400, "bad-parameter", detail)


def _quoted(text: str) -> str:
    return f"'{shorten(text, 200)}'"


def compile_parameters(
    document: Document, schemas: Schemas, path: str, operation: Json, record: type[msgspec.Struct] | None
) -> tuple[PathParameters, QueryParameters, list[Header]]:
    """The parameters of an operation in the contract's order; `record` is the handler's type for its query, if any.

    Raises `ContractError` for an unsupported parameter (in a cookie, or of a type that is not text), and if the fields
    of the record, by their names on the wire, differ from the parameters of the query.
    """
    compiled: dict[str, list[Parameter]] = {"path": [], "query": []}
    headers: list[Header] = []
    for declared in document.parameters(path, operation):
        schema = _schema(document, operation, declared)
        if declared["in"] == "header":
            headers.append(Header(document, schemas, operation, declared))
        else:
            item = document.resolve(schema["items"]) if schema["type"] == "array" else None
            compiled[declared["in"]].append(Parameter(declared, schema, schemas.validator(declared["schema"]), item))
    if record is not None:
        _check_record(operation, record, {parameter.name for parameter in compiled["query"]})
    return PathParameters(compiled["path"]), QueryParameters(compiled["query"], record), headers


def _check_record(operation: Json, record: type[msgspec.Struct], declared: set[str]) -> None:
    fields = {field.encode_name for field in msgspec.structs.fields(record)}
    for name in sorted(declared - fields):
        raise ContractError(
            f"Operation {operation['operationId']}: {record.__name__} lacks a field for the query parameter '{name}' "
            "of the contract."
        )
    for name in sorted(fields - declared):
        raise ContractError(
            f"Operation {operation['operationId']}: {record.__name__} has a field '{name}' that is not a query "
            "parameter of the contract."
        )


def _schema(document: Document, operation: Json, declared: Json) -> Json:
    schema = document.resolve(declared["schema"])
    # A query repeats the name for each item (https://spec.openapis.org/oas/v3.0.3#style-values: form, exploded).
    is_repeated = declared["in"] == "query" and schema.get("type") == "array"
    kind = document.resolve(schema["items"]).get("type") if is_repeated else schema.get("type")
    if declared["in"] not in ("path", "query", "header") or kind not in _PARSERS:
        raise ContractError(
            f"Operation {operation['operationId']}: parameter {declared['name']} in {declared['in']} "
            f"of type {schema.get('type')} is not supported."
        )
    return schema
