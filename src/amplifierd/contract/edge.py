"""The outermost application: gives each request an id, logs it, and answers every error with a problem body."""

import asyncio
import logging
import secrets
import time
from collections.abc import Callable, Mapping
from itertools import count

from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Receive, Scope, Send

from .exchange import Capacity, Exchange
from .gate import Gate
from .problems import RETRY_AFTER_SECONDS, Problem, problem_of, render

AccessLog = Callable[[str, str, int, float, str], None]

logger = logging.getLogger("amplifierd")

_ENDING = Problem(
    503,
    "server-ending",
    "The server ends. What was asked may be done or not: send it again, with its Idempotency-Key where it has one.",
    headers={"Retry-After": str(RETRY_AFTER_SECONDS)},
)


class Edge:
    """Serves `app` to the world, as `gate` lets it in and within `capacity`; `statuses` says which status a fact has.

    What is no request, as a server's start and end, passes through.
    `access_log` is told of each request: its method, path, status, milliseconds and id.
    """

    def __init__(
        self,
        app: ASGIApp,
        statuses: Mapping[type[Exception], int],
        gate: Gate,
        capacity: Capacity,
        access_log: AccessLog | None,
    ) -> None:
        self._app = app
        self._statuses = statuses
        self._gate = gate
        self._capacity = capacity
        self._access_log = access_log
        self._process = secrets.token_hex(4)
        self._numbers = count(1)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        exchange = Exchange(scope, send, f"{self._process}-{next(self._numbers):x}")
        started = time.perf_counter()
        try:
            self._capacity.enter()
            self._gate.check(scope, exchange)
            await self._app(_without_trailing_slash(scope), receive, exchange.send)
        except ClientDisconnect:
            exchange.status = 499
        except asyncio.CancelledError:
            # The server ends, and has waited long enough. An answer that has begun is cut, which tells its client.
            if not exchange.status:
                await self._answer(_ENDING, exchange)
        except Exception as error:  # noqa: BLE001  # whatever it is, the client gets a problem body
            await self._answer_error(error, exchange)
        finally:
            self._capacity.leave(exchange)
            exchange.end(scope)
            if self._access_log is not None:
                milliseconds = (time.perf_counter() - started) * 1e3
                # The raw path is percent-encoded: nothing that a client sends can begin a line of its own.
                path = scope["raw_path"].decode("latin-1")
                self._access_log(scope["method"], path, exchange.status, milliseconds, exchange.request_id)

    async def _answer_error(self, error: Exception, exchange: Exchange) -> None:
        problem = problem_of(error, self._statuses, exchange.request_id)
        if problem.status == 500:
            logger.error("Request %s failed", exchange.request_id, exc_info=error)
        if exchange.status:
            # The status is sent; only a connection cut short still tells the client that something failed.
            raise error
        await self._answer(problem, exchange)

    async def _answer(self, problem: Problem, exchange: Exchange) -> None:
        headers, body = render(problem, exchange.request_id)
        await exchange.send({"type": "http.response.start", "status": problem.status, "headers": headers})
        await exchange.send({"type": "http.response.body", "body": body})


def _without_trailing_slash(scope: Scope) -> Scope:
    """`scope` with the path as the contract has it: with a slash at its end or without is the same resource."""
    path, raw_path = scope["path"], scope["raw_path"]
    if not raw_path.endswith(b"/") or path == "/":
        return scope
    return {**scope, "path": path[:-1], "raw_path": raw_path[:-1]}
