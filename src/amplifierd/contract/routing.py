"""Connexion's routing, its 405 with every method that the path has in `Allow` (RFC 9110, section 15.5.6)."""

from collections.abc import Iterable
from typing import Any

from connexion.middleware.routing import RoutingMiddleware
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Receive, Scope, Send

from .paths import Paths
from .problems import Problem


class Routing(RoutingMiddleware):
    """Finds the operation of a request. Raises a 405 problem where the path has only others."""

    def __init__(self, app: ASGIApp, paths: Paths) -> None:
        super().__init__(app)
        self._paths = paths
        self.router.redirect_slashes = False

    def add_api(self, *arguments: Any, **options: Any) -> None:
        """Route to an API's operations, and without the redirects of Starlette's router, which trust `Host`."""
        super().add_api(*arguments, **options)
        for mount in self.router.routes:
            mount.app.redirect_slashes = False  # type: ignore[attr-defined]  # a Mount, and its app a Router

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if "\n" in scope.get("path", ""):
            # The patterns of Starlette's router take a line's end for the path's.
            raise Problem(404, "not-found", "There is nothing at a path with a line break in it.")
        try:
            await super().__call__(scope, receive, send)
        except HTTPException as error:
            if error.status_code != 405:
                raise
            raise not_allowed(scope, self._paths.operations(scope["path"])) from None


def not_allowed(scope: Scope, methods: Iterable[str]) -> Problem:
    """The 405 problem of a path that has other methods."""
    allowed = ", ".join(sorted(methods))
    detail = f"{scope['method']} is not allowed on {scope['path']}; it takes {allowed}."
    return Problem(405, "method-not-allowed", detail, headers={"Allow": allowed})
