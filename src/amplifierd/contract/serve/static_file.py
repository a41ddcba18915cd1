"""Files that clients read, and browsers run or show: their bytes, plain and compressed, and their responses."""

import gzip
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256

from starlette.datastructures import Headers

from ..response.content_coding import accepts

CONTENT_TYPES = {
    "css": "text/css; charset=utf-8",
    "html": "text/html; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "json": "application/json",
    "svg": "image/svg+xml",
    "yaml": "application/yaml",
}
# A browser keeps the file, and asks each time whether it has changed.
ASK_EACH_TIME = "no-cache"

# Status, headers, body.
StaticResponse = tuple[int, dict[str, str], bytes]


@dataclass(frozen=True, slots=True)
class StaticFile:
    """A file; its media type follows from its name."""

    content_type: str
    body: bytes
    compressed: bytes
    etag: str

    @classmethod
    def of(cls, name: str, body: bytes) -> "StaticFile":
        """The file of a name with these bytes. Compressing them takes 50 ms for each MB."""
        # The same bytes in every process: the time of compression is not in them.
        compressed = gzip.compress(body, 6, mtime=0)
        etag = f'W/"{sha256(body).hexdigest()[:16]}"'
        return cls(CONTENT_TYPES[name.rpartition(".")[2]], body, compressed, etag)

    def response(
        self, headers: Headers, security: Mapping[str, str], cache_control: str, vary: str = "Accept-Encoding"
    ) -> StaticResponse:
        """The response to a request with `headers`: 304 if the client has the file."""
        common = {**security, "cache-control": cache_control, "etag": self.etag, "vary": vary}
        if self.etag in headers.get("if-none-match", ""):
            return 304, common, b""
        common["content-type"] = self.content_type
        if accepts("gzip", ", ".join(headers.getlist("accept-encoding"))):
            return 200, {**common, "content-encoding": "gzip"}, self.compressed
        return 200, common, self.body
