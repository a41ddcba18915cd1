"""Disks that are full, or can't be written to, for a daemon that keeps its data on them."""

import resource
import subprocess
from pathlib import Path
from types import TracebackType
from typing import Self

MEBIBYTES = 16
# A file of one byte: whatever a database writes is past that.
LIMIT = 1

_MOUNT = 'mount -t tmpfs -o size="$1"m amplifierd-test "$2" && echo mounted && exec cat'


class SmallDisk:
    """A file system of some MiB at `directory`, for programs that are run by the command `within`.

    Where mounting is not allowed, as in many containers, `directory` is what it is and has no end.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        command = ["unshare", "--mount", "sh", "-c", _MOUNT, "sh", str(MEBIBYTES), str(directory)]
        self._holder = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )
        assert self._holder.stdout is not None
        self.is_mounted = self._holder.stdout.readline() == b"mounted\n"
        self.within = ["nsenter", "--mount", "--target", str(self._holder.pid)] if self.is_mounted else []

    def fill(self) -> None:
        """Take all the space that is left."""
        command = [*self.within, "dd", "if=/dev/zero", f"of={self.directory / 'filler'}", "bs=4096", "status=none"]
        outcome = subprocess.run(command, capture_output=True, text=True, check=False)
        assert "No space left on device" in outcome.stderr

    def free(self) -> None:
        """Give the space back."""
        subprocess.run([*self.within, "rm", str(self.directory / "filler")], check=True)

    def make_read_only(self) -> None:
        """Take no more writes; nobody may have a file open for that."""
        subprocess.run([*self.within, "mount", "-o", "remount,ro", str(self.directory)], check=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._holder.communicate()


def limit_files(process: int) -> None:
    """Let no file of a process grow: it gets EFBIG."""
    _, most = resource.prlimit(process, resource.RLIMIT_FSIZE)
    resource.prlimit(process, resource.RLIMIT_FSIZE, (LIMIT, most))


def limit_files_no_more(process: int) -> None:
    """Let the files grow again."""
    _, most = resource.prlimit(process, resource.RLIMIT_FSIZE)
    resource.prlimit(process, resource.RLIMIT_FSIZE, (most, most))
