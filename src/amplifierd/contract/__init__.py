"""openapi.yaml compiled once, at start-up, into an ASGI application.

    gate -> routing -> operation: security, parameters, body -> handler -> response

Nothing outside of this package imports Connexion, Starlette or a JSON Schema library.
"""

import warnings

# Connexion imports Starlette's test client, which tells whoever starts a daemon what its own tests should install.
warnings.filterwarnings("ignore", "Using `httpx` with `starlette.testclient`")

from .access_log import access_log, time_now, write_line
from .application import Access, compile_contract
from .document import ContractError, Document, load_document
from .edge import AccessLog
from .ijson import NotIJson
from .ijson import decode as decode_ijson
from .lines import LineReader, line_reader
from .probes import Readiness
from .problems import Problem, render
from .rate import RateLimit
from .reading import LineTree, Meaning, Unreadable
from .security import Credential

__all__ = [
    "Access",
    "AccessLog",
    "ContractError",
    "Credential",
    "Document",
    "LineReader",
    "LineTree",
    "Meaning",
    "NotIJson",
    "Problem",
    "RateLimit",
    "Readiness",
    "Unreadable",
    "access_log",
    "compile_contract",
    "decode_ijson",
    "line_reader",
    "load_document",
    "render",
    "time_now",
    "write_line",
]
