"""Pages beside the operations: the contract, an API reference and the page for people."""

import asyncio
import gzip
from functools import cache
from importlib.metadata import distribution
from importlib.resources import files
from pathlib import Path

import msgspec
from starlette.datastructures import Headers
from starlette.types import Receive, Scope, Send

from ..core.document import Document
from ..core.paths import not_allowed
from ..core.problems import Problem
from ..core.request_state import sent_path
from ..response.content_coding import accepts
from .web_page import WebPage

_HTML = "text/html; charset=utf-8"
_JAVASCRIPT = "text/javascript; charset=utf-8"
# The reference makes style elements as it runs. It reads, and sends requests to, this server alone.
_SECURITY = {
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; connect-src 'self'; "
        "img-src 'self' data:; font-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
}


# Status, headers, body.
_Answer = tuple[int, dict[str, str], bytes]


class Pages:
    """The innermost application: all paths without an operation. Raises a 404 problem for unknown ones."""

    def __init__(self, document: Document, version: str, page: WebPage) -> None:
        self._page = page
        index = {
            "name": "amplifierd",
            "version": version,
            "description": "A store for LLM conversations.",
            "api": document.base_path,
            "docs": "/docs",
            "openapi": "/openapi.json",
        }
        self._pages = {
            "/": ("application/json", msgspec.json.encode(index)),
            "/openapi.yaml": ("application/yaml", document.yaml),
            "/openapi.json": ("application/json", document.json),
            "/docs": (_HTML, files(__package__).joinpath("docs.html").read_bytes()),
            "/docs/reference.js": (_JAVASCRIPT, files(__package__).joinpath("reference.js").read_bytes()),
        }

    async def __call__(self, scope: Scope, _receive: Receive, send: Send) -> None:
        is_program = scope["path"] == "/docs/scalar.js"
        # Compressing it takes longer than others should wait.
        status, headers, body = await asyncio.to_thread(_program, scope) if is_program else self._response(scope)
        if scope["method"] not in ("GET", "HEAD"):
            raise not_allowed(scope, ("GET", "HEAD"))
        if status != 304:
            headers["content-length"] = str(len(body))
        encoded = [(name.encode(), value.encode()) for name, value in headers.items()]
        await send({"type": "http.response.start", "status": status, "headers": encoded})
        await send({"type": "http.response.body", "body": body})

    def _response(self, scope: Scope) -> _Answer:
        path, headers = scope["path"], Headers(scope=scope)
        if path == "/" and self._page.is_wanted(headers):
            return self._page.start_page(headers)
        if path in self._pages:
            content_type, body = self._pages[path]
            # A cache must not mix up the JSON for programs and the page for browsers.
            vary = {"vary": "Accept"} if path == "/" else {}
            security = _SECURITY if path.startswith("/docs") else {}
            if path == "/docs" and sent_path(scope).endswith(b"/"):
                # The page's addresses are relative to /docs.
                return 308, {"location": "../docs"}, b""
            return 200, {"content-type": content_type, **vary, **security}, body
        asset = self._page.asset(path, headers)
        if asset is not None:
            return asset
        sent = scope["raw_path"].decode("latin-1")
        raise Problem(404, "not-found", f"There is nothing at {sent}; GET / lists what there is.")


def _program(scope: Scope) -> _Answer:
    """The response with the program that shows the reference, Scalar: https://github.com/scalar/scalar."""
    headers = {"content-type": _JAVASCRIPT, "vary": "Accept-Encoding", **_SECURITY}
    if accepts("gzip", ", ".join(Headers(scope=scope).getlist("accept-encoding"))):
        return 200, {**headers, "content-encoding": "gzip"}, _compressed()
    return 200, headers, _scalar()


def _scalar() -> bytes:
    # The package is not imported, because then it reads all its files.
    return Path(str(distribution("offapi").locate_file("offapi/scalar.js"))).read_bytes()


@cache
def _compressed() -> bytes:
    return gzip.compress(_scalar(), 6, mtime=0)
