"""Compiles openapi.yaml once, at start-up, into an ASGI application.

    origin check -> routing -> operation: security, parameters, body -> handler -> response

Nothing outside this package imports Connexion, Starlette or a JSON Schema library.
"""

import warnings
from importlib import import_module
from typing import TYPE_CHECKING, Any

# Connexion imports Starlette's test client, which would warn everyone who starts a daemon about a test dependency.
warnings.filterwarnings("ignore", "Using `httpx` with `starlette.testclient`")

from .core.config_schema import MAX_STEPS, ConfigSchema, SchemaRefused, Steps, TooManySteps, config_schema
from .core.document import ContractError, Document, decode_document, load_document
from .core.executor import SerialExecutor, yield_after
from .core.ijson import NotIJson, pointer_to
from .core.ijson import decode as decode_ijson
from .core.problems import ErrorTable, Problem, Violation, render
from .core.request_state import IS_DISCONNECTED, SHUTDOWN
from .request.body import RecordReader, record_reader
from .request.media_decoders import DecodedBody, DecodeError, LineTree
from .request.ndjson import LineReader, line_reader
from .response.record_encoding import encode_text, encoded_lines

if TYPE_CHECKING:
    from .access.probes import Readiness
    from .access.rate_limit import RateLimit
    from .access.security import Credential
    from .serve.application import Access, compile_contract
    from .serve.error_boundary import AccessLog
    from .serve.request_log import access_log, json_text, time_now, write_line

# Only programs that serve the contract need these and Connexion, whose import takes most of a second.
_LATE = {
    "Access": "serve.application",
    "AccessLog": "serve.error_boundary",
    "Credential": "access.security",
    "RateLimit": "access.rate_limit",
    "Readiness": "access.probes",
    "access_log": "serve.request_log",
    "compile_contract": "serve.application",
    "json_text": "serve.request_log",
    "time_now": "serve.request_log",
    "write_line": "serve.request_log",
}


def __getattr__(name: str) -> Any:
    """Import a name when it is first used."""
    if name not in _LATE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".{_LATE[name]}", __name__), name)


__all__ = [
    "IS_DISCONNECTED",
    "MAX_STEPS",
    "SHUTDOWN",
    "Access",
    "AccessLog",
    "ConfigSchema",
    "ContractError",
    "Credential",
    "DecodeError",
    "DecodedBody",
    "Document",
    "ErrorTable",
    "LineReader",
    "LineTree",
    "NotIJson",
    "Problem",
    "RateLimit",
    "Readiness",
    "RecordReader",
    "SchemaRefused",
    "SerialExecutor",
    "Steps",
    "TooManySteps",
    "Violation",
    "access_log",
    "compile_contract",
    "config_schema",
    "decode_document",
    "decode_ijson",
    "encode_text",
    "encoded_lines",
    "json_text",
    "line_reader",
    "load_document",
    "pointer_to",
    "record_reader",
    "render",
    "time_now",
    "write_line",
    "yield_after",
]
