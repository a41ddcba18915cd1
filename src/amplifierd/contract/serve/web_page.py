"""The page for people: its start page, and the files below `/web/` that browsers run without a build."""

import gzip
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from importlib.resources.abc import Traversable

from starlette.datastructures import Headers

from ..request.body import JSON
from ..response.content_coding import accepts
from ..response.negotiation import preferred

PREFIX = "/web/"

_CONTENT_TYPES = {
    "css": "text/css; charset=utf-8",
    "html": "text/html; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "svg": "image/svg+xml",
}
# Scripts and styles come from this server only, text of a conversation becomes HTML only through DOMPurify
# (https://w3c.github.io/trusted-types/), and nothing is sent to other servers. An image may be in a message (`data`),
# or be read with a key (`blob`).
_SECURITY = {
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data: blob:; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
        "require-trusted-types-for 'script'; trusted-types dompurify"
    ),
    "cross-origin-opener-policy": "same-origin",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
}


@dataclass(frozen=True, slots=True)
class _Asset:
    content_type: str
    body: bytes
    compressed: bytes
    etag: str


class WebPage:
    """The files of `folder` that a browser reads. A file is read, and compressed, when it is first requested."""

    def __init__(self, folder: Traversable) -> None:
        # A path is looked up, never opened.
        self._files = dict(_files(folder, PREFIX))
        self._assets: dict[str, _Asset] = {}

    def is_wanted(self, headers: Headers) -> bool:
        """Whether a client of `/` prefers the page to JSON, as browsers do."""
        return preferred(headers.get("accept", ""), [JSON, "text/html"]) == "text/html"

    def start_page(self, headers: Headers) -> tuple[int, dict[str, str], bytes]:
        """The response to a client that prefers the page: status, headers, body."""
        return self._response(f"{PREFIX}index.html", headers)

    def asset(self, path: str, headers: Headers) -> tuple[int, dict[str, str], bytes] | None:
        """The response for a file of the page: status, headers, body. None if the file does not exist."""
        return self._response(path, headers) if path in self._files else None

    def _response(self, path: str, headers: Headers) -> tuple[int, dict[str, str], bytes]:
        asset = self._assets.get(path)
        if asset is None:
            asset = self._assets[path] = _read(self._files[path])
        common = {**_SECURITY, "cache-control": "no-cache", "etag": asset.etag, "vary": "Accept, Accept-Encoding"}
        if asset.etag in headers.get("if-none-match", ""):
            return 304, common, b""
        common["content-type"] = asset.content_type
        if accepts("gzip", ", ".join(headers.getlist("accept-encoding"))):
            return 200, {**common, "content-encoding": "gzip"}, asset.compressed
        return 200, common, asset.body


def _files(folder: Traversable, prefix: str) -> Iterator[tuple[str, Traversable]]:
    for entry in folder.iterdir():
        if entry.is_dir():
            if entry.name not in ("build", "node_modules"):
                yield from _files(entry, f"{prefix}{entry.name}/")
        elif entry.name.rpartition(".")[2] in _CONTENT_TYPES:
            yield f"{prefix}{entry.name}", entry


def _read(file: Traversable) -> _Asset:
    body = file.read_bytes()
    # The same bytes in every process: the time of compression is not in them.
    compressed = gzip.compress(body, 6, mtime=0)
    etag = f'W/"{sha256(body).hexdigest()[:16]}"'
    return _Asset(_CONTENT_TYPES[file.name.rpartition(".")[2]], body, compressed, etag)
