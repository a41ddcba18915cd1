"""Messages of a source as records of the contract, and the files that they need.

What the contract does not take, such as a text of 43 MB, is stored whole as a file, to which the message refers.
"""

import base64
import hashlib
from collections.abc import AsyncGenerator
from contextlib import suppress
from tempfile import TemporaryFile
from typing import Any, NamedTuple, get_args
from urllib.parse import unquote_to_bytes

import msgspec

from ...contract import LineReader, Problem
from ...storage.model.files import UNKNOWN_MEDIA, NewFile, is_media_type
from ...storage.model.interface import Storage
from ...storage.model.part_records import MAX_URL_CHARACTERS, is_data_url, url_fault
from ...storage.model.records import Message, Role
from ..history import NO_TIME, Object, time_of

_CHUNK_BYTES = 256 * 1024
_JSON = "application/json"
_ROLES = frozenset(get_args(Role))

_encode = msgspec.json.Encoder().encode


class _Stored(NamedTuple):
    offset: int
    size: int
    media: str


class Records:
    """Makes records of messages by the contract; `store_files` then stores the files to which they refer."""

    def __init__(self, reader: LineReader) -> None:
        self._reader = reader
        self._file = TemporaryFile()  # noqa: SIM115  # `close` closes it
        self._size = 0
        self._stored: dict[str, _Stored] = {}

    def close(self) -> None:
        """Delete the files that were not stored."""
        # On a full disk the buffer cannot be written, and need not be.
        with suppress(OSError):
            self._file.close()

    def accept(self, message: Object) -> tuple[Message, str | None]:
        """The record of a message, and a sentence if the contract did not take it as it is."""
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
            # A message with another metadata can still be read and searched.
            return self._read(self._with_record(slim, message["metadata"], "metadata.json")), refused
        return self._read(self._with_record(_least_of(message), message, "message.json")), refused

    async def store_files(self, storage: Storage, workspace: str) -> None:
        """Store all files, each of which is then kept for a day, and as long as a message refers to it."""
        for stored in self._stored.values():
            await storage.create_file(workspace, NewFile(self._chunks(stored), stored.media))
        self._stored = {}
        self._file.seek(0)
        self._file.truncate()
        self._size = 0

    async def _chunks(self, stored: _Stored) -> AsyncGenerator[bytes, None]:
        for start in range(0, stored.size, _CHUNK_BYTES):
            self._file.seek(stored.offset + start)
            yield self._file.read(min(_CHUNK_BYTES, stored.size - start))

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
            self._file.write(content)
            self._stored[file_id] = _Stored(self._size, len(content), media)
            self._size += len(content)
        return f"/files/{file_id}"


def _file_in(url: str) -> tuple[bytes, str]:
    """The bytes of a data URL, which are its text if they cannot be decoded, and their media type (RFC 2397)."""
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
    """A sentence if the storage does not take a part, and the parts that it takes."""
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
    """A message without content, and with those members alone that are needed."""
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
