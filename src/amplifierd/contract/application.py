"""The contract as an application: Connexion routes and authenticates, compiled operations do the rest."""

import re
from collections.abc import Callable, Collection, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from typing import Any

from connexion.middleware.lifespan import LifespanMiddleware
from connexion.middleware.main import ConnexionMiddleware
from connexion.operations.abstract import AbstractOperation
from connexion.resolver import Resolution, Resolver
from starlette.types import ASGIApp

from .checking import ResponseCheck
from .cors import Cors
from .document import ContractError, Document, Json
from .edge import AccessLog, Edge
from .exchange import Capacity
from .gate import Gate
from .operation import Compilation, Operation
from .pages import Pages
from .paths import Paths
from .rate import RateLimit
from .reading import Reading
from .representation import Rendering
from .routing import Routing
from .schema import Schemas
from .security import Authenticate

Lifespan = Callable[[Any], AbstractAsyncContextManager[None]]


@dataclass(frozen=True, slots=True)
class Access:
    """Who is let in, and how much of it.

    `authenticate` says what a key opens; requests are served that are meant for one of `hosts`, None for any, and
    pages of `origins` may use the service. A caller may make requests at the `rate_limit`, None for as many as there
    come. At most `most_requests` are handled at a time, with bodies of `most_bytes` together.
    """

    authenticate: Authenticate
    hosts: Collection[str] | None = None
    origins: Collection[str] = ()
    rate_limit: str | None = None
    most_requests: int = 2_048
    most_bytes: int = 64 * 1024 * 1024


def compile_contract(
    document: Document,
    *,
    handlers: str,
    provided: Mapping[str, object],
    statuses: Mapping[type[Exception], int],
    access: Access,
    version: str,
    max_body: int,
    check_responses: bool,
    lifespan: Lifespan,
    renderings: Mapping[tuple[str, str], Rendering],
    readings: Mapping[tuple[str, str], Reading],
    access_log: AccessLog | None = None,
) -> ASGIApp:
    """The ASGI application that serves `document`.

    `handlers` is the package with a module for each tag and a function for each operationId, in snake_case;
    `provided` is what handlers may ask for by name besides what the contract gives them, and the `workspace` of the
    request's credential; `statuses` says which status an error of the domain has; `renderings` write an operation's
    answer in a media type that is not JSON, `readings` read a body in one; bodies, or their lines, have at most
    `max_body` bytes. With `check_responses` whatever is sent is held against the contract first; `access_log` is told
    of each request. Raises `ContractError` where document and handlers do not fit.
    """
    _refuse_double_names(document)
    paths = Paths(document)
    schemas = Schemas(document)
    capacity = Capacity(access.most_requests, access.most_bytes)
    rate_limit = None if access.rate_limit is None else RateLimit(access.rate_limit)
    compilation = Compilation(
        document, schemas, provided, access.authenticate, rate_limit, capacity, max_body, renderings, readings
    )
    # Connexion's hint says applications where it takes what makes them.
    middlewares: list[Any] = [
        LifespanMiddleware,
        partial(Routing, paths=paths, compile_operation=partial(Operation, compilation)),
    ]
    try:
        connexion = ConnexionMiddleware(
            Pages(document, version),
            middlewares=middlewares,
            lifespan=lifespan,
            resolver=_HandlerResolver(handlers),
        )
        connexion.add_api(_routes(document))
        # Connexion builds its stack on the first request; here a contract that does not fit stops the start.
        connexion.app, connexion.middleware_stack = connexion._build_middleware_stack()  # noqa: SLF001  # no public way
    except ContractError:
        raise
    except Exception as error:
        # What Connexion raises on a document that is no OpenAPI is whatever its reading stumbles on.
        raise ContractError(f"Connexion can't read the contract: {error!r}") from error
    # Requests go where Connexion's own layers would only hand them on to.
    _, routing, _ = connexion.middleware_stack
    gate = Gate(access.hosts, access.origins)
    application: ASGIApp = Edge(routing, connexion, statuses, gate, capacity, access_log)
    if check_responses:
        application = ResponseCheck(application, document, paths, schemas)
    return Cors(application, access.origins) if access.origins else application


def _routes(document: Document) -> Json:
    """The contract without its schemas, which Connexion would look through and copy though it does no more than route.

    That the whole is OpenAPI is for the tests to see.
    """
    paths: dict[str, Json] = {}
    for path, method, operation in document.operations():
        answers = {status: document.resolve(answer) for status, answer in operation["responses"].items()}
        responses = {status: {"description": answer["description"]} for status, answer in answers.items()}
        kept = {"operationId": operation["operationId"], "tags": operation["tags"], "responses": responses}
        paths.setdefault(path, {})[method] = kept
    return {**{name: value for name, value in document.spec.items() if name != "components"}, "paths": paths}


def _refuse_double_names(document: Document) -> None:
    # Connexion would serve the last of them in the place of all.
    places: dict[str, str] = {}
    for path, method, operation in document.operations():
        place = f"{method.upper()} {path}"
        other = places.setdefault(operation.get("operationId", ""), place)
        if other != place or "operationId" not in operation:
            raise ContractError(f"{place} needs an operationId of its own; {other} has the same, or none.")


class _HandlerResolver(Resolver):
    """Finds `handlers.sessions.create_session` for the operation `createSession` of the tag `sessions`."""

    def __init__(self, package: str) -> None:
        super().__init__()
        self._package = package

    def resolve(self, operation: AbstractOperation) -> Resolution:
        declared = operation._operation  # noqa: SLF001  # its public face hides the tags
        operation_id = declared["operationId"]
        module = f"{self._package}.{declared['tags'][0]}"
        name = re.sub(r"(?=[A-Z])", "_", operation_id).lower()
        try:
            function = getattr(import_module(module), name)
            return Resolution(function, operation_id)  # type: ignore[no-untyped-call]  # Connexion's, without hints
        except (ImportError, AttributeError):
            raise ContractError(
                f"Operation {operation_id} ({operation.method.upper()} {operation.path}) has no handler: "
                f"there is no function {name} in {module}."
            ) from None
