"""The web page: its start page, and the files below `/web/` that browsers run without a build step.

The start page names each file by `/web/VERSION/`, where the version is a digest of all files: a browser keeps the
files, and reads them again only after a change.
"""

import re
from collections.abc import Iterator
from functools import cached_property
from hashlib import sha256
from importlib.resources.abc import Traversable

from starlette.datastructures import Headers

from ..request.body import JSON
from ..response.negotiation import preferred
from .static_file import ASK_EACH_TIME, StaticFile, StaticResponse

# The others are for development, such as package.json.
_SERVED = ("css", "html", "js", "svg")

PREFIX = "/web/"
_START = f"{PREFIX}index.html"
_VERSIONED = re.compile(f"{PREFIX}([0-9a-f]{{16}})/(.+)")
_FOREVER = "public, max-age=31536000, immutable"

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


_VARY = "Accept, Accept-Encoding"


class WebPage:
    """The files of `folder` that a browser reads; each is read, and compressed, when it is first requested."""

    def __init__(self, folder: Traversable) -> None:
        # A path is looked up, never opened.
        self._files = dict(_files(folder, PREFIX))
        self._assets: dict[str, StaticFile] = {}

    def is_wanted(self, headers: Headers) -> bool:
        """Whether a client of `/` prefers the page to JSON, as browsers do."""
        return preferred(headers.get("accept", ""), [JSON, "text/html"]) == "text/html"

    def start_page(self, headers: Headers) -> StaticResponse:
        """The response to a client that prefers the page: status, headers, body."""
        return self._start.response(headers, _SECURITY, ASK_EACH_TIME, _VARY)

    def asset(self, path: str, headers: Headers) -> StaticResponse | None:
        """The response for a file, with or without a version: status, headers, body. None if the file does not exist.

        A browser may keep it only at the current version. A page that was opened before the daemon was updated asks for
        an older one, and gets the current file.
        """
        versioned = _VERSIONED.fullmatch(path)
        name = f"{PREFIX}{versioned[2]}" if versioned else path
        if name not in self._files:
            return None
        if name not in self._assets:
            self._assets[name] = StaticFile.of(name, self._files[name].read_bytes())
        is_present = versioned is not None and versioned[1] == self._version
        cache_control = _FOREVER if is_present else ASK_EACH_TIME
        return self._assets[name].response(headers, _SECURITY, cache_control, _VARY)

    @cached_property
    def _version(self) -> str:
        digest = sha256()
        for path in sorted(self._files):
            body = self._files[path].read_bytes()
            digest.update(f"{path} {len(body)}\n".encode() + body)
        return digest.hexdigest()[:16]

    @cached_property
    def _start(self) -> StaticFile:
        # Addresses are relative, so that a proxy may serve the page below any path.
        plain = self._files[_START].read_bytes()
        return StaticFile.of(_START, plain.replace(b'="web/', f'="web/{self._version}/'.encode()))


def _files(folder: Traversable, prefix: str) -> Iterator[tuple[str, Traversable]]:
    for entry in folder.iterdir():
        if entry.is_dir():
            if entry.name not in ("build", "node_modules"):
                yield from _files(entry, f"{prefix}{entry.name}/")
        elif entry.name.rpartition(".")[2] in _SERVED:
            yield f"{prefix}{entry.name}", entry
