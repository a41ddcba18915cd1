"""Operations that are served even when others are refused, for monitoring.

OpenAPI has no keyword for them, so they are marked by undeclared responses: an operation without 429 is exempt from
load and rate limits, and one without 503 is also served while the daemon starts.
"""

from http import HTTPStatus

from starlette.types import Scope

from ..core.document import Document, Json
from ..core.paths import without_trailing_slash
from ..core.problems import RETRY_AFTER_SECONDS, Problem

_TOO_MANY_REQUESTS = str(HTTPStatus.TOO_MANY_REQUESTS.value)
_SERVICE_UNAVAILABLE = str(HTTPStatus.SERVICE_UNAVAILABLE.value)


class Readiness:
    """Whether the daemon is ready: `reason` is None if it is, else a sentence with the reason."""

    def __init__(self, reason: str | None = None) -> None:
        self.reason = reason


class Probes:
    """Identifies the requests that are always served; others wait until the daemon is ready."""

    def __init__(self, document: Document) -> None:
        self._unlimited = _paths_without(document, _TOO_MANY_REQUESTS)
        self._always = _paths_without(document, _SERVICE_UNAVAILABLE)

    def is_unlimited(self, scope: Scope) -> bool:
        """Whether a request is served even if there are too many."""
        return without_trailing_slash(scope["raw_path"]) in self._unlimited

    def is_always_served(self, scope: Scope) -> bool:
        """Whether a request is served even while the daemon starts."""
        return without_trailing_slash(scope["raw_path"]) in self._always


def starting(reason: str) -> Problem:
    """The 503 problem of a request that has to wait until the daemon is ready."""
    return Problem(503, "starting", reason, headers={"Retry-After": str(RETRY_AFTER_SECONDS)})


def is_limited(operation: Json) -> bool:
    """Whether an operation is refused if there are too many requests."""
    return _TOO_MANY_REQUESTS in operation["responses"]


def _paths_without(document: Document, status: str) -> frozenset[bytes]:
    return frozenset(
        f"{document.base_path}{path}".encode()
        for path, _, operation in document.operations()
        if status not in operation["responses"]
    )
