"""One operation of the contract, compiled: what it takes, the handler that does it, how it answers."""

import inspect
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, get_type_hints

import msgspec
from starlette.types import Receive, Scope, Send

from .body import JSON, Body
from .document import ContractError, Document, Json
from .parameters import Arguments, compile_parameters
from .response import Response
from .schema import Schemas

Handler = Callable[..., Awaitable[Any]]


@dataclass(frozen=True, slots=True)
class Compilation:
    """What compiling one operation takes besides it: the document, and what the app provides to handlers by name."""

    document: Document
    schemas: Schemas
    provided: Mapping[str, object]
    max_body: int


class Operation:
    """An ASGI application that serves one operation: decode once, validate once, call, encode once."""

    def __init__(self, compilation: Compilation, path: str, method: str, handler: Handler) -> None:
        """Compile; raises `ContractError` where the handler does not fit the contract."""
        document = compilation.document
        operation = document.spec["paths"][path][method]
        self._path, self._query, names = compile_parameters(document, compilation.schemas, path, operation)
        self._body = _compile_body(compilation, operation, handler)
        self._handler = handler
        self._provided = _provided(operation, handler, names, compilation.provided)
        self._response = Response(document, operation, handler)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        arguments: Arguments = dict(self._provided)
        self._path.bind(scope["path_params"], arguments)
        self._query.bind(scope["query_string"], arguments)
        if self._body is not None:
            arguments["body"] = await self._body.read(scope, receive)
        await self._response.send(scope, send, await self._handler(**arguments))


def _compile_body(compilation: Compilation, operation: Json, handler: Handler) -> Body | None:
    if "requestBody" not in operation:
        return None
    declared = compilation.document.resolve(operation["requestBody"])
    if set(declared["content"]) != {JSON}:
        raise ContractError(f"Operation {operation['operationId']}: a body that is not {JSON} is not supported.")
    schema = declared["content"][JSON]["schema"]
    record: Any = get_type_hints(handler).get("body")
    properties = set(compilation.document.resolve(schema).get("properties", {}))
    fields = {field.encode_name for field in msgspec.structs.fields(record)} if _is_struct(record) else set()
    if properties != fields:
        raise ContractError(
            f"Operation {operation['operationId']}: its body has the properties {sorted(properties)}, "
            f"{_name(handler)} takes {sorted(fields)}."
        )
    validator = compilation.schemas.validator(schema)
    return Body(validator, record, required=declared.get("required", False), max_bytes=compilation.max_body)


def _provided(operation: Json, handler: Handler, names: list[str], provided: Mapping[str, object]) -> dict[str, object]:
    """What the app provides of the handler's parameters, once it is sure that the contract gives all others."""
    contracted = {*names, "body"} if "requestBody" in operation else {*names}
    parameters = inspect.signature(handler).parameters
    for name in sorted(contracted - set(parameters)):
        raise ContractError(
            f"Operation {operation['operationId']}: {_name(handler)} has no parameter '{name}', which the contract has."
        )
    for name in parameters:
        if name not in contracted and name not in provided:
            raise ContractError(
                f"Operation {operation['operationId']}: {_name(handler)} has a parameter '{name}' "
                f"that neither the contract nor the app has; the app has {', '.join(sorted(provided))}."
            )
    return {name: provided[name] for name in parameters if name not in contracted}


def _is_struct(record: Any) -> bool:
    return isinstance(record, type) and issubclass(record, msgspec.Struct)


def _name(handler: Handler) -> str:
    return f"{handler.__module__}.{handler.__qualname__}"
