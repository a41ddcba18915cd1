"""Writes one line to the log for each request, on stderr, as text or JSON."""

import sys
from contextlib import suppress
from datetime import UTC, datetime

import msgspec

from .error_boundary import AccessLog

_FAILED = 500


def access_log(*, as_json: bool, failed_only: bool) -> AccessLog:
    """A log of requests; server errors are warnings.

    It writes the line itself, because a record of `logging` takes as long as all other work for a small request.
    """
    return AccessLog(_log_json if as_json else _log_text, _FAILED if failed_only else 0)


def _level(status: int) -> str:
    return "WARNING" if status >= _FAILED else "INFO"


def _log_text(method: str, path: str, status: int, milliseconds: float, request_id: str) -> None:
    write_line(f"{time_now()} {_level(status)} {method} {path} {status} {milliseconds:.3f} ms {request_id}\n")


def _log_json(method: str, path: str, status: int, milliseconds: float, request_id: str) -> None:
    line = {
        "time": time_now(),
        "level": _level(status),
        "logger": "amplifierd.access",
        "method": method,
        "path": path,
        "status": status,
        "milliseconds": round(milliseconds, 3),
        "request_id": request_id,
    }
    write_line(msgspec.json.encode(line).decode() + "\n")


def write_line(line: str) -> None:
    """Write a line to stderr."""
    # The log's reader may have closed it; requests continue, as with `logging`.
    with suppress(OSError):
        sys.stderr.write(line)


def time_now() -> str:
    """The current time of the machine: RFC 3339, UTC, milliseconds."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").removesuffix("+00:00") + "Z"
