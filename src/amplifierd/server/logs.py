"""Logs to stderr: one line for each request and each event, as text or JSON; times are UTC (RFC 3339)."""

import logging
import sys
import threading
import time
from contextlib import suppress
from types import TracebackType

from ..contract import json_text, time_now, write_line
from ..settings import LogFormat, Settings

logger = logging.getLogger("amplifierd")


def configure_logging(settings: Settings) -> None:
    """Set up the process's loggers: amplifierd's at the level of the settings, others at warning."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_in_utc(_JsonFormatter() if settings.log_format == "json" else _text_formatter()))
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    logging.getLogger("amplifierd").setLevel(settings.log_level.upper())
    logging.captureWarnings(capture=True)
    if settings.log_format == "json":
        sys.excepthook = _log_exception
        threading.excepthook = lambda failed: _log_exception(failed.exc_type, failed.exc_value, failed.exc_traceback)
        sys.unraisablehook = lambda failed: _log_exception(failed.exc_type, failed.exc_value, failed.exc_traceback)


def announce(log_format: LogFormat, message: str, **facts: str) -> None:
    """Log that the daemon is ready, with its URL and paths, at any level."""
    if log_format == "json":
        _write_json("INFO", message, **facts)
    else:
        write_line("".join([f"{message}\n", *(f"  {name}  {fact}\n" for name, fact in facts.items())]))
    with suppress(OSError):
        sys.stderr.flush()


def log_start_error(message: str) -> None:
    """Log as JSON why the daemon does not start."""
    _write_json("ERROR", message)


def _write_json(level: str, message: str, **facts: str) -> None:
    line = {"time": time_now(), "level": level, "logger": "amplifierd", "message": message, **facts}
    write_line(json_text(line) + "\n")


def _log_exception(kind: type[BaseException], error: BaseException | None, trace: TracebackType | None) -> None:
    logger.critical("Uncaught error", exc_info=(kind, error or kind(), trace))


def _text_formatter() -> logging.Formatter:
    return logging.Formatter("%(asctime)s %(levelname)s %(message)s")


class _JsonFormatter(logging.Formatter):
    """Formats records as JSON, with the same members as all other lines."""

    def format(self, record: logging.LogRecord) -> str:
        line = {
            "time": self.formatTime(record),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info:
            line["exc_info"] = self.formatException(record.exc_info)
        return json_text(line)


def _in_utc(formatter: logging.Formatter) -> logging.Formatter:
    formatter.converter = time.gmtime
    formatter.default_time_format = "%Y-%m-%dT%H:%M:%S"
    formatter.default_msec_format = "%s.%03dZ"
    return formatter
