"""The protocol between the process and its parent: lines, each with a kind (one byte) and JSON content."""

from math import ceil
from typing import IO, Any

import msgspec
from msgspec import Struct

# Messages of the process: first its report, then the lines of an export, and a final message.
REPORT = b"R"
LINE = b"L"
DONE = b"D"
FAILED = b"F"
# Questions to the parent: the id of a stored session's last message; whether there is room for some bytes.
LAST_STORED = b"S"
ROOM = b"M"

# The temporary disk that a database takes, as a multiple of its size: it is copied, and gets indexes.
COPIES = 2

# Kinds of failures.
UNREADABLE = "unreadable"
TOO_LARGE = "too large"
NO_ROOM = "no room"

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder().decode


class Task(Struct, frozen=True):
    """The task of the process: read the file descriptor `file` in `format`, or in the format that is recognized.

    A message has at most `max_body` bytes, an unpacked archive `max_file`. The process may use `cpu_seconds`, plus
    `cpu_seconds_per_mib` for each MiB of the file or of the archive's members, and `memory_bytes`.
    """

    file: int
    max_body: int
    max_file: int
    cpu_seconds: int
    cpu_seconds_per_mib: float
    memory_bytes: int
    format: str | None = None

    def cpu_seconds_for(self, size: int) -> int:
        """The CPU limit for a file of `size` bytes, in seconds."""
        return self.cpu_seconds + ceil(self.cpu_seconds_per_mib * size / (1024 * 1024))


class HistoryUnreadable(Exception):
    """A file contains nothing that can be imported."""


class HistoryTooLarge(Exception):
    """A file, or the content of an archive, is too large."""


class Failure(Struct, frozen=True):
    """The reason why nothing can be imported: a kind and a sentence."""

    kind: str
    sentence: str


def too_much(limit: str) -> str:
    """The sentence for a file whose conversion exceeds a limit of the process."""
    return f"To read it takes more than {limit}; import it on the daemon's machine (`amplifierd import`)"


class Channel:
    """The process's end."""

    def __init__(self, reader: IO[bytes], writer: IO[bytes]) -> None:
        self._reader = reader
        self._writer = writer

    def send(self, kind: bytes, content: Any = None) -> None:
        """Send a message to the parent, which may read it later."""
        self._writer.write(kind + _encode(content) + b"\n")

    def ask(self, kind: bytes, content: Any) -> Any:
        """Ask the parent and return its reply. Raises `EOFError` if it has exited."""
        self.send(kind, content)
        self._writer.flush()
        reply = self._reader.readline()
        if not reply:
            raise EOFError
        return _decode(reply)

    def close(self) -> None:
        """Send what is left."""
        self._writer.flush()
