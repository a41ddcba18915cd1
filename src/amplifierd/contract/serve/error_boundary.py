"""The outermost application: gives each request an id, logs it, and turns every error into a problem body."""

import asyncio
import logging
import secrets
import time
from collections.abc import Callable
from itertools import count
from typing import NamedTuple

from connexion.middleware.lifespan import Lifespan, LifespanMiddleware
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Receive, Scope, Send

from ..access.origin_check import OriginCheck
from ..access.probes import Probes, Readiness, starting
from ..core.problems import RETRY_AFTER_SECONDS, ErrorTable, Problem, problem_of, render
from ..core.request_state import CLIENT_CLOSED_REQUEST, AdmissionLimit, RequestState
from ..request.header_limits import UNCHECKED_BYTES, check_headers
from ..response.etag import PRECONDITION_FAILED, explain
from .deadline import UNWINDING_SECONDS, Deadlines, deadline_exceeded


class AccessLog(NamedTuple):
    """Logs requests whose status is `least_status` or higher: method, path, status, milliseconds and id."""

    write: Callable[[str, str, int, float, str], None]
    least_status: int


logger = logging.getLogger("amplifierd")

_ENDING = Problem(
    503,
    "server-ending",
    "The server is shutting down; the request may or may not have been applied. "
    "Retry it with the same Idempotency-Key.",
    headers={"Retry-After": str(RETRY_AFTER_SECONDS)},
)


class ErrorBoundary(LifespanMiddleware):
    """Serves `app` to requests that `origin_check` and `admission_limit` admit.

    `errors` maps domain errors to responses. `probes` identifies requests that are served at any load, and before the
    daemon has its `readiness`. A call that is not a request starts or stops the application, within its `lifespan`. A
    request whose response has not begun after `seconds` is cancelled, with a 503 problem.

    Requests are written to `access_log`, if there is one.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        lifespan: Lifespan,
        errors: ErrorTable,
        origin_check: OriginCheck,
        admission_limit: AdmissionLimit,
        seconds: float,
        probes: Probes,
        readiness: Readiness,
        access_log: AccessLog | None,
    ) -> None:
        super().__init__(app, lifespan=lifespan)
        self._app = app
        self._errors = errors
        self._origin_check = origin_check
        self._admission_limit = admission_limit
        self._deadlines = Deadlines(seconds, self._cancel)
        self._responding: set[asyncio.Task[None]] = set()
        self._probes = probes
        self._readiness = readiness
        self._access_log = access_log
        self._process = secrets.token_hex(4)
        self._numbers = count(1)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await super().__call__(scope, receive, send)
            return
        request_state = RequestState(scope, receive, send, f"{self._process}-{next(self._numbers):x}", self._deadlines)
        started = time.perf_counter()
        try:
            if not (self._admission_limit.enter() or self._probes.is_unlimited(scope)):
                raise self._admission_limit.too_many()
            if request_state.header_bytes > UNCHECKED_BYTES:
                check_headers(scope["headers"])
            self._origin_check.check(scope, request_state)
            reason = self._readiness.reason
            if reason is not None and not self._probes.is_always_served(scope):
                raise starting(reason)
            await self._app(scope, request_state.receive, request_state.send)
        except ClientDisconnect:
            request_state.status = CLIENT_CLOSED_REQUEST
        except asyncio.CancelledError as cancelled:
            await self._respond_to_cancelled(
                request_state, nothing_written=getattr(cancelled, "nothing_written", False)
            )
        except Exception as error:  # noqa: BLE001  # whatever it is, the client gets a problem body
            await self._respond_with_error(error, request_state)
            _release(error)
        finally:
            self._admission_limit.leave(request_state)
            request_state.end(scope)
            log = self._access_log
            if log is not None and request_state.status >= log.least_status:
                milliseconds = (time.perf_counter() - started) * 1e3
                # The raw path is percent-encoded, so a client cannot inject a line into the log.
                path = scope["raw_path"].decode("latin-1")
                log.write(scope["method"], path, request_state.status, milliseconds, request_state.request_id)

    def _cancel(self, request_state: RequestState) -> None:
        request_state.is_overdue = True
        assert request_state.task is not None, "A request runs in a task."
        request_state.task.cancel()
        request_state.task.get_loop().call_later(UNWINDING_SECONDS, self._respond_if_stuck, request_state)

    def _respond_if_stuck(self, request_state: RequestState) -> None:
        """Respond to a request that does not end after its cancellation, for example if its database does not react."""
        task = asyncio.get_running_loop().create_task(self._respond_to_overdue(request_state, nothing_written=False))
        self._responding.add(task)
        task.add_done_callback(self._responding.discard)

    async def _respond_to_cancelled(self, request_state: RequestState, *, nothing_written: bool) -> None:
        if request_state.is_overdue:
            assert request_state.task is not None, "A request runs in a task."
            # The task continues with the next request of its connection.
            request_state.task.uncancel()
            await self._respond_to_overdue(request_state, nothing_written=nothing_written)
        elif not request_state.status:
            # The server is shutting down and has waited long enough. A response that has begun is aborted.
            await self._respond(_ENDING, request_state)

    async def _respond_to_overdue(self, request_state: RequestState, *, nothing_written: bool) -> None:
        if not request_state.status:
            problem = deadline_exceeded(self._deadlines.seconds, request_state.method, nothing_written=nothing_written)
            await self._respond(problem, request_state)

    async def _respond_with_error(self, error: Exception, request_state: RequestState) -> None:
        if request_state.is_overdue:
            # The client already knows why the request ended, or gets the reason now.
            await self._respond_to_overdue(request_state, nothing_written=False)
            return
        problem = problem_of(error, self._errors, request_state.request_id)
        if problem.status == PRECONDITION_FAILED:
            explain(problem, request_state.fields)
        if problem.status == 500:
            logger.error("Request %s failed", request_state.request_id, exc_info=error)
        if request_state.status:
            # The status is already sent; only aborting the connection can still signal the failure.
            raise error
        await self._respond(problem, request_state)

    async def _respond(self, problem: Problem, request_state: RequestState) -> None:
        headers, body = render(problem, request_state.request_id)
        try:
            await request_state.send({"type": "http.response.start", "status": problem.status, "headers": headers})
            await request_state.send({"type": "http.response.body", "body": body})
        except ClientDisconnect:
            request_state.status = CLIENT_CLOSED_REQUEST


def _release(error: BaseException | None) -> None:
    """Release what the error's traceback holds, such as a decoded body, without waiting for the garbage collector."""
    while error is not None:
        error.__traceback__ = None
        following, error.__context__ = error.__context__, None
        error = following
