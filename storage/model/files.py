"""Files as handlers see them: bytes of any length, which parts of messages name by their SHA-256."""

from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass

from msgspec import UNSET, Struct, UnsetType

from .records import Listing, Progressed, no_progress

# Of a file of which nobody says what it is (RFC 2046, section 4.5.1).
UNKNOWN_MEDIA = "application/octet-stream"


@dataclass(frozen=True, slots=True)
class NewFile:
    """A file on its way in. Whoever holds it iterates `chunks`, its bytes in pieces of any size, or closes them.

    Whoever writes it calls `progressed` after each part.
    """

    chunks: AsyncGenerator[bytes, None]
    media: str = UNKNOWN_MEDIA
    name: str | None = None
    progressed: Progressed = no_progress


class File(Struct, frozen=True, rename="camel"):
    """A file: `id` is the SHA-256 of its bytes in hexadecimal, `size` their number, `url` what a part names it by.

    A file to which no message refers is deleted at `expires_at`.
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
    """A file with its bytes: `read` returns those from a first to a last place, both included, in blocks.

    Blocks have some 256 KiB at most. They raise `FileNotFound` if the file is deleted meanwhile.
    """

    file: File
    read: Callable[[int, int], AsyncGenerator[bytes, None]]


class Files(ABC):
    """Keeps files; each is a workspace's own, and the same bytes are kept once in a workspace.

    A file goes with the last message that refers to it: with its session, or the last fork of that. One to which no
    message refers is kept for a day after it was created, or created again.
    """

    @abstractmethod
    async def create_file(self, workspace: str, new: NewFile) -> File:
        """Keep a file, in constant memory. One with the same bytes stays as it is, and is kept for another day.

        It is in a temporary file until all of it is there. Raises `StorageUnavailable` if there is no room for that.
        """

    @abstractmethod
    async def read_file(self, workspace: str, file_id: str) -> FileContent:
        """Read a file. Raises `FileNotFound`."""

    @abstractmethod
    async def list_files(self, workspace: str, *, limit: int | None = None, cursor: str | None = None) -> Listing:
        """List `File` records, the newest first, those of one time by id; a cursor is a position in this order."""

    @abstractmethod
    async def delete_file(self, workspace: str, file_id: str) -> None:
        """Delete a file. Raises `FileNotFound`, and `FileInUse` if a message refers to it."""
