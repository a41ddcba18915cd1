"""Amplified directories as on the wire: snake_case in requests, camelCase in responses.

`metadata` is a `msgspec.Raw`, so that it is returned as it was sent. A relative path is below the data root; `.` is the
root itself.
"""

from collections.abc import AsyncGenerator
from dataclasses import dataclass

from msgspec import UNSET, Raw, Struct, UnsetType

from .records import EMPTY_OBJECT, Listing


class NewDirectory(Struct, frozen=True, forbid_unknown_fields=True):
    """A request to amplify a directory; without a `default_profile` it inherits that of its nearest ancestor."""

    relative_path: str
    default_profile: str | None = None
    metadata: Raw = EMPTY_OBJECT
    create_marker: bool = True


class DirectoryPatch(Struct, frozen=True, forbid_unknown_fields=True):
    """A change of a directory; `metadata` is merged into the directory's (RFC 7396)."""

    default_profile: str | UnsetType | None = UNSET
    metadata: Raw | UnsetType = UNSET


class AmplifiedDirectory(Struct, frozen=True, rename="camel"):
    """A working directory of sessions.

    `default_profile` is that of the directory `default_profile_from`: itself, or the nearest ancestor that has one.
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
    """A marker file: the text of its metadata, a JSON object, or the `fault` that makes it invalid.

    `written_at` is the directory's `updated_at` when the marker was written, None if a person made it.
    """

    relative_path: str
    default_profile: str | None = None
    metadata: str = "{}"
    written_at: str | None = None
    fault: str = ""


@dataclass(frozen=True, slots=True)
class Markers:
    """The markers found on the disk, in batches. Its owner must iterate `batches` or close it."""

    batches: AsyncGenerator[list[Marker], None]


class Refusal(Struct, frozen=True, rename="camel"):
    """A marker that was refused, and why."""

    relative_path: str
    detail: str


class ScanReport(Struct, frozen=True):
    """How many directories were created, updated or unchanged by their markers, and the first 1,000 refused markers."""

    created: int = 0
    updated: int = 0
    unchanged: int = 0
    refused: tuple[Refusal, ...] = ()
