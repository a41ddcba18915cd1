"""openapi.yaml compiled once, at start-up, into an ASGI application.

    routing -> operation: parameters, body -> handler -> response

Nothing outside of this package imports Connexion, Starlette or a JSON Schema library.
"""

import warnings

# Connexion imports Starlette's test client, which tells whoever starts a daemon what its own tests should install.
warnings.filterwarnings("ignore", "Using `httpx` with `starlette.testclient`")

from .application import compile_contract
from .document import ContractError, Document, load_document
from .edge import AccessLog
from .lines import LineReader, line_reader
from .problems import Problem

__all__ = [
    "AccessLog",
    "ContractError",
    "Document",
    "LineReader",
    "Problem",
    "compile_contract",
    "line_reader",
    "load_document",
]
