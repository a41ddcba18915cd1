"""Routes requests to compiled operations by a tree of the contract's paths, as a middleware for Connexion.

Connexion's own routing uses Starlette's router, which tries one route after another: 8 us per request with nine
operations, and more with each. Its 405 lists the methods of only one route, and it redirects to the `Host` of the
request.
"""

from collections.abc import Callable
from typing import Any

from connexion.middleware.abstract import ROUTING_CONTEXT, RoutedAPI, RoutedMiddleware
from connexion.middleware.routing import RoutingMiddleware
from connexion.operations.abstract import AbstractOperation
from connexion.spec import Specification
from starlette.types import ASGIApp, Receive, Scope, Send

from ..core.paths import Paths, not_allowed
from .operation import Handler, Operation

CompileOperation = Callable[[str, str, Handler], Operation]


class Routing(RoutingMiddleware):
    """Writes the operation of a request into the scope, for the middlewares after it.

    Raises a 405 problem if the path has only other operations; `Allow` lists them (RFC 9110, section 15.5.6).
    Ends a call that is not an HTTP request.
    """

    def __init__(self, app: ASGIApp, paths: Paths) -> None:
        super().__init__(app)
        self._paths = paths
        # By operation; None is for paths outside the contract.
        self._contexts: dict[str | None, dict[str, str | None]] = {None: {}}

    def add_api(
        self,
        specification: Specification,
        base_path: str | None = None,
        arguments: dict[str, Any] | None = None,  # noqa: ARG002  # Connexion's signature
        **_options: Any,
    ) -> None:
        """Prepare the routing data of each operation of an API."""
        api_base_path = base_path or specification.base_path
        for item in specification["paths"].values():
            for operation in item.values():
                operation_id = operation["operationId"]
                self._contexts[operation_id] = {"api_base_path": api_base_path, "operation_id": operation_id}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        operation_id = None
        found = self._paths.find(scope["raw_path"])
        if found is not None:
            item, scope["path_params"] = found
            operation = item.operations.get(scope["method"])
            if operation is None:
                raise not_allowed(scope, item.operations)
            operation_id = operation["operationId"]
        scope["extensions"] = {**scope.get("extensions", {}), ROUTING_CONTEXT: self._contexts[operation_id]}
        await self.app(scope, receive, send)


class _CompiledAPI(RoutedAPI[Operation]):
    """The compiled operations of the contract."""

    def __init__(self, *arguments: Any, compile_operation: CompileOperation, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._compile_operation = compile_operation
        self.add_paths()

    def make_operation(self, operation: AbstractOperation) -> Operation:
        return self._compile_operation(operation.path, operation.method, operation.function)


class Operations(RoutedMiddleware[_CompiledAPI]):
    """Hands a request to the compiled operation that `Routing` found, or to the next application if there is none."""

    api_cls = _CompiledAPI
