"""Logs to stderr: a line for each request and each event, as text or as JSON; times are UTC (RFC 3339)."""

import logging
import sys
import time
from contextlib import suppress
from datetime import UTC, datetime

import msgspec

from .contract import AccessLog
from .settings import Settings


def configure_logging(settings: Settings) -> None:
    """Set up the process's loggers: ours at the settings' level, others' from warnings on."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_json_formatter() if settings.log_format == "json" else _text_formatter())
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    logging.getLogger("amplifierd").setLevel(settings.log_level.upper())


def access_log(settings: Settings) -> AccessLog | None:
    """What logs a request: its method, path, status, milliseconds and id; None below the level of information.

    It writes its line itself: a record of `logging` takes as long as all else that is done for a small request.
    """
    if settings.log_level not in ("debug", "info"):
        return None
    return _log_json if settings.log_format == "json" else _log_text


def _log_text(method: str, path: str, status: int, milliseconds: float, request_id: str) -> None:
    _write(f"{_now()} INFO {method} {path} {status} {milliseconds:.3f} ms {request_id}\n")


def _log_json(method: str, path: str, status: int, milliseconds: float, request_id: str) -> None:
    line = {
        "time": _now(),
        "level": "INFO",
        "logger": "amplifierd.access",
        "method": method,
        "path": path,
        "status": status,
        "milliseconds": round(milliseconds, 3),
        "request_id": request_id,
    }
    _write(msgspec.json.encode(line).decode() + "\n")


def _write(line: str) -> None:
    # Whoever read the log may be gone; requests go on, as they do where `logging` can't write.
    with suppress(OSError):
        sys.stderr.write(line)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds").removesuffix("+00:00") + "Z"


def _text_formatter() -> logging.Formatter:
    return _in_utc(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))


def _json_formatter() -> logging.Formatter:
    # Imported here: few starts need it.
    from pythonjsonlogger.json import JsonFormatter

    names = {"asctime": "time", "levelname": "level", "name": "logger"}
    return _in_utc(JsonFormatter(["asctime", "levelname", "name", "message"], rename_fields=names))


def _in_utc(formatter: logging.Formatter) -> logging.Formatter:
    formatter.converter = time.gmtime
    formatter.default_time_format = "%Y-%m-%dT%H:%M:%S"
    formatter.default_msec_format = "%s.%03dZ"
    return formatter
