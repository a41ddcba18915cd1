"""Compiles an operation of the contract: its input, its handler, its response."""

import inspect
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, get_type_hints

import msgspec
from starlette.types import Receive, Scope, Send

from ...storage.model.files import ImportFile, NewFile
from ...storage.model.records import AlreadyApplied, Digest, Events
from ..access.rate_limit import RateLimit
from ..access.security import Authenticate, Security
from ..core.document import ContractError, Document, Json
from ..core.executor import INLINE_BYTES, SerialExecutor
from ..core.request_state import AdmissionLimit, caller_of, check_connected, request_state_of
from ..core.schema import Schemas
from ..request.body import JSON, MERGE_PATCH, NDJSON, OCTETS, Body, RecordReader
from ..request.file_body import ANY, FileBody
from ..request.idempotency import ARGUMENT, IDEMPOTENCY_KEY, Idempotency, InUse
from ..request.media_decoders import BodyDecoder
from ..request.ndjson import ImportBody
from ..request.parameters import QUERY, Arguments, Header, HeaderParameters, compile_parameters
from ..response.content_coding import Compression
from ..response.etag import IF_MATCH, IF_NONE_MATCH, Preconditions, preconditions_of
from ..response.file_response import IF_RANGE, RANGE
from ..response.large_responses import LARGE_BYTES, MEDIUM_BYTES, LargeResponses, discard, size_of
from ..response.negotiation import Renderer
from ..response.response import Delivery, Response
from ..response.unsent_data import UnsentData

Handler = Callable[..., Awaitable[Any]]

# The handler's parameter for the workspace of the request's credential.
WORKSPACE = "workspace"
# The handler's parameter for a function that it calls after each part of a long write.
PROGRESSED = "progressed"


@dataclass(frozen=True, slots=True)
class Compilation:
    """The context for compiling operations; `provided` are the app's arguments for handlers, by name."""

    document: Document
    schemas: Schemas
    provided: Mapping[str, object]
    authenticate: Authenticate
    rate_limit: RateLimit | None
    capacity: AdmissionLimit
    executor: SerialExecutor
    compression: Compression
    max_body: int
    max_file: int
    renderers: Mapping[tuple[str, str], Renderer]
    body_decoders: Mapping[tuple[str, str], BodyDecoder]
    unsent: UnsentData = field(default_factory=UnsentData)
    large: LargeResponses = field(default_factory=LargeResponses)
    keys_in_use: InUse = field(default_factory=set)


class Operation:
    """An ASGI application that serves one operation: decode once, validate once, call, encode once."""

    def __init__(self, compilation: Compilation, path: str, method: str, handler: Handler) -> None:
        """Compile the operation. Raises `ContractError` if the handler does not match the contract."""
        document, schemas = compilation.document, compilation.schemas
        operation = document.spec["paths"][path][method]
        hints = get_type_hints(handler)
        record = hints.get(QUERY)
        self._path, self._query, headers = compile_parameters(
            document, schemas, path, operation, record if _is_struct(record) else None
        )
        bound = _bound(headers)
        self._headers = HeaderParameters(bound) if bound else None
        # Only the limits of these headers are checked here: the response reads them, and ignores an invalid range.
        ranges = {header.argument: header for header in headers if header.name in (RANGE, IF_RANGE)}
        self._ranges = HeaderParameters(ranges) if ranges else None
        preconditions = preconditions_of(document, schemas, path, method, operation)
        is_read = method == "get"
        self._respond = self._respond_read if is_read else self._respond_write
        self._respond_large = self._respond_large_read if is_read else self._respond_large_write
        # The preconditions of a read are evaluated against its result, if that has a tag.
        of_result = preconditions if is_read and isinstance(preconditions, Preconditions) else None
        self._preconditions = preconditions if of_result is None else None
        self._body = _compile_body(compilation, operation, _name(handler), hints.get("body"))
        self._handler = handler
        self._executor = compilation.executor
        self._follows = hints["return"] is Events
        names = [
            *self._path.names,
            *self._query.names,
            *bound,
            *(self._preconditions.names if self._preconditions else ()),
        ]
        self._security = Security(document, operation, compilation.authenticate, compilation.rate_limit)
        known = compilation.provided if self._security.is_public else {**compilation.provided, WORKSPACE: None}
        known = {**known, PROGRESSED: None}
        self._provided = _provided(operation, handler, names, known)
        self._takes_workspace, self._takes_progressed = WORKSPACE in self._provided, PROGRESSED in self._provided
        self._idempotency = Idempotency(operation["operationId"], compilation.keys_in_use)
        self._response = Response(
            document,
            operation,
            hints["return"],
            compilation.renderers,
            of_result,
            compilation.executor,
            compilation.compression,
            compilation.unsent,
            compilation.large,
        )
        self._large = compilation.large
        self._capacity = compilation.capacity

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request_state = request_state_of(scope)
        credential = await self._security.admit(scope, request_state)
        arguments: Arguments = self._provided.copy()
        if self._takes_workspace and credential is not None:
            arguments[WORKSPACE] = credential.workspace
        if self._takes_progressed:
            arguments[PROGRESSED] = request_state.progressed
        self._path.bind(scope["path_params"], arguments)
        self._query.bind(scope["query_string"], arguments)
        if self._headers is not None:
            self._headers.bind(request_state.fields, arguments)
        if self._ranges is not None:
            self._ranges.bind(request_state.fields, {})
        if self._preconditions is not None:
            self._preconditions.bind(request_state.fields, arguments)
        text: bytes | Digest = b""
        if self._body is not None:
            arguments["body"], text = await self._body.read(scope, receive)
        # If its result is known to be large, the request waits for its turn first.
        respond = self._respond_large if self._large.is_known(scope) else self._respond
        delivery = await respond(scope, receive, arguments, text)
        if self._body is not None:
            # While the client reads the response, the body must not count against the limit for all bodies.
            arguments.clear()
            text = b""
            if request_state.held_bytes:
                self._capacity.resize(request_state, 0)
        if isinstance(delivery, tuple):
            status, headers, body = delivery
            await send({"type": "http.response.start", "status": status, "headers": headers})
            await send({"type": "http.response.body", "body": body})
        else:
            await delivery(send)

    async def _respond_read(
        self, scope: Scope, receive: Receive, arguments: Arguments, text: bytes | Digest
    ) -> Delivery:
        result = await self._handler(**arguments)
        if self._follows:
            result = Events(self._security.while_admitted(scope, result.batches), result.release)
        size = size_of(result)
        if size <= MEDIUM_BYTES:
            return await self._response.prepare(scope, receive, result, False)
        if size > LARGE_BYTES:
            self._large.remember(scope)
        elif not self._large.medium.locked():
            async with self._large.medium:
                return await self._response.prepare(scope, receive, result, False)
        delivery = await self._respond_now(scope, receive, result)
        del result
        return await self._respond_large_read(scope, receive, arguments, text) if delivery is None else delivery

    async def _respond_large_read(
        self, scope: Scope, receive: Receive, arguments: Arguments, _text: bytes | Digest
    ) -> Delivery:
        if _is_conditional(scope):
            async with self._large.conditional.place(caller_of(scope)):
                check_connected(scope)
                delivery = await self._respond_now(scope, receive, await self._handler(**arguments))
            if delivery is not None:
                return delivery
        async with self._large.whole.place(caller_of(scope)):
            check_connected(scope)
            return await self._response.prepare(scope, receive, await self._handler(**arguments), False)

    async def _respond_now(self, scope: Scope, receive: Receive, result: Any) -> Delivery | None:
        """The response to a read whose result must not wait in memory; None, without the result, if it must wait.

        It is then read again after the wait, because waiting results would take much more memory than sent results.
        """
        if self._response.is_known(result, request_state_of(scope).fields):
            return await self._response.prepare(scope, receive, result, False)
        caller = caller_of(scope)
        if not self._large.whole.is_reached(caller):
            async with self._large.whole.place(caller):
                return await self._response.prepare(scope, receive, result, False)
        await discard(result)
        return None

    async def _respond_large_write(
        self, scope: Scope, receive: Receive, arguments: Arguments, text: bytes | Digest
    ) -> Delivery:
        # Like other writes, it is applied even if its client has disconnected.
        async with self._large.whole.place(caller_of(scope)):
            return await self._respond_write(scope, receive, arguments, text)

    async def _respond_write(
        self, scope: Scope, receive: Receive, arguments: Arguments, text: bytes | Digest
    ) -> Delivery:
        key = arguments.get(ARGUMENT)
        if key is None:
            result, replayed = await self._handler(**arguments), False
        else:
            result, replayed = await self._written_once(scope, arguments, key, text)
        if size_of(result) > LARGE_BYTES:
            self._large.remember(scope)
        return await self._response.prepare(scope, receive, result, replayed)

    async def _written_once(
        self, scope: Scope, arguments: Arguments, key: str, text: bytes | Digest
    ) -> tuple[Any, bool]:
        """Apply a write with an `Idempotency-Key`. Returns its result, and whether that was recorded before."""
        digest = self._idempotency.digest
        long = isinstance(text, bytes) and len(text) > INLINE_BYTES
        digested = await self._executor.run(digest, scope, text) if long else digest(scope, text)
        with self._idempotency.handling(key, arguments.get(WORKSPACE), digested) as once:
            arguments[ARGUMENT] = once
            try:
                return await self._handler(**arguments), False
            except AlreadyApplied as recorded:
                return recorded.response, True


def _is_conditional(scope: Scope) -> bool:
    """Whether the client may have the requested representation already."""
    return IF_NONE_MATCH.lower().encode() in request_state_of(scope).fields


def _bound(headers: list[Header]) -> dict[str, Header]:
    """The headers for a handler, by the names of its parameters."""
    return {
        ARGUMENT if header.name == IDEMPOTENCY_KEY else header.argument: header
        for header in headers
        if header.name not in (IF_MATCH, IF_NONE_MATCH, RANGE, IF_RANGE)
    }


def _compile_body(
    compilation: Compilation, operation: Json, handler: str, record: Any
) -> Body | FileBody | ImportBody | None:
    """The reader of the body as a `record` for the handler named `handler`; None if the operation has no body."""
    if "requestBody" not in operation:
        return None
    declared = compilation.document.resolve(operation["requestBody"])
    media_types = list(declared["content"])
    operation_id = operation["operationId"]
    body_decoders = {name: reading for (of, name), reading in compilation.body_decoders.items() if of == operation_id}
    accepted = {ImportFile: {NDJSON, OCTETS}, NewFile: {ANY, OCTETS}}.get(record, {JSON, MERGE_PATCH})
    # Bytes of files, and media types with their own decoders, have no schema.
    [schema, *others] = [
        content["schema"] for name, content in declared["content"].items() if name not in {OCTETS, *body_decoders}
    ]
    if set(media_types) - accepted - set(body_decoders) or any(other != schema for other in others):
        raise ContractError(
            f"Operation {operation_id}: a body that is not of one schema, in {' or '.join(sorted(accepted))}, "
            "is not supported."
        )
    if record is NewFile:
        return FileBody(compilation.max_file)
    if record is ImportFile:
        validator = compilation.schemas.closed_validator(compilation.document.line_schema(schema))
        limits = (compilation.max_body, compilation.max_file)
        return ImportBody(validator, *limits, compilation.capacity, compilation.executor)
    properties = set(compilation.document.resolve(schema).get("properties", {}))
    fields = {field.encode_name for field in msgspec.structs.fields(record)} if _is_struct(record) else set()
    if properties != fields:
        raise ContractError(
            f"Operation {operation_id}: its body has the properties {sorted(properties)}, "
            f"{handler} takes {sorted(fields)}."
        )
    records = RecordReader(compilation.schemas.validator(schema), record)
    return Body(
        records,
        media_types,
        required=declared.get("required", False),
        max_bytes=compilation.max_body,
        capacity=compilation.capacity,
        executor=compilation.executor,
        body_decoders=body_decoders,
    )


def _provided(operation: Json, handler: Handler, names: list[str], provided: Mapping[str, object]) -> dict[str, object]:
    """The handler's arguments from the app. Raises `ContractError` unless its other parameters match the contract."""
    contracted = {*names, "body"} if "requestBody" in operation else {*names}
    parameters = inspect.signature(handler).parameters
    for name in sorted(contracted - set(parameters)):
        raise ContractError(
            f"Operation {operation['operationId']}: {_name(handler)} lacks the parameter '{name}' of the contract."
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
