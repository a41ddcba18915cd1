"""The contract as an application: Connexion routes requests, compiled operations handle them."""

import re
from collections.abc import Callable, Collection, Mapping
from contextlib import AbstractAsyncContextManager, suppress
from dataclasses import dataclass, field
from functools import partial
from importlib import import_module
from importlib.resources.abc import Traversable
from typing import Any

from connexion.middleware.main import ConnexionMiddleware
from connexion.operations.abstract import AbstractOperation
from connexion.resolver import Resolution, Resolver

from ..access.cors import Cors, Preflights
from ..access.origin_check import OriginCheck
from ..access.probes import Probes, Readiness
from ..access.rate_limit import RateLimit
from ..access.security import Authenticate
from ..compile.operation import Compilation, Operation
from ..compile.routing import CompileOperation, Operations, Routing
from ..core.document import ContractError, Document, Json
from ..core.executor import SerialExecutor
from ..core.paths import Paths
from ..core.problems import ErrorTable
from ..core.request_state import AdmissionLimit
from ..core.schema import Schemas
from ..request.media_decoders import BodyDecoder
from ..request.target_limit import longest_target
from ..response.content_coding import Compression
from ..response.negotiation import Renderer
from .docs import Pages
from .error_boundary import AccessLog, ErrorBoundary
from .response_validation import ResponseCheck
from .web_page import WebPage

Lifespan = Callable[[Any], AbstractAsyncContextManager[None]]


@dataclass(frozen=True, slots=True)
class Access:
    """Access control and limits of an application.

    `authenticate` returns the credential of a key. Requests must be for one of `hosts`, None for any;
    pages of `origins` may use the service. Callers are limited to `rate_limit`, None for no
    limit. At most `most_requests` are handled at a time, with bodies of `most_bytes` in total. A response begins within
    `request_seconds`. Until it is ready (`readiness`), only probes are served.
    """

    authenticate: Authenticate
    hosts: Collection[str] | None = None
    origins: Collection[str] = ()
    rate_limit: str | None = None
    most_requests: int = 2_048
    most_bytes: int = 64 * 1024 * 1024
    request_seconds: float = 10
    readiness: Readiness = field(default_factory=Readiness)


class ContractApplication(ConnexionMiddleware):
    """The contract as an application; `longest_target` is the size in bytes of the longest target that it accepts."""

    longest_target: int


def compile_contract(
    document: Document,
    *,
    handlers: str,
    provided: Mapping[str, object],
    errors: ErrorTable,
    access: Access,
    version: str,
    max_body: int,
    max_file: int,
    check_responses: bool,
    lifespan: Lifespan,
    page: Traversable,
    renderers: Mapping[tuple[str, str], Renderer],
    body_decoders: Mapping[tuple[str, str], BodyDecoder],
    access_log: AccessLog | None = None,
) -> ContractApplication:
    """The ASGI application that serves `document`.

    `handlers` is the package with a module for each tag and a function for each operationId, in snake_case;
    `provided` are arguments for handlers by name, besides those of the contract and the `workspace` of the
    request's credential; `page` is the folder with the files of the page for people; `errors` maps domain errors to
    responses; `renderers` write an operation's response in a media type that is not JSON, `body_decoders` read a body
    in one; bodies, or their lines, have at most `max_body` bytes, and files `max_file`. With `check_responses` every
    response is validated first; `access_log` is called for each request.

    Raises `ContractError` if the document and the handlers do not match.
    """
    _refuse_double_names(document)
    paths, schemas, executor = Paths(document), Schemas(document), SerialExecutor()
    admission_limit = AdmissionLimit(access.most_requests, access.most_bytes)
    compilation = Compilation(
        document,
        schemas,
        provided,
        access.authenticate,
        None if access.rate_limit is None else RateLimit(access.rate_limit),
        admission_limit,
        executor,
        Compression(executor),
        max_body,
        max_file,
        renderers,
        body_decoders,
    )
    checks = [partial(ResponseCheck, document=document, paths=paths, schemas=schemas)] if check_responses else []
    connexion = _application(
        Pages(document, version, WebPage(page)),
        _middlewares(document, paths, errors, access, admission_limit, access_log, checks),
        lifespan,
        _HandlerResolver(handlers, document),
        _routes(document),
        partial(Operation, compilation),
    )
    connexion.longest_target = longest_target(document)
    return connexion


def _middlewares(
    document: Document,
    paths: Paths,
    errors: ErrorTable,
    access: Access,
    admission_limit: AdmissionLimit,
    access_log: AccessLog | None,
    checks: list[Any],
) -> list[Any]:
    """The middlewares of an application, from the outermost to the innermost; `checks` see what `Cors` sees."""
    boundary = partial(
        ErrorBoundary,
        errors=errors,
        origin_check=OriginCheck(access.hosts, access.origins),
        admission_limit=admission_limit,
        seconds=access.request_seconds,
        probes=Probes(document),
        readiness=access.readiness,
        access_log=access_log,
    )
    cors = [partial(Cors, origins=access.origins)] if access.origins else []
    # Inside the error boundary, so that a preflight has an id, and its errors are problems.
    preflights = [partial(Preflights, paths=paths, origins=access.origins)] if access.origins else []
    # Connexion's type hint names applications, but it accepts factories.
    return [*cors, *checks, boundary, *preflights, partial(Routing, paths=paths), Operations]


def _application(
    pages: Pages,
    middlewares: list[Any],
    lifespan: Lifespan,
    resolver: Resolver,
    routes: Json,
    compile_operation: CompileOperation,
) -> ContractApplication:
    """Connexion's application, whose stack is built. Raises `ContractError` if it cannot be."""
    try:
        connexion = ContractApplication(pages, middlewares=middlewares, lifespan=lifespan, resolver=resolver)
        connexion.add_api(routes, compile_operation=compile_operation)
        _build(connexion)
    except ContractError:
        raise
    except Exception as error:
        # The exception for an invalid document depends on the place where Connexion fails to read it.
        raise ContractError(f"Connexion cannot read the contract: {error!r}") from error
    return connexion


def _build(connexion: ConnexionMiddleware) -> None:
    """Let Connexion build its stack, so that a contract that does not match the handlers fails the start.

    Connexion does so on its first call of any type. This call is not a request, and `Routing` ends it.
    """
    with suppress(StopIteration):
        connexion({"type": "build"}, _no_message, _no_message).send(None)


async def _no_message(*_message: Any) -> Any:
    raise AssertionError("A call that is not a request receives and sends nothing.")


def _routes(document: Document) -> Json:
    """The contract as far as Connexion needs it for routes, which scans and copies it; a response is required.

    The tests check that the whole document is valid OpenAPI.
    """
    paths: dict[str, Json] = {}
    for path, method, operation in document.operations():
        # A missing response prevents the start.
        declared = {status: document.resolve(response) for status, response in operation["responses"].items()}
        status, response = next(iter(declared.items()))
        responses = {status: {"description": response["description"]}}
        route = {"operationId": operation["operationId"], "tags": operation["tags"], "responses": responses}
        paths.setdefault(path, {})[method] = route
    return {**{name: value for name, value in document.spec.items() if name != "components"}, "paths": paths}


def _refuse_double_names(document: Document) -> None:
    # Connexion would use the last one for all of them.
    places: dict[str, str] = {}
    for path, method, operation in document.operations():
        place = f"{method.upper()} {path}"
        other = places.setdefault(operation.get("operationId", ""), place)
        if other != place or "operationId" not in operation:
            raise ContractError(f"{place} needs an operationId of its own; {other} has the same, or none.")


class _HandlerResolver(Resolver):
    """Finds `handlers.sessions.create_session` for the operation `createSession` of the tag `sessions`."""

    def __init__(self, package: str, document: Document) -> None:
        super().__init__()
        self._package = package
        self._document = document

    def resolve(self, operation: AbstractOperation) -> Resolution:
        operation_id = operation.operation_id
        [tag, *_] = self._document.spec["paths"][operation.path][operation.method]["tags"]
        module = f"{self._package}.{tag}"
        name = re.sub(r"(?=[A-Z])", "_", operation_id).lower()
        try:
            function = getattr(import_module(module), name)
            return Resolution(function, operation_id)  # type: ignore[no-untyped-call]  # Connexion's, without hints
        except (ImportError, AttributeError):
            raise ContractError(
                f"Operation {operation_id} ({operation.method.upper()} {operation.path}) has no handler: "
                f"there is no function {name} in {module}."
            ) from None
