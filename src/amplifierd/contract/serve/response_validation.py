"""Validates every response against the contract before it is sent: status, headers, media type, body.

Costs one parse and one validation for each response, and buffers streams other than event streams; for tests, and for
`--check-responses`.
"""

import logging
import sys
from collections.abc import Callable
from typing import Any

import msgspec
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ..core.document import Document, Json
from ..core.ijson import MAX_DEPTH, NotIJson, decode
from ..core.paths import Paths
from ..core.problems import Problem, render
from ..core.schema import Schemas, Validator
from ..request.body import NDJSON
from ..request.file_body import ANY
from ..response.content_coding import decompress
from ..response.sse import EVENT_STREAM
from .event_validation import EventCheck, EventInvalid, is_event_stream

logger = logging.getLogger("amplifierd")

# Headers of the content, its coding and the connection (RFC 9110, sections 8.3, 8.6, 8.4, 12.5.5 and 7.6.1) are not
# declared by operations.
_OF_EVERY_MESSAGE = {"content-type", "content-length", "content-encoding", "vary", "connection"}

# How much deeper a client's own JSON may be in a response than in its request.
LEVELS_AROUND = 10


class ResponseCheck:
    """Serves `app`; replaces a response that violates the contract with a 500 that says why."""

    def __init__(self, app: ASGIApp, document: Document, paths: Paths, schemas: Schemas) -> None:
        self._app = app
        self._document = document
        self._paths = paths
        self._schemas = schemas
        self._validators: dict[str, Validator] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        operation = self._operation(scope)
        if operation is None:
            await self._app(scope, receive, send)
            return
        messages: list[Message] = []
        # Checks each part of a response that is sent as it comes.
        check: Callable[[bytes], None] | None = None

        async def hold(message: Message) -> None:
            nonlocal check
            if message["type"] == "http.response.start" and is_event_stream(message):
                # The stream may never end, so each event is validated as it passes.
                check = EventCheck(self._event_faults(operation)).check
                await self._begin_stream(operation, message, send)
            elif message["type"] == "http.response.start" and self._is_file(operation, message["status"]):
                check = _any_bytes
                await self._begin_stream(operation, message, send)
            elif check is not None:
                check(message["body"])
                await send(message)
            else:
                messages.append(message)

        await self._app(scope, receive, hold)
        for message in messages and self._check(operation, scope["method"], messages):
            await send(message)

    def _operation(self, scope: Scope) -> Json | None:
        if scope["type"] != "http":
            return None
        return self._paths.operations(scope["raw_path"]).get(scope["method"])

    def _check(self, operation: Json, method: str, messages: list[Message]) -> list[Message]:
        start, *bodies = messages
        headers = {name.decode(): value.decode() for name, value in start["headers"]}
        body = b"".join(message.get("body", b"") for message in bodies)
        if body and "content-encoding" in headers:
            body = decompress(headers["content-encoding"], body)
        faults = self._faults(operation, start["status"], headers, None if method == "HEAD" else body)
        if not faults:
            summary = (operation["operationId"], start["status"], headers.get("content-type", "-").partition(";")[0])
            logger.debug("Checked response: %s %s %s", *summary)
            return messages
        request_id = headers.get("x-request-id", "")
        detail = f"The response of {operation['operationId']} violates the contract: {'; '.join(faults)}."
        logger.error("Request %s: %s", request_id, detail)
        problem_headers, problem_body = render(Problem(500, "broken-contract", detail), request_id)
        problem_headers.append((b"x-request-id", request_id.encode()))
        return [
            {"type": "http.response.start", "status": 500, "headers": problem_headers},
            {"type": "http.response.body", "body": problem_body},
        ]

    async def _begin_stream(self, operation: Json, start: Message, send: Send) -> None:
        headers = {name.decode(): value.decode() for name, value in start["headers"]}
        declared = self._document.resolve(operation["responses"][str(start["status"])])
        if faults := self._header_faults(declared.get("headers", {}), headers):
            raise EventInvalid("; ".join(faults))
        [media_type] = declared["content"]
        logger.debug("Checked response: %s %s %s", operation["operationId"], start["status"], media_type)
        await send(start)

    def _is_file(self, operation: Json, status: int) -> bool:
        return ANY in self._document.resolve(operation["responses"].get(str(status), {})).get("content", {})

    def _event_faults(self, operation: Json) -> Callable[[Json], list[str]]:
        schema = operation["responses"]["200"]["content"][EVENT_STREAM]["schema"]
        return lambda event: [f"{each.pointer} {each.detail}" for each in self._violations(schema, event)]

    def _faults(self, operation: Json, status: int, headers: dict[str, str], body: bytes | None) -> list[str]:
        node = operation["responses"].get(str(status))
        if node is None:
            return [f"status {status} is not declared"]
        declared = self._document.resolve(node)
        return [
            *self._header_faults(declared.get("headers", {}), headers),
            *self._body_faults(declared.get("content", {}), headers.get("content-type"), body),
        ]

    def _header_faults(self, declared: Json, headers: dict[str, str]) -> list[str]:
        faults = []
        for name, node in declared.items():
            header = self._document.resolve(node)
            value = headers.get(name.lower())
            if value is None and header.get("required", False):
                faults.append(f"header {name} is missing")
            elif value is not None:
                typed = int(value) if header["schema"]["type"] == "integer" else value
                faults += [
                    f"header {name} {violation.detail}" for violation in self._violations(header["schema"], typed)
                ]
        undeclared = set(headers) - {name.lower() for name in declared} - _OF_EVERY_MESSAGE
        return [*faults, *(f"header {name} is not declared" for name in sorted(undeclared))]

    def _body_faults(self, content: Json, content_type: str | None, body: bytes | None) -> list[str]:
        if not content:
            return [f"a body of {len(body)} bytes is not declared"] if body else []
        media_type = (content_type or "").partition(";")[0]
        if media_type not in content:
            return [f"media type {content_type} is not declared"]
        if body is None:
            return []
        try:
            values = _values(media_type, body)
        except NotIJson as error:
            return [f"the body is not I-JSON: {error}"]
        schema = content[media_type]["schema"]
        if media_type == NDJSON:
            schema = self._document.line_schema(schema)
        return [
            f"{each.pointer or 'the body'} {each.detail}"
            for value in values
            for each in self._violations(schema, value)
        ]

    def _violations(self, schema: Json, value: Any) -> list[Any]:
        key = msgspec.json.encode(schema).decode()
        if key not in self._validators:
            self._validators[key] = self._schemas.closed_validator(schema)
        return self._validators[key].violations(value)


def _any_bytes(_body: bytes) -> None:
    """A file has any length and any bytes."""


def _values(media_type: str, body: bytes) -> list[Any]:
    """The values in a body to validate: one value, a text, or one value a line. Raises `NotIJson`."""
    if media_type.startswith("text/"):
        return [body.decode()]
    texts = body.splitlines() if media_type == NDJSON else [body]
    return [decode(text, deepest=MAX_DEPTH + LEVELS_AROUND, most_values=sys.maxsize)[0] for text in texts]
