"""The page for people: its start page, and the files below `/web/` that browsers run without a build.

The start page names each file by `/web/VERSION/`, where the version is a digest of all files: a browser keeps what it
has read, and reads it again only after a change.
"""

import gzip
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from importlib.resources.abc import Traversable

from starlette.datastructures import Headers

from ..request.body import JSON
from ..response.content_coding import accepts
from ..response.negotiation import preferred

PREFIX = "/web/"
_START = f"{PREFIX}index.html"
_VERSIONED = re.compile(f"{PREFIX}([0-9a-f]{{16}})/(.+)")
_FOREVER = "public, max-age=31536000, immutable"

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
    """The files of `folder` that a browser reads; each is read, and compressed, when it is first requested."""

    def __init__(self, folder: Traversable) -> None:
        # A path is looked up, never opened.
        self._files = dict(_files(folder, PREFIX))
        self._assets: dict[str, _Asset] = {}

    def is_wanted(self, headers: Headers) -> bool:
        """Whether a client of `/` prefers the page to JSON, as browsers do."""
        return preferred(headers.get("accept", ""), [JSON, "text/html"]) == "text/html"

    def start_page(self, headers: Headers) -> tuple[int, dict[str, str], bytes]:
        """The response to a client that prefers the page: status, headers, body."""
        return _response(self._start, headers, "no-cache")

    def asset(self, path: str, headers: Headers) -> tuple[int, dict[str, str], bytes] | None:
        """The response for a file, with or without a version: status, headers, body. None if the file does not exist.

        A browser may keep it only at the current version. A page that was opened before the daemon was updated asks for
        an older one, and gets the current file.
        """
        versioned = _VERSIONED.fullmatch(path)
        name = f"{PREFIX}{versioned[2]}" if versioned else path
        if name not in self._files:
            return None
        if name not in self._assets:
            self._assets[name] = _asset(name, self._files[name].read_bytes())
        is_present = versioned is not None and versioned[1] == self._version
        return _response(self._assets[name], headers, _FOREVER if is_present else "no-cache")

    @cached_property
    def _version(self) -> str:
        digest = sha256()
        for path in sorted(self._files):
            body = self._files[path].read_bytes()
            digest.update(f"{path} {len(body)}\n".encode() + body)
        return digest.hexdigest()[:16]

    @cached_property
    def _start(self) -> _Asset:
        # Addresses are relative, so that a proxy may serve the page below any path.
        plain = self._files[_START].read_bytes()
        return _asset(_START, plain.replace(b'="web/', f'="web/{self._version}/'.encode()))


def _files(folder: Traversable, prefix: str) -> Iterator[tuple[str, Traversable]]:
    for entry in folder.iterdir():
        if entry.is_dir():
            if entry.name not in ("build", "node_modules"):
                yield from _files(entry, f"{prefix}{entry.name}/")
        elif entry.name.rpartition(".")[2] in _CONTENT_TYPES:
            yield f"{prefix}{entry.name}", entry


def _asset(path: str, body: bytes) -> _Asset:
    # The same bytes in every process: the time of compression is not in them.
    compressed = gzip.compress(body, 6, mtime=0)
    etag = f'W/"{sha256(body).hexdigest()[:16]}"'
    return _Asset(_CONTENT_TYPES[path.rpartition(".")[2]], body, compressed, etag)


def _response(asset: _Asset, headers: Headers, cache_control: str) -> tuple[int, dict[str, str], bytes]:
    common = {**_SECURITY, "cache-control": cache_control, "etag": asset.etag, "vary": "Accept, Accept-Encoding"}
    if asset.etag in headers.get("if-none-match", ""):
        return 304, common, b""
    common["content-type"] = asset.content_type
    if accepts("gzip", ", ".join(headers.getlist("accept-encoding"))):
        return 200, {**common, "content-encoding": "gzip"}, asset.compressed
    return 200, common, asset.body
