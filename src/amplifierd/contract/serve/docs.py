"""Pages beside the operations: the contract, an API reference and the page for people."""

from functools import cache
from importlib.resources import files

import msgspec
from starlette.datastructures import Headers
from starlette.types import Receive, Scope, Send

from ..core.document import Document
from ..core.paths import not_allowed
from ..core.problems import Problem
from .web_page import WebPage

_ASSETS = {
    "/docs/swagger-ui.css": "text/css; charset=utf-8",
    "/docs/swagger-ui-bundle.js": "text/javascript; charset=utf-8",
    "/docs/favicon-32x32.png": "image/png",
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
        self._pages = {
            "/": ("application/json", msgspec.json.encode(index)),
            "/openapi.yaml": ("application/yaml", document.yaml),
            "/openapi.json": ("application/json", document.json),
            "/docs": ("text/html; charset=utf-8", files(__package__).joinpath("docs.html").read_bytes()),
        }

    async def __call__(self, scope: Scope, _receive: Receive, send: Send) -> None:
        status, headers, body = self._response(scope["path"], scope)
        if scope["method"] not in ("GET", "HEAD"):
            raise not_allowed(scope, ("GET", "HEAD"))
        if status != 304:
            headers["content-length"] = str(len(body))
        encoded = [(name.encode(), value.encode()) for name, value in headers.items()]
        await send({"type": "http.response.start", "status": status, "headers": encoded})
        await send({"type": "http.response.body", "body": body})

    def _response(self, path: str, scope: Scope) -> tuple[int, dict[str, str], bytes]:
        headers = Headers(scope=scope)
        if path == "/" and self._page.is_wanted(headers):
            return self._page.start_page(headers)
        if path in self._pages:
            content_type, body = self._pages[path]
            # A cache must not mix up the JSON for programs and the page for browsers.
            vary = {"vary": "Accept"} if path == "/" else {}
            return 200, {"content-type": content_type, **vary}, body
        if path in _ASSETS:
            return 200, {"content-type": _ASSETS[path]}, _asset(path.rpartition("/")[2])
        asset = self._page.asset(path, headers)
        if asset is not None:
            return asset
        sent = scope["raw_path"].decode("latin-1")
        raise Problem(404, "not-found", f"There is nothing at {sent}; GET / lists what there is.")


@cache
def _asset(name: str) -> bytes:
    # Imported when the reference is first requested, which is rare.
    from swagger_ui_bundle import swagger_ui_path

    return bytes(swagger_ui_path.joinpath(name).read_bytes())
