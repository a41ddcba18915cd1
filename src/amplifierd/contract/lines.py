"""Bodies of a record a line (NDJSON, https://github.com/ndjson/ndjson-spec), of any length, in constant memory."""

import hashlib
import sys
from collections.abc import AsyncGenerator, AsyncIterable

import msgspec
from starlette.requests import ClientDisconnect
from starlette.types import Receive, Scope

from ..storage.records import Digest, Export, ExportLine
from .body import NDJSON, Body, refuse_violations
from .document import Document
from .ijson import DEEPEST, NotIJson, decode
from .problems import Problem
from .schema import Schemas, Validator

# A record stands one level deeper in its line than in the body that brought it.
_DEEPEST = DEEPEST + 1
# A record has more in it than the body that brought it: times, names, a number.
_AROUND_BYTES = 64 * 1024


class LineReader:
    """Reads lines of at most `max_bytes`, each against the schema."""

    def __init__(self, validator: Validator, max_bytes: int) -> None:
        self._validator = validator
        self._decoder = msgspec.json.Decoder(ExportLine, strict=False)
        self._max_bytes = max_bytes + _AROUND_BYTES

    async def read(self, chunks: AsyncIterable[bytes]) -> AsyncGenerator[list[ExportLine], None]:
        """The records of the lines that end in each chunk; empty lines are passed over.

        Raises a problem that names the line: 400 not I-JSON, 413 too large, 422 against the schema.
        """
        number, parts, size = 0, [b""], 0
        async for chunk in chunks:
            *whole, last = chunk.split(b"\n")
            if whole:
                whole[0] = b"".join([*parts, whole[0]])
                yield self._records(whole, number)
                number += len(whole)
                parts, size = [], 0
            parts.append(last)
            size += len(last)
            self._check_size(size, number + 1)
        yield self._records([b"".join(parts)], number)

    def _records(self, lines: list[bytes], before: int) -> list[ExportLine]:
        return [self._record(line, number) for number, line in enumerate(lines, before + 1) if line.strip()]

    def _record(self, line: bytes, number: int) -> ExportLine:
        self._check_size(len(line), number)
        try:
            value = decode(line, _DEEPEST)
        except NotIJson as error:
            raise Problem(400, "not-json", f"Line {number} is not I-JSON (RFC 7493): {error}.") from None
        if not self._validator.is_valid(value):
            raise refuse_violations(f"Line {number}", self._validator.violations(value))
        return self._decoder.decode(msgspec.json.format(line, indent=-1))

    def _check_size(self, size: int, number: int) -> None:
        if size > self._max_bytes:
            detail = f"Line {number} is larger than {self._max_bytes} bytes, the most that this server takes."
            raise Problem(413, "body-too-large", detail)


class LineBody(Body):
    """The body of an operation whose handler takes an `Export`."""

    def __init__(self, validator: Validator, max_bytes: int) -> None:
        super().__init__(validator, ExportLine, [NDJSON], required=True, max_bytes=sys.maxsize)
        self._reader = LineReader(validator, max_bytes)

    async def read(self, scope: Scope, receive: Receive) -> tuple[Export, Digest]:
        """The body, whose lines are read as they come. Raises a 415 problem, and others out of its batches."""
        self._check_headers(scope)
        digest = hashlib.sha256()
        return Export(self._reader.read(_chunks(receive, digest))), digest


def line_reader(document: Document, max_bytes: int) -> LineReader:
    """A reader of exports by the contract."""
    return LineReader(Schemas(document).closed_validator({"$ref": "#/components/schemas/ExportLine"}), max_bytes)


async def _chunks(receive: Receive, digest: Digest) -> AsyncGenerator[bytes, None]:
    more = True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        more = message["more_body"]
        digest.update(message["body"])
        yield message["body"]
