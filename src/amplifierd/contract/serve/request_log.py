"""Writes one line to the log for each request, on stderr, as text or JSON."""

import asyncio
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from functools import lru_cache

import msgspec

from .error_boundary import AccessLog

_FAILED = 500

_encode = msgspec.json.Encoder().encode


def access_log(*, as_json: bool, failed_only: bool) -> AccessLog:
    """A log of requests; server errors are warnings.

    It writes the line itself, because a record of `logging` takes as long as all other work for a small request.
    """
    return AccessLog(_LineBuffer(_json_line if as_json else _text_line).write, _FAILED if failed_only else 0)


class _LineBuffer:
    """Writes the lines of all requests that end in one turn of the event loop with one system call, at its end.

    A process that is forced to exit, by a second signal or by SIGKILL, loses the lines of the current turn: writing
    them in the signal handler could block on the reader of the log, and a second signal must end the process at once.
    """

    def __init__(self, line: Callable[[str, str, int, float, str], str]) -> None:
        self._line = line
        self._waiting: list[str] = []

    def write(self, method: str, path: str, status: int, milliseconds: float, request_id: str) -> None:
        if not self._waiting:
            asyncio.get_running_loop().call_soon(self._flush)
        self._waiting.append(self._line(method, path, status, milliseconds, request_id))

    def _flush(self) -> None:
        lines, self._waiting = self._waiting, []
        write_line("".join(lines))


def _level(status: int) -> str:
    return "WARNING" if status >= _FAILED else "INFO"


def _text_line(method: str, path: str, status: int, milliseconds: float, request_id: str) -> str:
    return f"{time_now()} {_level(status)} {method} {path} {status} {milliseconds:.3f} ms {request_id}\n"


def _json_line(method: str, path: str, status: int, milliseconds: float, request_id: str) -> str:
    line: dict[str, str | float] = {
        "time": time_now(),
        "level": _level(status),
        "logger": "amplifierd.access",
        "method": method,
        "path": path,
        "status": status,
        "milliseconds": round(milliseconds, 3),
        "request_id": request_id,
    }
    return json_text(line) + "\n"


def json_text(line: Mapping[str, str | float]) -> str:
    """The members of a line as JSON. In a text, a byte that is not UTF-8, for example in a file name, is escaped."""
    try:
        return _encode(line).decode()
    except UnicodeEncodeError:
        return _encode({name: _escape(value) for name, value in line.items()}).decode()


def _escape(value: str | float) -> str | float:
    return value.encode(errors="backslashreplace").decode() if isinstance(value, str) else value


def write_line(line: str) -> None:
    """Write a line, or several, to stderr."""
    # The log's reader may have closed it; requests continue, as with `logging`.
    with suppress(OSError):
        sys.stderr.write(line)


def time_now() -> str:
    """The current time of the machine: RFC 3339, UTC, milliseconds."""
    seconds, milliseconds = divmod(time.time_ns() // 1_000_000, 1_000)
    return f"{_text_of(seconds)}.{milliseconds:03d}Z"


# Many requests have the same second.
@lru_cache(maxsize=1)
def _text_of(seconds: int) -> str:
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}"
