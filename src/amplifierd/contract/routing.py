"""Routing for Connexion, by a tree of the contract's paths, to operations that are compiled.

Connexion's own goes through Starlette's router, which tries one route after another: 8 us a request with nine
operations, and more with each. Its 405 names the methods of one route only, and it redirects to what `Host` says.
"""

from collections.abc import Awaitable, Callable, Iterable
from typing import Any

from connexion.middleware.abstract import RoutedAPI, SpecMiddleware
from connexion.operations.abstract import AbstractOperation
from connexion.spec import Specification
from starlette.types import ASGIApp, Receive, Scope, Send

from .operation import Handler, Operation
from .paths import Paths
from .problems import Problem

CompileOperation = Callable[[str, str, Handler], Operation]


class Routing(SpecMiddleware):
    """Hands a request to the operation that it means, and one for a path that is not the contract's to `app`.

    Raises a 405 problem where the path has other operations, and `Allow` names them all (RFC 9110, section 15.5.6).
    """

    def __init__(self, app: ASGIApp, paths: Paths, compile_operation: CompileOperation) -> None:
        self._app = app
        self._paths = paths
        self._compile_operation = compile_operation
        self._operations: dict[str | None, Operation] = {}

    def add_api(self, specification: Specification, **options: Any) -> None:
        """Compile the operations that Connexion finds."""
        api = _CompiledAPI(specification, next_app=self._app, compile_operation=self._compile_operation, **options)
        self._operations.update(api.operations)

    def __call__(  # type: ignore[override]  # it is awaited all the same
        self, scope: Scope, receive: Receive, send: Send
    ) -> Awaitable[None]:
        application = self._meant(scope) if scope["type"] == "http" else self._app
        return application(scope, receive, send)

    def _meant(self, scope: Scope) -> ASGIApp:
        found = self._paths.find(scope["raw_path"])
        if found is None:
            return self._app
        item, scope["path_params"] = found
        operation = item.operations.get(scope["method"])
        if operation is None:
            raise not_allowed(scope, item.operations)
        return self._operations[operation["operationId"]]


class _CompiledAPI(RoutedAPI[Operation]):
    """The compiled operations of the contract."""

    def __init__(self, *arguments: Any, compile_operation: CompileOperation, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._compile_operation = compile_operation
        self.add_paths()

    def make_operation(self, operation: AbstractOperation) -> Operation:
        return self._compile_operation(operation.path, operation.method, operation.function)


def not_allowed(scope: Scope, methods: Iterable[str]) -> Problem:
    """The 405 problem of a path that has other methods."""
    allowed = ", ".join(sorted(methods))
    detail = f"{scope['method']} is not allowed on {scope['raw_path'].decode('latin-1')}; it takes {allowed}."
    return Problem(405, "method-not-allowed", detail, headers={"Allow": allowed})
