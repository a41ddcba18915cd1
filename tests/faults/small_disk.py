"""Disks that are full or read-only, for a daemon's data."""

import resource
import subprocess
import sys
from pathlib import Path
from types import TracebackType
from typing import Self

MEBIBYTES = 32
# One byte: every write of a database exceeds it.
LIMIT = 1

_KEEP_FULL = """
import sys, time
with open(sys.argv[1], "ab", buffering=0) as file:
    while True:
        try:
            file.write(bytes(4096))
        except OSError:
            time.sleep(0.01)
"""
_MOUNT = 'mount -t tmpfs -o size="$1"m amplifierd-test "$2" && echo mounted && exec cat'


class SmallDisk:
    """A file system of some MiB at `directory`, for programs that the command `within` runs.

    If mounting is not allowed, as in many containers, `directory` stays a normal directory.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._filling: subprocess.Popen[bytes] | None = None
        command = ["unshare", "--mount", "sh", "-c", _MOUNT, "sh", str(MEBIBYTES), str(directory)]
        self._holder = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )
        assert self._holder.stdout is not None
        self.is_mounted = self._holder.stdout.readline() == b"mounted\n"
        self.within = ["nsenter", "--mount", "--target", str(self._holder.pid)] if self.is_mounted else []

    def fill(self) -> None:
        """Use up the free space."""
        command = [*self.within, "dd", "if=/dev/zero", f"of={self.directory / 'filler'}", "bs=4096", "status=none"]
        outcome = subprocess.run(command, capture_output=True, text=True, check=False)
        assert "No space left on device" in outcome.stderr

    def keep_full(self) -> None:
        """Use up the free space, also what others free later, until `free`."""
        self.fill()
        command = [*self.within, sys.executable, "-c", _KEEP_FULL, str(self.directory / "filler")]
        self._filling = subprocess.Popen(command)

    def free_some(self, kibibytes: int) -> None:
        """Free a part of the space."""
        size = f"--size=-{kibibytes}K"
        subprocess.run([*self.within, "truncate", size, str(self.directory / "filler")], check=True)

    def free(self) -> None:
        """Free the space again."""
        self._end_filling()
        subprocess.run([*self.within, "rm", str(self.directory / "filler")], check=True)

    def make_read_only(self) -> None:
        """Make the file system read-only; no file may be open."""
        subprocess.run([*self.within, "mount", "-o", "remount,ro", str(self.directory)], check=True)

    def _end_filling(self) -> None:
        if self._filling is not None:
            self._filling.kill()
            self._filling.wait()
            self._filling = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end_filling()
        self._holder.communicate()


def limit_files(process: int) -> None:
    """Let no file of a process grow: its writes fail with EFBIG."""
    _, most = resource.prlimit(process, resource.RLIMIT_FSIZE)
    resource.prlimit(process, resource.RLIMIT_FSIZE, (LIMIT, most))


def unlimit_files(process: int) -> None:
    """Let the files of a process grow again."""
    _, most = resource.prlimit(process, resource.RLIMIT_FSIZE)
    resource.prlimit(process, resource.RLIMIT_FSIZE, (most, most))
