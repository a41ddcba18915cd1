"""The protocol between the process and its parent: lines, each with a kind (one byte) and JSON content."""

from math import ceil
from typing import IO, Any

import msgspec
from msgspec import Struct

# What the process sends: first its report, then the lines of an export, and a word in the end.
REPORT = b"R"
LINE = b"L"
DONE = b"D"
FAILED = b"F"
# What it asks, and is answered: the id of a stored session's last message; whether there is room for a number of bytes.
LAST_STORED = b"S"
ROOM = b"M"

# How much of the temporary disk a database takes, by its size: it is copied, and gets indexes.
COPIES = 2

# How the process fails.
UNREADABLE = "unreadable"
TOO_LARGE = "too large"
NO_ROOM = "no room"

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder().decode


class Task(Struct, frozen=True):
    """What the process is to do: read the file descriptor `file`, as `format` or whatever is recognized.

    A message takes at most `max_body` bytes, an archive has `max_file`. The process may use so much CPU, with some more
    for each MiB of the file or of what is in the archive, and so much memory.
    """

    file: int
    contract: str
    max_body: int
    max_file: int
    cpu_seconds: int
    cpu_seconds_per_mib: float
    memory_bytes: int
    format: str | None = None

    def cpu_seconds_for(self, size: int) -> int:
        """The CPU that a file of `size` bytes may take, in seconds."""
        return self.cpu_seconds + ceil(self.cpu_seconds_per_mib * size / (1024 * 1024))


class HistoryUnreadable(Exception):
    """Nothing was found in a file that can be imported."""


class HistoryTooLarge(Exception):
    """A file, or what an archive has, is too large."""


class Failure(Struct, frozen=True):
    """The reason why nothing can be imported: a kind and a sentence."""

    kind: str
    sentence: str


def too_much(limit: str) -> str:
    """The sentence for a file that takes more than a process may."""
    return f"To read it takes more than {limit}; import it on the daemon's machine (`amplifierd import`)"


class Channel:
    """The process's end."""

    def __init__(self, reader: IO[bytes], writer: IO[bytes]) -> None:
        self._reader = reader
        self._writer = writer

    def send(self, kind: bytes, content: Any = None) -> None:
        """Tell the parent something; it may read it later."""
        self._writer.write(kind + _encode(content) + b"\n")

    def ask(self, kind: bytes, content: Any) -> Any:
        """Ask the parent. Raises `EOFError` if it is gone."""
        self.send(kind, content)
        self._writer.flush()
        answer = self._reader.readline()
        if not answer:
            raise EOFError
        return _decode(answer)

    def close(self) -> None:
        """Send what is left."""
        self._writer.flush()
