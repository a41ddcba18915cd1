"""The documentation that is served beside the operations: the contract and an API reference."""

from functools import cache
from importlib.resources import files

import msgspec
from starlette.types import Receive, Scope, Send

from ..core.document import Document
from ..core.paths import not_allowed
from ..core.problems import Problem

_ASSETS = {
    "/docs/swagger-ui.css": "text/css; charset=utf-8",
    "/docs/swagger-ui-bundle.js": "text/javascript; charset=utf-8",
    "/docs/favicon-32x32.png": "image/png",
}


class Pages:
    """The innermost application: all paths without an operation. Raises a 404 problem for unknown ones."""

    def __init__(self, document: Document, version: str) -> None:
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
        content_type, body = self._page(scope)
        if scope["method"] not in ("GET", "HEAD"):
            raise not_allowed(scope, ("GET", "HEAD"))
        headers = [(b"content-type", content_type.encode()), (b"content-length", b"%d" % len(body))]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    def _page(self, scope: Scope) -> tuple[str, bytes]:
        path = scope["path"]
        if path in self._pages:
            return self._pages[path]
        if path in _ASSETS:
            return _ASSETS[path], _asset(path.rpartition("/")[2])
        sent = scope["raw_path"].decode("latin-1")
        raise Problem(404, "not-found", f"There is nothing at {sent}; GET / lists what there is.")


@cache
def _asset(name: str) -> bytes:
    # Imported when the reference is first requested, which is rare.
    from swagger_ui_bundle import swagger_ui_path

    return bytes(swagger_ui_path.joinpath(name).read_bytes())
