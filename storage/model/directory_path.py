"""Paths of amplified directories, relative to the data root, in one normal form."""

import re

import msgspec

from .errors import DirectoryPathRefused

ROOT = "."

MAX_BYTES = 1_024
MAX_SEGMENT_BYTES = 255
MAX_SEGMENTS = 32

# Names that a file system or Windows treats specially (https://learn.microsoft.com/windows/win32/fileio/naming-a-file).
_FORBIDDEN = re.compile(r"[\x00-\x1f\x7f\\:]")
_DEVICE = re.compile(r"(con|prn|aux|nul|com[0-9]|lpt[0-9])(\..*)?", re.IGNORECASE)
# The API uses it as the last segment of its own paths.
_RESERVED = "scan"


def normalize(path: str) -> str:
    """The normal form of a path: `a//b/./c` is `a/b/c`, `./.` is the root. Raises `DirectoryPathRefused`."""
    if path == ROOT:
        return ROOT
    if not path or path.startswith("/"):
        raise DirectoryPathRefused(path, "it is not relative to the data root")
    segments = [segment for segment in path.split("/") if segment not in ("", ".")]
    if not segments:
        return ROOT
    for segment in segments:
        _check(path, segment)
    whole = "/".join(segments)
    if whole == _RESERVED:
        raise DirectoryPathRefused(path, "this name is reserved")
    if len(segments) > MAX_SEGMENTS:
        raise DirectoryPathRefused(path, f"it is deeper than {MAX_SEGMENTS} segments")
    if len(whole.encode()) > MAX_BYTES:
        raise DirectoryPathRefused(path, f"it has more than {MAX_BYTES} bytes")
    return whole


def normalize_or_keep(path: str) -> str:
    """The normal form of a path; a path that no directory may have is returned unchanged."""
    try:
        return normalize(path)
    except DirectoryPathRefused:
        return path


def lineage_of(path: str) -> str:
    """A normalized path and its ancestors, nearest first, as statements take them: `["a/b","a","."]`."""
    return msgspec.json.encode(_lineage(path)).decode()


def _lineage(path: str) -> list[str]:
    if path == ROOT:
        return [ROOT]
    segments = path.split("/")
    return ["/".join(segments[:length]) for length in range(len(segments), 0, -1)] + [ROOT]


def _check(path: str, segment: str) -> None:
    if segment.startswith("."):
        raise DirectoryPathRefused(path, "a segment begins with a dot, which is reserved")
    if segment.endswith((".", " ")):
        raise DirectoryPathRefused(path, "a segment ends with a dot or a space")
    if _FORBIDDEN.search(segment):
        raise DirectoryPathRefused(path, "it has a control character, a backslash or a colon")
    if _DEVICE.fullmatch(segment):
        raise DirectoryPathRefused(path, f"{segment!r} is a device of Windows")
    if len(segment.encode()) > MAX_SEGMENT_BYTES:
        raise DirectoryPathRefused(path, f"a segment has more than {MAX_SEGMENT_BYTES} bytes")
