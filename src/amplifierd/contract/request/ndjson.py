"""Bodies with one record on each line (NDJSON, https://github.com/ndjson/ndjson-spec), in constant memory."""

import hashlib
import sys
from collections.abc import AsyncGenerator, AsyncIterable, Callable
from functools import partial
from typing import Any

from starlette.types import Receive, Scope

from ...storage.model.files import ImportFile
from ...storage.model.records import Digest, ExportFile, ExportLine
from ...storage.values.json_text import MAX_VALUES
from ..core.document import Document
from ..core.executor import INLINE_BYTES, SerialExecutor
from ..core.ijson import MAX_DEPTH
from ..core.problems import Problem
from ..core.request_state import AdmissionLimit, request_state_of
from ..core.schema import Schemas, Validator
from .body import NDJSON, OCTETS, UNCOUNTED_BYTES, BodyHeaders, RecordReader, SchemaViolated, check_size, next_part

# A record is one level deeper in its line than in the body that created it.
_MAX_DEPTH = MAX_DEPTH + 1
# A session contains the content of two bodies, its context and its error, besides times, names and numbers.
_BODIES = 2
# A chunk of a file has 86 KiB, regardless of the limit of bodies.
_AROUND_BYTES = 96 * 1024
_AROUND_VALUES = 100
# Empty lines have no bytes, but take time.
_INLINE_LINES = 1_000
_START_OF_EXPORT = b'{"header"'
_HINT = " For a file of another program, send format=auto."


class LineReader:
    """Reads lines, each with `records`.

    The content of a line was in bodies of at most `max_bytes`, and a file has at most `max_file` bytes. A problem of a
    first line that does not start an export ends with the `hint`.
    """

    def __init__(
        self, records: RecordReader, max_bytes: int, max_file: int, executor: SerialExecutor, hint: str = ""
    ) -> None:
        self._records = records
        self._hint = hint
        self._executor = executor
        self._max_bytes = _BODIES * max_bytes + _AROUND_BYTES
        self._max_file = max_file

    async def read(
        self, chunks: AsyncIterable[bytes], resize: Callable[[int], None] = lambda _size: None
    ) -> AsyncGenerator[list[ExportLine], None]:
        """The records of the lines that end in each chunk; empty lines are skipped.

        `resize` gets the number of bytes of a large unfinished line, and may raise a problem.
        Raises a problem that names the line: 400 not I-JSON, 413 too large, 422 against the schema.
        """
        number, parts, size = 0, [b""], 0
        async for chunk in chunks:
            end = chunk.rfind(b"\n") + 1
            if end:
                count = chunk.count(b"\n")
                yield await self._records_in(b"".join([*parts, chunk[: end - 1]]), number, count)
                number += count
                parts, size = [], 0
            last = chunk[end:]
            parts.append(last)
            size += len(last)
            check_size(size, self._max_bytes, f"Line {number + 1}")
            resize(size if size > UNCOUNTED_BYTES else 0)
        yield await self._records_in(b"".join(parts), number, 1)

    async def _records_in(self, lines: bytes, before: int, count: int) -> list[ExportLine]:
        if len(lines) <= INLINE_BYTES and count <= _INLINE_LINES:
            return self._read_lines(lines, before)
        return await self._executor.run(self._read_lines, lines, before)

    def _read_lines(self, lines: bytes, before: int) -> list[ExportLine]:
        return [
            self._read_line(line, number) for number, line in enumerate(lines.split(b"\n"), before + 1) if line.strip()
        ]

    def _read_line(self, line: bytes, number: int) -> ExportLine:
        try:
            return self.read_line(line, f"Line {number}")
        except Problem as problem:
            if number == 1 and not line.startswith(_START_OF_EXPORT):
                problem.detail += self._hint
            raise

    def read_line(self, line: bytes, subject: str) -> ExportLine:
        """The record of one line, which problems call `subject`; see `read`."""
        check_size(len(line), self._max_bytes, subject)
        return self._with_size(self._records.read(line, subject)[0], subject)

    def read_stored(self, line: bytes) -> ExportLine | None:
        """The record of a line that this program wrote; None if it is damaged, so that `read_line` would refuse it."""
        try:
            record: ExportLine = self._records.read_valid(line, "")[0]
        except (Problem, SchemaViolated):
            return None
        return record

    def read_value(self, value: Any, subject: str) -> ExportLine:
        """The record of a line whose value is decoded already; see `read`."""
        record, line = self._records.read_value(value, subject)
        check_size(len(line), self._max_bytes, subject)
        return self._with_size(record, subject)

    def _with_size(self, record: ExportLine, subject: str) -> ExportLine:
        if isinstance(record.file, ExportFile):
            check_size(record.file.size, self._max_file, f"{subject}: file {record.file.id}")
        return record


class ImportBody(BodyHeaders):
    """The body of an operation whose handler takes an `ImportFile`: lines, or the bytes of any file."""

    def __init__(
        self,
        validator: Validator,
        max_bytes: int,
        max_file: int,
        capacity: AdmissionLimit,
        executor: SerialExecutor,
    ) -> None:
        super().__init__([NDJSON, OCTETS], required=True, max_bytes=sys.maxsize)
        self._capacity = capacity
        self._lines = LineReader(_export_lines(validator), max_bytes, max_file, executor, _HINT)

    async def read(self, scope: Scope, receive: Receive) -> tuple[ImportFile, Digest]:
        """The body, which is read as it arrives. Raises a 415 problem; its batches of lines raise others."""
        self._check_headers(scope)
        digest = hashlib.sha256()
        request_state = request_state_of(scope)
        read_lines = partial(self._lines.read, resize=partial(self._capacity.resize, request_state))
        wait_for_disconnect = partial(_wait_for_disconnect, receive)
        return ImportFile(_chunks(receive, digest), read_lines, request_state.progressed, wait_for_disconnect), digest


def line_reader(document: Document, max_bytes: int) -> LineReader:
    """A reader of exports as defined by the contract, with files of any size."""
    validator = Schemas(document).closed_validator({"$ref": "#/components/schemas/ExportLine"})
    return LineReader(_export_lines(validator), max_bytes, sys.maxsize, SerialExecutor())


def _export_lines(validator: Validator) -> RecordReader:
    return RecordReader(validator, ExportLine, _MAX_DEPTH, _BODIES * MAX_VALUES + _AROUND_VALUES)


async def _chunks(receive: Receive, digest: Digest) -> AsyncGenerator[bytes, None]:
    more = True
    while more:
        part, more = await next_part(receive)
        digest.update(part)
        yield part


async def _wait_for_disconnect(receive: Receive) -> None:
    while True:
        await next_part(receive)
