"""Converts messages of a source to records of the contract, and the files to which they refer.

A message that the contract does not allow, such as one with a text of 43 MB, is stored as a file, to which a short
message refers.
"""

import base64
import hashlib
from collections.abc import Iterator
from contextlib import suppress
from typing import Any, NamedTuple, get_args
from urllib.parse import unquote_to_bytes

import msgspec
from msgspec import Raw
from msgspec.structs import replace

from ...contract import LineReader, Problem
from ...storage.model.files import UNKNOWN_MEDIA, TemporarySpace, is_media_type
from ...storage.model.part_records import MAX_URL_CHARACTERS, is_data_url, url_fault
from ...storage.model.records import ExportChunk, ExportFile, ExportLine, Message, Role, Session
from ...storage.sql.temporary_files import LimitedFile
from ..history import NO_TIME, Object, time_of

_EXPORTED_BYTES = 64 * 1024
_JSON = "application/json"
_ROLES = frozenset(get_args(Role))

_encode = msgspec.json.Encoder().encode


class _Stored(NamedTuple):
    offset: int
    size: int
    media: str


class Records:
    """Makes records of messages by the contract.

    The files to which they refer are in a temporary file, which takes its bytes from `space`; `file_lines` are the
    lines of these files in an export.
    """

    def __init__(self, reader: LineReader, space: TemporarySpace) -> None:
        self._reader = reader
        self._space = space
        self._new_file()

    def _new_file(self) -> None:
        self._written = LimitedFile(self._space)
        self._file = self._written.file
        self._size = 0
        self._stored: dict[str, _Stored] = {}

    def close(self) -> None:
        """Delete the files."""
        self._written.close()

    @property
    def file_count(self) -> int:
        """The number of the files."""
        return len(self._stored)

    def accept_session(self, session: Session) -> tuple[Session, str | None]:
        """A session that the contract allows, and a sentence about the removed values, if any."""
        try:
            self._reader.read_line(_encode(ExportLine(session=session)), "The session")
        except Problem as problem:
            sentence = f"{problem.detail} What the session {session.id} has beside its messages is left out."
            return replace(session, context=Raw(b"{}")), sentence
        return session, None

    def accept(self, message: Object) -> tuple[Message, str | None]:
        """The record of a message, and a sentence if the contract does not allow the message unchanged."""
        fault, valid = _split(message["parts"])
        original, message = message, {**message, "parts": [self._with_file(part) for part in valid]}
        if fault is not None:
            message = self._with_record(message, original, "message.json")
        try:
            return self._read(message), fault
        except Problem as problem:
            refused = f"{problem.detail} It is kept as a file."
        slim = {**message, "metadata": {}}
        with suppress(Problem):
            # A message with replaced metadata can still be read and searched.
            self._read(slim)
            return self._read(self._with_record(slim, message["metadata"], "metadata.json")), refused
        return self._read(self._with_record(_least_of(message), message, "message.json")), refused

    def clear(self) -> None:
        """Forget the files, which are stored."""
        self._written.close()
        self._new_file()

    def file_lines(self) -> Iterator[ExportLine]:
        """The files as lines of an export."""
        for file_id, stored in self._stored.items():
            yield ExportLine(file=ExportFile(file_id, stored.media, stored.size))
            for start in range(0, stored.size, _EXPORTED_BYTES):
                self._file.seek(stored.offset + start)
                yield ExportLine(chunk=ExportChunk(self._file.read(min(_EXPORTED_BYTES, stored.size - start))))

    def _read(self, message: Object) -> Message:
        record = self._reader.read_value({"message": message}, "The message").message
        assert isinstance(record, Message), "The line has a message."
        return record

    def _with_file(self, part: Object) -> Object:
        """A part whose long data is in a file."""
        url = _file_url(part)
        if url is None or len(url) <= MAX_URL_CHARACTERS or not is_data_url(url):
            return part
        return {**part, "url": self._keep(*_file_in(url))}

    def _with_record(self, message: Object, value: Any, name: str) -> Object:
        part = {"type": "file", "media": _JSON, "url": self._keep(_encode(value), _JSON), "name": name}
        return {**message, "parts": [*message["parts"], part]}

    def _keep(self, content: bytes, media: str) -> str:
        """Keep the content of a file; its URL."""
        file_id = hashlib.sha256(content).hexdigest()
        if file_id not in self._stored:
            self._file.seek(self._size)
            self._written.write(content)
            self._stored[file_id] = _Stored(self._size, len(content), media)
            self._size += len(content)
        return f"/files/{file_id}"


def _file_in(url: str) -> tuple[bytes, str]:
    """The bytes of a data URL and their media type (RFC 2397); the text of the URL if it cannot be decoded."""
    head, _, data = url[len("data:") :].partition(",")
    media, *parameters = head.split(";")
    if not is_media_type(media):
        media = UNKNOWN_MEDIA if media else "text/plain"
    if "base64" not in parameters:
        return unquote_to_bytes(data), media
    try:
        return base64.b64decode(data, validate=True), media
    except ValueError:
        return data.encode(), "text/plain"


def _split(parts: list[Object]) -> tuple[str | None, list[Object]]:
    """A sentence if the storage refuses a part, and the parts that it accepts."""
    faults = [_fault_of(part) for part in parts]
    fault = next(filter(None, faults), None)
    return fault, [part for part, fault in zip(parts, faults, strict=True) if fault is None]


def _file_url(part: Object) -> str | None:
    url: Any = part.get("url") if part.get("type") == "file" else None
    return url if isinstance(url, str) else None


def _fault_of(part: Object) -> str | None:
    url = _file_url(part)
    if url is None or is_data_url(url):
        return None
    fault = "must be absolute" if url.startswith("/") else url_fault(url)
    return f"The url of a file {fault}. The message is also kept as a file." if fault is not None else None


def _least_of(message: Object) -> Object:
    """A message without content, with only the required members."""
    role, timestamp = message.get("role"), message.get("timestamp")
    return {
        "role": role if role in _ROLES else "assistant",
        "content": "",
        "timestamp": timestamp if isinstance(timestamp, str) and time_of(timestamp) is not None else NO_TIME,
        "metadata": {},
        "sequence": 1,
        "parts": [],
        **({"id": message["id"]} if "id" in message else {}),
    }
