"""The outermost application: gives each request an id, logs it, and answers every error with a problem body."""

import asyncio
import logging
import secrets
import time
from collections.abc import Callable
from itertools import count

from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Receive, Scope, Send

from ..access.origin_check import OriginCheck
from ..access.probes import Probes
from ..core.problems import RETRY_AFTER_SECONDS, ErrorTable, Problem, problem_of, render
from ..core.request_state import AdmissionLimit, RequestState
from ..request.header_limits import check_headers
from ..response.etag import PRECONDITION_FAILED, explain
from .deadline import UNWINDING_SECONDS, Deadlines, deadline_exceeded

AccessLog = Callable[[str, str, int, float, str], None]

logger = logging.getLogger("amplifierd")

_ENDING = Problem(
    503,
    "server-ending",
    "The server ends. What was asked may be done or not: send it again, with its Idempotency-Key where it has one.",
    headers={"Retry-After": str(RETRY_AFTER_SECONDS)},
)


class ErrorBoundary:
    """Serves `app` to the world, as `gate` lets it in and within `capacity`; `errors` says how a fact is answered.

    `probes` tells what is served at any load, and while the daemon starts. What is no request, as a server's start and
    end, passes through. A request whose response has not begun after `seconds` is cancelled, and is a 503 problem.

    `access_log` is told of each request: its method, path, status, milliseconds and id.
    """

    def __init__(
        self,
        app: ASGIApp,
        errors: ErrorTable,
        gate: OriginCheck,
        capacity: AdmissionLimit,
        seconds: float,
        probes: Probes,
        access_log: AccessLog | None,
    ) -> None:
        self._app = app
        self._errors = errors
        self._gate = gate
        self._capacity = capacity
        self._deadlines = Deadlines(seconds, self._cancel)
        self._answering: set[asyncio.Task[None]] = set()
        self._probes = probes
        self._access_log = access_log
        self._process = secrets.token_hex(4)
        self._numbers = count(1)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_state = RequestState(scope, receive, send, f"{self._process}-{next(self._numbers):x}", self._deadlines)
        started = time.perf_counter()
        try:
            self._enter(scope)
            check_headers(scope["headers"])
            self._gate.check(scope, request_state)
            self._probes.check_ready(scope)
            await self._app(_without_trailing_slash(scope), request_state.receive, request_state.send)
        except ClientDisconnect:
            request_state.status = 499
        except asyncio.CancelledError as cancelled:
            await self._answer_cancelled(request_state, nothing_written=getattr(cancelled, "nothing_written", False))
        except Exception as error:  # noqa: BLE001  # whatever it is, the client gets a problem body
            await self._answer_error(error, request_state, scope)
            _release(error)
        finally:
            self._capacity.leave(request_state)
            request_state.end(scope)
            if self._access_log is not None:
                milliseconds = (time.perf_counter() - started) * 1e3
                # The raw path is percent-encoded: nothing that a client sends can begin a line of its own.
                path = scope["raw_path"].decode("latin-1")
                self._access_log(scope["method"], path, request_state.status, milliseconds, request_state.request_id)

    def _cancel(self, request_state: RequestState) -> None:
        request_state.is_overdue = True
        assert request_state.task is not None, "A request is served in a task."
        request_state.task.cancel()
        request_state.task.get_loop().call_later(UNWINDING_SECONDS, self._answer_uncertain, request_state)

    def _answer_uncertain(self, request_state: RequestState) -> None:
        """Answer a request that does not end though it is cancelled: its database does not react, say."""
        task = asyncio.get_running_loop().create_task(self._answer_overdue(request_state, nothing_written=False))
        self._answering.add(task)
        task.add_done_callback(self._answering.discard)

    async def _answer_cancelled(self, request_state: RequestState, *, nothing_written: bool) -> None:
        if request_state.is_overdue:
            assert request_state.task is not None, "A request is served in a task."
            # The task goes on to the next request of its connection.
            request_state.task.uncancel()
            await self._answer_overdue(request_state, nothing_written=nothing_written)
        elif not request_state.status:
            # The server ends, and has waited long enough. An answer that has begun is cut, which tells its client.
            await self._answer(_ENDING, request_state)

    async def _answer_overdue(self, request_state: RequestState, *, nothing_written: bool) -> None:
        if not request_state.status:
            problem = deadline_exceeded(self._deadlines.seconds, request_state.method, nothing_written=nothing_written)
            await self._answer(problem, request_state)

    def _enter(self, scope: Scope) -> None:
        try:
            self._capacity.enter()
        except Problem:
            if not self._probes.is_unlimited(scope):
                raise

    async def _answer_error(self, error: Exception, request_state: RequestState, scope: Scope) -> None:
        if request_state.is_overdue:
            # Of how it came to its end its client knows already, or is told now.
            await self._answer_overdue(request_state, nothing_written=False)
            return
        problem = problem_of(error, self._errors, request_state.request_id)
        if problem.status == PRECONDITION_FAILED:
            explain(problem, scope["headers"])
        if problem.status == 500:
            logger.error("Request %s failed", request_state.request_id, exc_info=error)
        if request_state.status:
            # The status is sent; only a connection cut short still tells the client that something failed.
            raise error
        await self._answer(problem, request_state)

    async def _answer(self, problem: Problem, request_state: RequestState) -> None:
        headers, body = render(problem, request_state.request_id)
        await request_state.send({"type": "http.response.start", "status": problem.status, "headers": headers})
        await request_state.send({"type": "http.response.body", "body": body})


def _release(error: BaseException | None) -> None:
    """Let go of what the error's traceback holds: a decoded body, say, that would wait for the garbage collector."""
    while error is not None:
        error.__traceback__ = None
        following, error.__context__ = error.__context__, None
        error = following


def _without_trailing_slash(scope: Scope) -> Scope:
    """`scope` with the path as the contract has it: with a slash at its end or without is the same resource."""
    path, raw_path = scope["path"], scope["raw_path"]
    if not raw_path.endswith(b"/") or path == "/":
        return scope
    return {**scope, "path": path[:-1], "raw_path": raw_path[:-1]}
