"""The file system of a database: whether other machines may write to it, and whether it accepts writes."""

import ctypes
import os
import re
import sys
from pathlib import Path
from tempfile import TemporaryFile

from ...model.errors import StorageUnavailable

# The kernel's names of file systems to which another machine, or another kernel on this one, may write. SQLite's
# locks and shared memory do not work across them (https://www.sqlite.org/wal.html, "all processes ... the same host").
_SHARED = re.compile(
    r"nfs\d*|cifs|smb\d*|smbfs|smbfs2|9p|virtiofs|fuse|fuse\..*|ceph|afs|coda|lustre|gpfs|beegfs|glusterfs|ocfs2|gfs2|"
    r"orangefs|pvfs2|davfs|vboxsf|vmhgfs|prl_fs|drvfs|ncpfs|acfs|webdav|afpfs|macfuse|osxfuse"
)
MOUNTS = Path("/proc/self/mountinfo")
_ESCAPED = re.compile(r"\\([0-7]{3})")

# https://github.com/apple-oss-distributions/xnu/blob/main/bsd/sys/mount.h (struct statfs, 64-bit inodes)
_STATFS_BYTES = 4_096
_FLAGS_AT, _TYPE_AT, _TYPE_BYTES = 64, 72, 16
_IS_LOCAL = 0x1000

# About the size of the log of a few small writes.
TRIAL_BYTES = 64 * 1024


def shared_file_system(path: Path, mounts: Path = MOUNTS) -> str | None:
    """The type of the file system of `path` if other machines may write to it; None if not, or if it is unknown.

    `mounts` are the mounts of this process (https://docs.kernel.org/filesystems/proc.html, /proc/PID/mountinfo).
    """
    if sys.platform == "darwin":
        return _shared_on_macos(path)
    try:
        text = mounts.read_text(encoding="utf-8", errors="surrogateescape")
    except OSError:
        return None
    found = _type_at(Path(os.path.realpath(path)), text)
    return found if found is not None and _SHARED.fullmatch(found) else None


def _type_at(path: Path, mounts: str) -> str | None:
    """The file system type of the nearest mount above a path; of two mounts at the same place, the later one counts."""
    nearest: tuple[int, str] | None = None
    for line in mounts.splitlines():
        before, _, after = line.partition(" - ")
        point = Path(_ESCAPED.sub(lambda found: chr(int(found[1], 8)), before.split(" ")[4]))
        depth = len(point.parts)
        if path.is_relative_to(point) and (nearest is None or depth >= nearest[0]):
            nearest = (depth, after.split(" ")[0])
    return None if nearest is None else nearest[1]


def _shared_on_macos(path: Path) -> str | None:
    path = Path(os.path.realpath(path))
    existing = next(folder for folder in (path, *path.parents) if folder.exists())
    found = ctypes.create_string_buffer(_STATFS_BYTES)
    if ctypes.CDLL(None, use_errno=True).statfs(str(existing).encode(), found) != 0:
        return None
    if int.from_bytes(found.raw[_FLAGS_AT : _FLAGS_AT + 4], sys.byteorder) & _IS_LOCAL:
        return None
    return found.raw[_TYPE_AT : _TYPE_AT + _TYPE_BYTES].rstrip(b"\0").decode()


def check_room(path: Path) -> None:
    """Raises `StorageUnavailable` if a file of TRIAL_BYTES cannot be created beside the database.

    The trial is cheap: a file system allocates the space at once, but does not write data that is deleted right away.
    """
    try:
        with TemporaryFile(dir=path.parent, prefix=".amplifierd-") as file:
            file.write(bytes(TRIAL_BYTES))
    except OSError as error:
        raise StorageUnavailable(f"its disk accepts no writes: {error.strerror}") from error
