"""Paths that are not operations: the contract, an API reference and the web page."""

import asyncio
from collections.abc import Callable
from functools import partial
from importlib.metadata import distribution
from importlib.resources import files
from pathlib import Path
from urllib.parse import unquote

import msgspec
from starlette.datastructures import Headers
from starlette.types import Receive, Scope, Send

from ..core.document import Document
from ..core.paths import not_allowed, without_trailing_slash
from ..core.problems import Problem
from .static_file import ASK_EACH_TIME, StaticFile, StaticResponse
from .web_page import WebPage

# The reference makes style elements as it runs. It contacts only this server.
_SECURITY = {
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; connect-src 'self'; "
        "img-src 'self' data:; font-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
}


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
        self._index = msgspec.json.encode(index)
        # Compressing them takes longer than others should wait.
        self._large: dict[str, Callable[[], StaticFile]] = {
            "/openapi.yaml": partial(StaticFile.of, "openapi.yaml", document.yaml),
            "/openapi.json": partial(StaticFile.of, "openapi.json", document.json),
            "/docs/scalar.js": _program,
        }
        own = files(__package__)
        self._files = {
            "/docs": StaticFile.of("docs.html", own.joinpath("docs.html").read_bytes()),
            "/docs/reference.js": StaticFile.of("reference.js", own.joinpath("reference.js").read_bytes()),
        }

    async def __call__(self, scope: Scope, _receive: Receive, send: Send) -> None:
        path = unquote(without_trailing_slash(scope["raw_path"]).decode("ascii"))
        if path in self._large and path not in self._files:
            self._files[path] = await asyncio.to_thread(self._large[path])
        status, headers, body = self._response(path, scope)
        if scope["method"] not in ("GET", "HEAD"):
            raise not_allowed(scope, ("GET", "HEAD"))
        if status != 304:
            headers["content-length"] = str(len(body))
        encoded = [(name.encode(), value.encode()) for name, value in headers.items()]
        await send({"type": "http.response.start", "status": status, "headers": encoded})
        await send({"type": "http.response.body", "body": body})

    def _response(self, path: str, scope: Scope) -> StaticResponse:
        headers = Headers(scope=scope)
        if path == "/" and self._page.is_wanted(headers):
            return self._page.start_page(headers)
        if path == "/":
            # A cache must not mix up the JSON for programs and the page for browsers.
            return 200, {"content-type": "application/json", "vary": "Accept"}, self._index
        if path in self._files:
            if path == "/docs" and scope["raw_path"].endswith(b"/"):
                # The page's addresses are relative to /docs.
                return 308, {"location": "../docs"}, b""
            return self._files[path].response(headers, _SECURITY, ASK_EACH_TIME)
        asset = self._page.asset(path, headers)
        if asset is not None:
            return asset
        sent = scope["raw_path"].decode("latin-1")
        raise Problem(404, "not-found", f"There is nothing at {sent}; /docs lists the operations.")


def _program() -> StaticFile:
    """The program that shows the reference, Scalar: https://github.com/scalar/scalar."""
    # The package is not imported, because then it reads all its files.
    path = Path(str(distribution("offapi").locate_file("offapi/scalar.js")))
    return StaticFile.of(path.name, path.read_bytes())
