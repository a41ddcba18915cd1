"""Request bodies: read within limits, decoded and validated once, bound to the handler's type."""

from collections.abc import Callable, Collection, Mapping
from types import MappingProxyType
from typing import Any

import msgspec
from starlette.requests import ClientDisconnect
from starlette.types import Receive, Scope

from ...storage.model.records import Digest
from ...storage.values.json_text import MAX_VALUES
from ..core.document import Document
from ..core.executor import INLINE_BYTES, SerialExecutor, run_and_yield
from ..core.ijson import MAX_DEPTH, NotIJson, TooManyValues, decode, is_surely_i_json
from ..core.problems import Problem, Violation, shorten
from ..core.request_state import AdmissionLimit, request_state_of
from ..core.schema import MAX_COUNTED, MAX_LISTED, Schemas, Validator
from ..core.violations import violation
from .media_decoders import BodyDecoder, decoded_body

JSON = "application/json"
MERGE_PATCH = "application/merge-patch+json"
NDJSON = "application/x-ndjson"
OCTETS = "application/octet-stream"

# Smaller bodies are not counted, because the number of concurrent requests is limited.
UNCOUNTED_BYTES = 64 * 1024

_BODY = "The body"
_MAX_NAMED = 5
_MAX_NAMED_CHARACTERS = 200


Locate = Callable[[Violation], Violation]


def _unchanged(violation: Violation) -> Violation:
    return violation


class SchemaViolated(ValueError):
    """The value is valid I-JSON but violates its schema."""

    def __init__(self, value: Any) -> None:
        super().__init__()
        self.value = value


class RecordReader:
    """Reads JSON records with limits for levels and values; each is decoded and validated once."""

    def __init__(
        self, validator: Validator, record: type[Any], deepest: int = MAX_DEPTH, most_values: int = MAX_VALUES
    ) -> None:
        self._validator = validator
        # JSON Schema accepts 1.0 as an integer; the validator refuses everything else that this decoder would accept.
        self._decoder = msgspec.json.Decoder(record, strict=False)
        self._deepest = deepest
        self._most_values = most_values

    def read(self, text: bytes, subject: str, located: Locate = _unchanged) -> tuple[Any, bytes]:
        """Decode the record in `text`. Returns it and its text without spaces. A problem calls it `subject`.

        Raises a problem: 400 not I-JSON, 413 too many values, 422 against the schema, each violation as returned by
        `located`.
        """
        try:
            return self.read_valid(text, subject, located)
        except SchemaViolated as error:
            raise self.violations_of(error.value, subject, located) from None

    def read_valid(self, text: bytes, subject: str, located: Locate = _unchanged) -> tuple[Any, bytes]:
        """Like `read`, but raises `SchemaViolated` for a schema violation, because finding the places takes longer."""
        try:
            value, compact = decode(text, self._deepest, self._most_values)
        except NotIJson as error:
            raise _not_i_json(error, subject, located) from None
        except TooManyValues as error:
            detail = f"{subject} has {error}, which is the limit."
            raise Problem(413, "body-too-large", detail) from None
        if not self._validator.is_valid(value):
            raise SchemaViolated(value)
        if len(compact) <= INLINE_BYTES:
            return self._decoder.decode(compact), compact
        return run_and_yield(self._decoder.decode, compact), compact

    def read_value(self, value: Any, subject: str) -> tuple[Any, bytes]:
        """Like `read`, for a value that was decoded from JSON: its text is checked only if it may be refused."""
        text = msgspec.json.encode(value)
        if is_surely_i_json(text, self._deepest, self._most_values) and self._validator.is_valid(value):
            return self._decoder.decode(text), text
        return self.read(text, subject)

    def violations_of(self, value: Any, subject: str, located: Locate = _unchanged) -> Problem:
        """The problem for a value that violates its schema: the first 100 places, and the number of others."""
        found = self._validator.violations(value, MAX_COUNTED)
        return _invalid([located(error) for error in found[:MAX_LISTED]], len(found), subject)

    def default(self) -> Any:
        """The record for an empty body."""
        return self._decoder.decode(b"{}")


def record_reader(document: Document, schema: str, record: type[Any]) -> RecordReader:
    """A reader of records as a schema of the contract defines them."""
    return RecordReader(Schemas(document).validator({"$ref": f"#/components/schemas/{schema}"}), record)


async def next_part(receive: Receive) -> tuple[bytes, bool]:
    """The next part of a body, and whether more follow. Raises `ClientDisconnect` if the client has disconnected."""
    message = await receive()
    if message["type"] == "http.disconnect":
        raise ClientDisconnect
    return message["body"], message["more_body"]


class BodyHeaders:
    """Checks the headers that describe a request's body, which has at most `max_bytes`."""

    def __init__(self, media_types: Collection[str], *, required: bool, max_bytes: int) -> None:
        self._media_types = media_types
        # As most clients write them: without parameters.
        self._plain_types = {media_type.encode() for media_type in media_types}
        self._required = required
        self._max_bytes = max_bytes

    def _check_headers(self, scope: Scope) -> bytes | None:
        """The content type. Raises a problem: 413 too large, 415 a type or a coding that is not supported."""
        fields = request_state_of(scope).fields
        for length in fields.get(b"content-length", ()):
            check_size(int(length), self._max_bytes, "The body")
        for coding in fields.get(b"content-encoding", ()):
            if coding.lower() != b"identity":
                raise _unsupported_coding(coding)
        content_types = fields.get(b"content-type")
        if content_types is None:
            # Without a type a body is bytes (RFC 9110, section 8.3), as some clients send a file.
            if self._required and OCTETS not in self._media_types:
                raise self._unsupported_media_type(scope, "The body has no Content-Type")
            return None
        if len(content_types) > 1:
            raise self._unsupported_media_type(scope, "The body has two Content-Type headers")
        if content_types[0] not in self._plain_types:
            self._check_content_type(scope, content_types[0])
        return content_types[0]

    def _check_content_type(self, scope: Scope, value: bytes) -> None:
        media_type, *parameters = (part.strip() for part in _text(value).lower().split(";"))
        if media_type not in self._media_types:
            raise self._unsupported_media_type(scope, f"Content-Type {_text(value)!r} is not supported here")
        for parameter in parameters:
            name, _, charset = parameter.partition("=")
            if name.strip() == "charset" and charset.strip().strip('"') not in ("utf-8", "utf8"):
                raise _not_json(f"charset {charset!r} is not UTF-8, the only one for JSON")

    def _unsupported_media_type(self, scope: Scope, fault: str) -> Problem:
        # Either header lists the accepted types (RFC 9110, section 15.5.16, and RFC 5789, section 2.2).
        accepted = ", ".join(self._media_types)
        headers = {"Accept": accepted, "Accept-Patch": accepted} if scope["method"] == "PATCH" else {"Accept": accepted}
        detail = f"{fault}; send {' or '.join(self._media_types)}."
        return Problem(415, "unsupported-media-type", detail, headers=headers)


class Body(BodyHeaders):
    """The body of an operation, in one of its media types, as a record for its handler.

    It is JSON unless its media type has a decoder.
    """

    def __init__(
        self,
        records: RecordReader,
        media_types: Collection[str],
        *,
        required: bool,
        max_bytes: int,
        capacity: AdmissionLimit,
        executor: SerialExecutor,
        body_decoders: Mapping[str, BodyDecoder] = MappingProxyType({}),
    ) -> None:
        super().__init__(media_types, required=required, max_bytes=max_bytes)
        self._records = records
        self._readings = body_decoders
        self._capacity = capacity
        self._executor = executor

    async def read(self, scope: Scope, receive: Receive) -> tuple[Any, bytes | Digest]:
        """The record in the body, and its text, or an iterator that reads it as it arrives.

        If an optional body is missing, a record of defaults.

        Raises a problem: 413 too large or too many values, 415 an unsupported content type, 400 not I-JSON,
        422 against the schema, 503 if there is no room for it now.
        """
        content_type = self._check_headers(scope)
        body = await self._whole(scope, receive)
        if not body and not self._required:
            return self._records.default(), b""
        if content_type is None:
            raise self._unsupported_media_type(scope, "The body has no Content-Type")
        reading = self._readings.get(_media_type(content_type)) if self._readings else None
        if reading is not None:
            return await self._executor.run(self._read_decoded, body, reading)
        if len(body) > INLINE_BYTES:
            return await self._executor.run(self._records.read, body, _BODY)
        try:
            return self._records.read_valid(body, _BODY)
        except SchemaViolated as error:
            raise await self._executor.run(self._records.violations_of, error.value, _BODY) from None

    def _read_decoded(self, body: bytes, reading: BodyDecoder) -> tuple[Any, bytes]:
        meaning = decoded_body(body, reading)
        return self._records.read(meaning.json, _BODY, meaning.located)

    async def _whole(self, scope: Scope, receive: Receive) -> bytes:
        parts: list[bytes] = []
        size, more = 0, True
        while more:
            part, more = await next_part(receive)
            parts.append(part)
            size += len(part)
            check_size(size, self._max_bytes, "The body")
            if size > UNCOUNTED_BYTES:
                self._capacity.hold(request_state_of(scope), len(part))
        return parts[0] if len(parts) == 1 else b"".join(parts)


def _media_type(content_type: bytes) -> str:
    return _text(content_type).lower().partition(";")[0].strip()


def check_size(size: int, most: int, subject: str) -> None:
    """Raises a 413 problem if `subject` has too many bytes."""
    if size > most:
        detail = f"{subject} is larger than {most} bytes, which is the limit."
        raise Problem(413, "body-too-large", detail)


def _not_json(why: str) -> Problem:
    return Problem(400, "not-json", f"{_BODY} is not I-JSON (RFC 7493): {why}.")


def _unsupported_coding(coding: bytes) -> Problem:
    detail = f"Content-Encoding {_text(coding)!r} is not supported; send the body without a coding."
    # So that clients can tell this from an unsupported media type (RFC 9110, section 12.5.3).
    return Problem(415, "unsupported-content-coding", detail, headers={"Accept-Encoding": "identity"})


def _not_i_json(error: NotIJson, subject: str, located: Locate) -> Problem:
    errors = [] if error.pointer is None else [located(violation(error.pointer, error.reason))]
    return Problem(400, "not-json", f"{subject} is not I-JSON (RFC 7493): {error}.", errors=errors)


def _invalid(errors: list[Violation], count: int, subject: str) -> Problem:
    places = "1 place" if count == 1 else f"{count} places"
    if count == MAX_COUNTED:
        places = f"{places} or more"
    named = "; ".join(
        f"{shorten(each.pointer, _MAX_NAMED_CHARACTERS) or 'it'} {each.detail}" for each in errors[:_MAX_NAMED]
    )
    more = f"; and {count - _MAX_NAMED} more" if count > _MAX_NAMED else ""
    detail = f"{subject} breaks its schema in {places}: {named}{more}."
    return Problem(422, "invalid-body", detail, errors=errors)


def _text(value: bytes) -> str:
    return shorten(value.decode("latin-1"), 200)
