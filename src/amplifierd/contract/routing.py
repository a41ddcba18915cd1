"""Routing for Connexion's routed middlewares, by a tree of the contract's paths.

Connexion's own goes through Starlette's router, which tries one route after another: 8 us a request with nine
operations, and more with each. Its 405 names the methods of one route only, and it redirects to what `Host` says.
"""

from collections.abc import Iterable
from typing import Any

from connexion.middleware.abstract import ROUTING_CONTEXT, SpecMiddleware
from connexion.spec import Specification
from starlette.types import ASGIApp, Receive, Scope, Send

from .paths import Paths
from .problems import Problem


class Routing(SpecMiddleware):
    """Says in the scope which operation a request means, None for a path that is not the contract's.

    Raises a 405 problem where the path has other operations, and `Allow` names them all (RFC 9110, section 15.5.6).
    """

    def __init__(self, app: ASGIApp, paths: Paths) -> None:
        self._app = app
        self._paths = paths

    def add_api(self, specification: Specification, **_options: Any) -> None:
        """Nothing to add: `paths` are the contract's already."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            scope.setdefault("extensions", {})[ROUTING_CONTEXT] = self._route(scope)
        await self._app(scope, receive, send)

    def _route(self, scope: Scope) -> dict[str, str | None]:
        found = self._paths.find(scope["path"])
        if found is None:
            return {"api_base_path": None, "operation_id": None}
        item, scope["path_params"] = found
        operation = item.operations.get(scope["method"])
        if operation is None:
            raise not_allowed(scope, item.operations)
        return {"api_base_path": self._paths.base_path, "operation_id": operation["operationId"]}


def not_allowed(scope: Scope, methods: Iterable[str]) -> Problem:
    """The 405 problem of a path that has other methods."""
    allowed = ", ".join(sorted(methods))
    detail = f"{scope['method']} is not allowed on {scope['path']}; it takes {allowed}."
    return Problem(405, "method-not-allowed", detail, headers={"Allow": allowed})
