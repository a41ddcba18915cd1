"""Files: bytes of any length, to which parts of messages refer by their SHA-256."""

import asyncio
import re
from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, AsyncIterable, Callable, Coroutine
from dataclasses import dataclass
from typing import Any, Protocol

from msgspec import UNSET, Struct, UnsetType

from .records import Export, ExportLine, Listing, Progressed, no_progress

# The media type of unknown data (RFC 2046, section 4.5.1).
UNKNOWN_MEDIA = "application/octet-stream"
MAX_MEDIA_LENGTH = 255
# RFC 9110, section 8.3.1; parameters are kept unchanged.
_MEDIA = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,127}/[!#$%&'*+.^_`|~0-9A-Za-z-]{1,127}[\t ]*(;[\t -~]*)?")


def is_media_type(value: str) -> bool:
    """Whether a text is a media type that a response can have, with or without parameters."""
    return len(value) <= MAX_MEDIA_LENGTH and _MEDIA.fullmatch(value) is not None


@dataclass(frozen=True, slots=True)
class NewFile:
    """A new file. Its receiver iterates `chunks`, its bytes in pieces of any size, or closes them.

    The storage calls `progressed` after it has written each part.
    """

    chunks: AsyncGenerator[bytes, None]
    media: str = UNKNOWN_MEDIA
    name: str | None = None
    progressed: Progressed = no_progress


class File(Struct, frozen=True, rename="camel"):
    """A file: `id` is the SHA-256 of its bytes in hexadecimal, `size` their number, `url` the reference for a part.

    It is kept until `expires_at`, even if no message refers to it.
    """

    id: str
    url: str
    media: str
    size: int
    created_at: str
    name: str | UnsetType = UNSET
    expires_at: str | UnsetType = UNSET


@dataclass(frozen=True, slots=True)
class FileContent:
    """A file with its bytes: `read` returns a range of them, from a first to a last place inclusive, in blocks.

    Blocks have some 256 KiB at most. They raise `FileNotFound` if the file is deleted meanwhile.
    """

    file: File
    read: Callable[[int, int], AsyncGenerator[bytes, None]]


@dataclass(frozen=True, slots=True)
class Download:
    """A text for a file called `name`, of the media type `media`, in blocks; its owner must iterate or close them."""

    blocks: AsyncGenerator[bytes, None]
    media: str
    name: str


async def _forever() -> None:
    await asyncio.Event().wait()


@dataclass(frozen=True, slots=True)
class ImportFile:
    """A file to import, of any format. Its receiver iterates `chunks`, its bytes in pieces of any size, or closes them.

    `read_lines` reads bytes as the lines of an export, in batches. The receiver calls `progressed` after each part.
    `wait_for_disconnect`, called after the last chunk, waits for a disconnect, then raises as `chunks` does.
    """

    chunks: AsyncGenerator[bytes, None]
    read_lines: Callable[[AsyncIterable[bytes]], AsyncGenerator[list[ExportLine], None]]
    progressed: Progressed = no_progress
    wait_for_disconnect: Callable[[], Coroutine[Any, Any, None]] = _forever

    @property
    def export(self) -> Export:
        """The file, read as an export."""
        return Export(self.read_lines(self.chunks), self.progressed)


class TemporarySpace(Protocol):
    """The limit of temporary files; thread-safe."""

    def take(self, size: int, /) -> None:
        """Reserve bytes. Raises `StorageUnavailable` if the limit is exceeded."""

    def release(self, size: int, /) -> None:
        """Release bytes."""


class Files(ABC):
    """Stores files. Each belongs to a workspace, which stores the same bytes once.

    A file is deleted with the last message that refers to it: with its session, or with the last fork of that session.
    A file without references is kept for a day after it was created. One that was created again is kept for a day after
    that, even if it gets and loses references meanwhile: another client may be about to refer to it.
    """

    @property
    @abstractmethod
    def temporary_space(self) -> TemporarySpace:
        """The space for temporary files, which long lists, imports, uploads and the caller share."""

    @abstractmethod
    async def create_file(self, workspace: str, new: NewFile) -> File:
        """Store a file, in constant memory. A file with the same bytes stays unchanged, and is kept for another day.

        The bytes are kept in a temporary file until all have arrived. Raises `StorageUnavailable` if it has no room.
        """

    @abstractmethod
    async def read_file(self, workspace: str, file_id: str) -> FileContent:
        """Read a file. Raises `FileNotFound`."""

    @abstractmethod
    async def list_files(self, workspace: str, *, limit: int | None = None, cursor: str | None = None) -> Listing:
        """List `File` records, the newest first, equal times by id; a cursor is a position in this order."""

    @abstractmethod
    async def delete_file(self, workspace: str, file_id: str) -> None:
        """Delete a file. Raises `FileNotFound`, and `FileInUse` if a message refers to it."""
