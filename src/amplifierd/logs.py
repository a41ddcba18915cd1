"""Logs to stderr: a line for each request and each event, as text or as JSON."""

import logging
import sys

from pythonjsonlogger.json import JsonFormatter

from .settings import Settings

ACCESS = "%(asctime)s %(levelname)s %(method)s %(path)s %(status)s %(milliseconds)s ms %(request_id)s"
EVENT = "%(asctime)s %(levelname)s %(message)s"


def configure_logging(settings: Settings) -> None:
    """Set up the process's loggers: ours at the settings' level, others' from warnings on."""
    logging.basicConfig(level=logging.WARNING, handlers=[_handler(settings, EVENT)], force=True)
    logging.getLogger("amplifierd").setLevel(settings.log_level.upper())
    access = logging.getLogger("amplifierd.access")
    access.handlers = [_handler(settings, ACCESS)]
    access.propagate = False


def _handler(settings: Settings, text: str) -> logging.Handler:
    handler = logging.StreamHandler(sys.stderr)
    if settings.log_format == "json":
        fields = ["asctime", "levelname", "name", "message"]
        names = {"asctime": "time", "levelname": "level", "name": "logger"}
        handler.setFormatter(JsonFormatter(fields, rename_fields=names))
    else:
        handler.setFormatter(logging.Formatter(text))
    return handler
