"""Access for web pages of other origins (https://fetch.spec.whatwg.org/#http-cors-protocol)."""

from collections.abc import Collection, Iterable

from starlette.datastructures import Headers
from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp, Receive, Scope, Send

from ..core.paths import Paths, not_allowed
from ..core.problems import Problem, shorten

MAX_AGE_SECONDS = 600

# The headers that every page may send, and the headers of the contract.
_ALLOWED_HEADERS = (
    *("Accept", "Accept-Language", "Content-Language", "Content-Type"),
    *("Authorization", "Idempotency-Key", "If-Match", "If-None-Match", "Last-Event-ID"),
)
_ALLOWED_HEADER_NAMES = frozenset(name.lower() for name in _ALLOWED_HEADERS)
_EXPOSED = (
    "ETag",
    "Idempotent-Replayed",
    "Link",
    "Location",
    "RateLimit",
    "RateLimit-Policy",
    "Retry-After",
    "X-Request-Id",
    "X-Total-Count",
)
_REQUESTED = "Access-Control-Request-"


class Cors(CORSMiddleware):
    """Lets pages of `origins` read the responses of `app`, including problems.

    A response depends on the origin, so every response has `Vary: Origin` for caches.
    """

    def __init__(self, app: ASGIApp, origins: Collection[str]) -> None:
        super().__init__(app, allow_origins=list(origins), expose_headers=_EXPOSED)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        await self.simple_response(scope, receive, send, request_headers=Headers(scope=scope))


class Preflights:
    """Responds to the preflight requests of pages of `origins`; passes all others to `app`.

    The response lists the methods of the path and the allowed headers, and allows access to a private
    network (https://wicg.github.io/private-network-access/). `Cors` adds the headers of every response.

    Raises a problem: 405 for a method that the path does not have, 400 for a header that is not allowed.
    """

    def __init__(self, app: ASGIApp, paths: Paths, origins: Collection[str]) -> None:
        self._app = app
        self._paths = paths
        self._origins = origins

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        preflight_headers = (
            self._preflight_headers(scope) if scope["type"] == "http" and scope["method"] == "OPTIONS" else None
        )
        if preflight_headers is None:
            await self._app(scope, receive, send)
            return
        headers = [(name.lower().encode(), value.encode()) for name, value in preflight_headers.items()]
        await send({"type": "http.response.start", "status": 204, "headers": headers})
        await send({"type": "http.response.body", "body": b""})

    def _preflight_headers(self, scope: Scope) -> dict[str, str] | None:
        """The headers of the response; None if the request is not a preflight, or its origin is not allowed."""
        headers = Headers(scope=scope)
        method = headers.get(f"{_REQUESTED}Method")
        if method is None or not ("*" in self._origins or headers.get("origin") in self._origins):
            return None
        # Paths outside the contract can only be read.
        methods = self._paths.operations(scope["raw_path"]) or ("GET", "HEAD")
        if method not in methods:
            raise not_allowed({**scope, "method": shorten(method, 50)}, methods)
        _check_header_names(headers.getlist(f"{_REQUESTED}Headers"))
        response_headers = {
            "Access-Control-Allow-Methods": ", ".join(sorted(methods)),
            "Access-Control-Allow-Headers": ", ".join(_ALLOWED_HEADERS),
            "Access-Control-Max-Age": str(MAX_AGE_SECONDS),
            "Vary": ", ".join(f"{_REQUESTED}{name}" for name in ("Method", "Headers", "Private-Network")),
        }
        if headers.get(f"{_REQUESTED}Private-Network") == "true":
            response_headers["Access-Control-Allow-Private-Network"] = "true"
        return response_headers


def _check_header_names(lines: Iterable[str]) -> None:
    names = [name.strip() for line in lines for name in line.split(",")]
    strange = [name for name in names if name and name.lower() not in _ALLOWED_HEADER_NAMES]
    if strange:
        allowed = ", ".join(_ALLOWED_HEADERS)
        detail = f"Header {shorten(strange[0], 200)!r} is not allowed from a page; allowed are: {allowed}."
        raise Problem(400, "header-not-allowed", detail)
