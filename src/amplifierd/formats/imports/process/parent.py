"""The parent's end: starts the process, and reads what it sends."""

import os
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack, suppress
from typing import IO, Any, NamedTuple

import msgspec

from ....contract import yield_after
from ....storage.model.errors import StorageUnavailable
from ....storage.model.records import ExportLine
from ....storage.sql.temporary_files import spool_errors
from .protocol import FAILED, LINE, NO_ROOM, TOO_LARGE, Failure, HistoryTooLarge, HistoryUnreadable, Task, too_much

_BYTES = 256 * 1024
_LINES = 500
# The process gets nothing else of the daemon's environment, least of all passwords.
_ENVIRONMENT = ("PATH", "PYTHONPATH", "PYTHONHOME", "LD_LIBRARY_PATH", "LANG", "LC_ALL", "TMPDIR", "TEMP", "TMP")

_encode = msgspec.json.Encoder().encode
_decode_line = msgspec.json.Decoder(ExportLine).decode


class Received(NamedTuple):
    """Lines of the export, and the kind and content of the next message, if it is not a line."""

    lines: list[ExportLine]
    kind: bytes | None = None
    content: Any = None


class ConversionProcess:
    """A process that converts a file; all its methods block. It gets the contract in JSON."""

    def __init__(self, task: Task, contract: bytes) -> None:
        self._task = task
        with _temporary_file(contract) as file:
            self._process = self._start(task, file.fileno())
        self._input, self._output = _required(self._process.stdin), _required(self._process.stdout)

    @staticmethod
    def _start(task: Task, contract: int) -> subprocess.Popen[bytes]:
        # All arguments come from this program: an interpreter, a module and JSON.
        return subprocess.Popen(  # noqa: S603
            [sys.executable, "-P", "-m", __package__, _encode(task).decode(), str(contract)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            pass_fds=(task.file, contract),
            env={name: os.environ[name] for name in _ENVIRONMENT if name in os.environ},
            # A terminal's signals are for the daemon.
            start_new_session=True,
        )

    def receive(self) -> Received:
        """Read the next lines or the next message.

        Raises `HistoryUnreadable`, `HistoryTooLarge` and `StorageUnavailable` if nothing can be imported.
        """
        lines: list[ExportLine] = []
        size = 0
        while size < _BYTES and len(lines) < _LINES:
            text = self._output.readline()
            kind, content = text[:1], text[1:]
            if kind != LINE:
                return Received(lines, kind, self._content(kind, content))
            started = time.perf_counter()
            lines.append(_decode_line(content))
            yield_after(started)
            size += len(content)
        return Received(lines)

    def reply(self, content: Any) -> None:
        """Reply to a question."""
        # `receive` reports why the process ended.
        with suppress(BrokenPipeError):
            self._input.write(_encode(content) + b"\n")
            self._input.flush()

    def kill(self) -> None:
        """Kill the process."""
        self._process.kill()

    def close(self) -> None:
        """Wait for the exit of a process that was killed or is done."""
        self._process.wait()
        self._output.close()
        with suppress(BrokenPipeError):
            self._input.close()

    def _content(self, kind: bytes, content: bytes) -> Any:
        if not kind:
            raise self._exit_error()
        if kind == FAILED:
            raise _error_of(msgspec.json.decode(content, type=Failure))
        return msgspec.json.decode(content)

    def _exit_error(self) -> Exception:
        """The error for a process that exited too early."""
        status = self._process.wait()
        if status == -signal.SIGXCPU:
            task = self._task
            limit = f"{task.cpu_seconds} seconds of CPU, and {task.cpu_seconds_per_mib} more for each MiB"
            return HistoryUnreadable(too_much(limit))
        if status in {-signal.SIGKILL, -signal.SIGSEGV, -signal.SIGABRT}:
            return HistoryUnreadable(too_much(f"{self._task.memory_bytes} bytes of memory"))
        return RuntimeError(f"The process that converts files ended with status {status}.")


def _temporary_file(content: bytes) -> IO[bytes]:
    """A temporary file with this content, to be read from its start. Raises `StorageUnavailable` if it has no room."""
    with spool_errors(), ExitStack() as opened:
        file = opened.enter_context(tempfile.TemporaryFile())
        file.write(content)
        file.seek(0)
        opened.pop_all()
        return file


def _required(pipe: IO[bytes] | None) -> IO[bytes]:
    assert pipe is not None, "It was asked for."
    return pipe


def _error_of(failure: Failure) -> Exception:
    if failure.kind == NO_ROOM:
        return StorageUnavailable(failure.sentence)
    if failure.kind == TOO_LARGE:
        return HistoryTooLarge(failure.sentence)
    return HistoryUnreadable(failure.sentence)
