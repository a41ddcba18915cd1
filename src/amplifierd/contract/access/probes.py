"""Operations that are served though others are refused: who watches over the daemon asks them.

Plain OpenAPI has no word for those; what they do not declare says it. An operation without 429 is refused by no load
and no rate, one without 503 is served while the daemon starts as well.
"""

from http import HTTPStatus

from starlette.types import Scope

from ..core.document import Document, Json
from ..core.problems import RETRY_AFTER_SECONDS, Problem

_TOO_MANY_REQUESTS = str(HTTPStatus.TOO_MANY_REQUESTS.value)
_SERVICE_UNAVAILABLE = str(HTTPStatus.SERVICE_UNAVAILABLE.value)


class Readiness:
    """Whether the daemon does its work; `reason` is a sentence that says why it does not yet, None once it does."""

    def __init__(self, reason: str | None = None) -> None:
        self.reason = reason


class Probes:
    """Tells the requests that are served whatever comes from others, which wait until the daemon is ready."""

    def __init__(self, document: Document, readiness: Readiness) -> None:
        self._readiness = readiness
        self._unlimited = _paths_without(document, _TOO_MANY_REQUESTS)
        self._always = _paths_without(document, _SERVICE_UNAVAILABLE)

    def is_unlimited(self, scope: Scope) -> bool:
        """Whether a request is served though there are too many."""
        return _path(scope) in self._unlimited

    def check_ready(self, scope: Scope) -> None:
        """Raises a 503 problem while the daemon starts."""
        reason = self._readiness.reason
        if reason is not None and _path(scope) not in self._always:
            raise Problem(503, "starting", reason, headers={"Retry-After": str(RETRY_AFTER_SECONDS)})


def is_limited(operation: Json) -> bool:
    """Whether an operation is refused where there are too many requests."""
    return _TOO_MANY_REQUESTS in operation["responses"]


def _paths_without(document: Document, status: str) -> frozenset[bytes]:
    return frozenset(
        f"{document.base_path}{path}".encode()
        for path, _, operation in document.operations()
        if status not in operation["responses"]
    )


def _path(scope: Scope) -> bytes:
    raw_path: bytes = scope["raw_path"]
    return raw_path.rstrip(b"/")
