"""Runs `amplifierd` in processes forked from one that has imported it and parsed the contract: most of a start.

Tests of the process itself (its command line, its imports, signals during them, its workers) start it as a user does.
"""

import multiprocessing
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from functools import cache
from multiprocessing.connection import Connection
from multiprocessing.forkserver import ensure_running
from pathlib import Path
from pkgutil import walk_packages
from typing import TextIO

import amplifierd

_CONTEXT = multiprocessing.get_context("forkserver")
_CONTEXT.set_forkserver_preload(
    [
        "uvloop",
        "uvicorn.loops.uvloop",
        "contract_once",
        *(module.name for module in walk_packages(amplifierd.__path__, "amplifierd.") if "pytest" not in module.name),
    ]
)


class ForkedProcess:
    """A process that runs `amplifierd` with these arguments; has the methods of `subprocess.Popen` that tests use."""

    def __init__(self, arguments: list[str], *, env: Mapping[str, str]) -> None:
        _start_server()
        reader, writer = _CONTEXT.Pipe(duplex=False)
        # A daemonic process does not outlive the test run; it cannot have children.
        self._process = _CONTEXT.Process(
            target=_serve, args=(arguments, dict(env), str(Path.cwd()), writer), daemon=True
        )
        self._process.start()
        writer.close()
        assert self._process.pid is not None
        self.pid: int = self._process.pid
        self.stderr: TextIO | None = os.fdopen(os.dup(reader.fileno()), encoding="utf-8")
        reader.close()

    def poll(self) -> int | None:
        """The exit code of the process; None while it runs."""
        return self._process.exitcode

    def wait(self, timeout: float | None = None) -> int:
        """Wait until the process has ended. Returns its exit code. Raises `TimeoutExpired`."""
        self._process.join(timeout)
        code = self._process.exitcode
        if code is None:
            raise subprocess.TimeoutExpired("amplifierd", timeout or 0)
        return code

    def send_signal(self, number: int) -> None:
        """Send a signal to the process unless it has ended."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        """Kill the process."""
        self.send_signal(signal.SIGKILL)


def run_amplifierd(
    *arguments: str, timeout: float = 120, env: Mapping[str, str] | None = None, stdin: bytes = b""
) -> subprocess.CompletedProcess[str]:
    """Run `amplifierd` with these arguments. Returns its exit code and output. Raises `TimeoutExpired`."""
    _start_server()
    with tempfile.TemporaryDirectory() as name:
        streams = [Path(name, stream) for stream in ("stdin", "stdout", "stderr")]
        streams[0].write_bytes(stdin)
        environment = dict(os.environ if env is None else env)
        process = _CONTEXT.Process(target=_run, args=(list(arguments), environment, str(Path.cwd()), streams))
        process.start()
        process.join(timeout)
        if process.exitcode is None:
            process.kill()
            process.join()
            raise subprocess.TimeoutExpired(["amplifierd", *arguments], timeout)
        written = [stream.read_text() for stream in streams[1:]]
        return subprocess.CompletedProcess(["amplifierd", *arguments], process.exitcode, *written)


@cache
def _start_server() -> None:
    """Start the process that the others are forked from, with this folder in its module path."""
    before = os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = os.pathsep.join([str(Path(__file__).parent), *([before] if before else [])])
    try:
        ensure_running()
    finally:
        del os.environ["PYTHONPATH"]
        if before is not None:
            os.environ["PYTHONPATH"] = before


def _serve(arguments: list[str], environment: dict[str, str], folder: str, stderr: Connection) -> None:
    os.dup2(stderr.fileno(), 2)
    stderr.close()
    _main(arguments, environment, folder)


def _run(arguments: list[str], environment: dict[str, str], folder: str, streams: list[Path]) -> None:
    for number, (stream, flags) in enumerate(zip(streams, [os.O_RDONLY, *[os.O_WRONLY | os.O_CREAT] * 2], strict=True)):
        opened = os.open(stream, flags)
        os.dup2(opened, number)
        os.close(opened)
    # multiprocessing has replaced it.
    sys.stdin = os.fdopen(0, closefd=False)
    _main(arguments, environment, folder)


def _main(arguments: list[str], environment: dict[str, str], folder: str) -> None:
    from amplifierd.__main__ import main

    os.environ.clear()
    os.environ.update(environment)
    # Otherwise it stays the one of the parent, whatever TMPDIR is now.
    tempfile.tempdir = None
    os.chdir(folder)
    sys.argv = ["amplifierd", *arguments]
    main()
