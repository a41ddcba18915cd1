"""Fetches one commit of a git repository with the installed `git`, in a separate process.

dulwich is not used, because it would decompress and resolve the objects in this process, without a limit. A separate
process can be killed at a limit, and its memory is not the daemon's. The configuration of the user and the machine is
ignored: no credentials, hooks, filters, submodules, redirects or other protocols.
"""

import asyncio
import errno
import os
import shutil
import signal
import stat
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from .source import GitSource

MAX_SECONDS = 60.0
# The limit of the fetched objects and the files together. Each counts as at least one block, because a few small trees
# can name any number of empty files.
MAX_BYTES = 256 * 1024 * 1024
_BLOCK_BYTES = 4096
# The limit of each process; git holds the list of all files in memory.
_MAX_MEMORY_KIB = 1024 * 1024
_POLL_SECONDS = 0.2
_MAX_REASON_CHARACTERS = 500
_TOO_LARGE = "the repository has more than {} bytes, which is the limit"

# The system stops a file at the limit even between two checks of the folder. Not every system can limit memory.
_LIMITED = 'ulimit -f "$1"; ulimit -v "$2" 2>/dev/null || true; shift 2; exec "$@"'
# Do not guess other paths.
_UPLOAD_PACK = "git upload-pack --strict"

OPTIONS = {
    "core.hooksPath": "/dev/null",
    "core.fsmonitor": "false",
    "core.askPass": "",
    "credential.helper": "",
    "protocol.allow": "never",
    "http.followRedirects": "false",
    "submodule.recurse": "false",
    "fetch.recurseSubmodules": "false",
    "gc.auto": "0",
    "maintenance.auto": "false",
    # Each thread reserves memory.
    "pack.threads": "1",
    "index.threads": "false",
    "init.defaultBranch": "main",
    "advice.detachedHead": "false",
}


class FetchError(Exception):
    """The repository could not be fetched; the text says why."""


async def fetch(source: GitSource, folder: Path, progressed: Callable[[], None]) -> tuple[Path, str]:
    """Fetch a commit into an empty folder. Returns the folder of its files, and its hash. Raises `FetchError`.

    Calls `progressed` regularly. Its processes end with it, even if it is cancelled.
    """
    program = shutil.which("git")
    if program is None:
        raise FetchError("git is not installed on the server")
    run = _Git(program, folder, source.url.partition(":")[0], progressed)
    await run("init", "--quiet", "--template=", "files")
    options = ("--quiet", "--depth=1", "--no-tags", f"--upload-pack={_UPLOAD_PACK}")
    await run("-C", "files", "fetch", *options, "--", source.url, source.reference)
    await run("-C", "files", "checkout", "--quiet", "--detach", "FETCH_HEAD")
    commit = await asyncio.to_thread((folder / "files" / ".git" / "HEAD").read_text)
    return folder / "files", commit.strip()


class _Git:
    """Runs git commands in a folder, within limits of time and size for all of them together."""

    def __init__(self, program: str, folder: Path, protocol: str, progressed: Callable[[], None]) -> None:
        options = OPTIONS | {f"protocol.{protocol}.allow": "always"}
        limits = (str(MAX_BYTES // 512 + 1), str(_MAX_MEMORY_KIB))
        configured = (text for item in options.items() for text in ("-c", "=".join(item)))
        self._command = ["/bin/sh", "-c", _LIMITED, "sh", *limits, program, *configured]
        self._folder = folder
        self._progressed = progressed
        self._ends = time.monotonic() + MAX_SECONDS
        self._environment = {
            "PATH": os.environ.get("PATH", os.defpath),
            "HOME": str(folder),
            "LC_ALL": "C",
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_CONFIG_GLOBAL": os.devnull,
            "GIT_ATTR_NOSYSTEM": "1",
            "GIT_TERMINAL_PROMPT": "0",
            "GIT_OPTIONAL_LOCKS": "0",
            "GIT_NO_LAZY_FETCH": "1",
        }

    async def __call__(self, *arguments: str) -> None:
        # The output goes into the folder, so that a server that never stops sending reaches the size limit.
        log = self._folder / "log"
        with log.open("wb") as file:
            process = await asyncio.create_subprocess_exec(
                *self._command,
                *arguments,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=file,
                stderr=file,
                cwd=self._folder,
                env=self._environment,
                start_new_session=True,
            )
        try:
            await self._wait(process)
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            await process.wait()
        if process.returncode == -signal.SIGXFSZ:
            raise FetchError(_TOO_LARGE.format(MAX_BYTES))
        if process.returncode != 0:
            raise FetchError(_reason(await asyncio.to_thread(log.read_bytes), self._folder))

    async def _wait(self, process: asyncio.subprocess.Process) -> None:
        ended = asyncio.ensure_future(process.wait())
        try:
            while not (await asyncio.wait([ended], timeout=_POLL_SECONDS))[0]:
                self._progressed()
                if time.monotonic() > self._ends:
                    raise FetchError(f"fetching it took more than {MAX_SECONDS:g} seconds, which is the limit")
                await self._check_size()
            await self._check_size()
        finally:
            ended.cancel()

    async def _check_size(self) -> None:
        if await asyncio.to_thread(_size, self._folder) > MAX_BYTES:
            raise FetchError(_TOO_LARGE.format(MAX_BYTES))


def _size(folder: Path) -> int:
    """The total size of a folder's files in bytes; stops counting at the limit, and skips deleted files."""
    total = 0
    for path, folders, names in os.walk(folder):
        total += _BLOCK_BYTES * len(folders)
        for name in names:
            with suppress(FileNotFoundError):
                found = os.lstat(os.path.join(path, name))  # noqa: PTH118  # there may be many
                total += max(_BLOCK_BYTES, found.st_size if stat.S_ISREG(found.st_mode) else 0)
        if total > MAX_BYTES:
            break
    return total


def _reason(log: bytes, folder: Path) -> str:
    lines = [line for line in log.decode(errors="replace").splitlines() if line.strip()]
    if not lines and shutil.disk_usage(folder).free < _BLOCK_BYTES:
        # The log is on the full disk.
        return f"{os.strerror(errno.ENOSPC)} for temporary files"
    message = next(
        (line for line in lines if line.startswith(("fatal:", "error:"))), lines[-1] if lines else "it failed"
    )
    printable = "".join(character for character in message.replace(str(folder), "") if character.isprintable())
    return f"git says: {printable[:_MAX_REASON_CHARACTERS].rstrip('.')}"
