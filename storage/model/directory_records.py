"""Amplified directories in the names of the wire: what a client sends is snake_case, what it reads is camelCase.

`metadata` is a `msgspec.Raw`, so that it comes back as it was sent. A relative path is below the data root, `.` for the
root itself.
"""

from collections.abc import AsyncGenerator
from dataclasses import dataclass

from msgspec import UNSET, Raw, Struct, UnsetType

from .records import EMPTY_OBJECT, Listing


class NewDirectory(Struct, frozen=True, forbid_unknown_fields=True):
    """What a client says to amplify a directory; without a `default_profile` it has that of its nearest ancestor."""

    relative_path: str
    default_profile: str | None = None
    metadata: Raw = EMPTY_OBJECT
    create_marker: bool = True


class DirectoryPatch(Struct, frozen=True, forbid_unknown_fields=True):
    """What a client changes of a directory; `metadata` is merged into the directory's (RFC 7396)."""

    default_profile: str | UnsetType | None = UNSET
    metadata: Raw | UnsetType = UNSET


class AmplifiedDirectory(Struct, frozen=True, rename="camel"):
    """A working directory of sessions.

    `default_profile` is that of the directory `default_profile_from`, itself or its nearest ancestor that has one.
    """

    relative_path: str
    metadata: Raw
    created_at: str
    updated_at: str
    session_count: int
    default_profile: str | UnsetType = UNSET
    default_profile_from: str | UnsetType = UNSET
    last_used_at: str | UnsetType = UNSET


class DirectoryList(Struct, frozen=True):
    """`AmplifiedDirectory` records, and how many there are without a limit."""

    directories: Listing
    total: int


@dataclass(frozen=True, slots=True)
class Marker:
    """What the disk says of a directory: the text of its metadata, a JSON object, or why that is not one.

    `written_at` is the directory's `updated_at` when the marker was written, None where a person made it.
    """

    relative_path: str
    default_profile: str | None = None
    metadata: str = "{}"
    written_at: str | None = None
    fault: str = ""


@dataclass(frozen=True, slots=True)
class Markers:
    """What was found on the disk, in batches. Whoever holds it iterates `batches` or closes it."""

    batches: AsyncGenerator[list[Marker], None]


class Refusal(Struct, frozen=True, rename="camel"):
    """A marker that was not taken up, and why."""

    relative_path: str
    detail: str


class ScanReport(Struct, frozen=True):
    """How many directories were taken up from their markers, how many changed by them; the first 1,000 refused."""

    created: int = 0
    updated: int = 0
    unchanged: int = 0
    refused: tuple[Refusal, ...] = ()
